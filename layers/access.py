"""The one place that decides what a viewer may see: viewer + layer → scope, or a refusal.

Every way to rows (tiles, features, identify, search, counts, export) takes a `Scope`, and a cache
key contains `Scope.cache_key`. Nothing else in the project looks at roles to decide about rows.

The rules, in order:
1. A withdrawn or empty layer exists only for publishers and admins.
2. `public` layers are open to everyone, `login` layers to every account, `restricted` layers to the
   owner department, publishers and admins.
3. A viewer with districts sees rows whose `district_field` starts with one of them; a layer without
   a district field is seen whole when public, and not at all otherwise. Admins are never limited.
4. `open` fields leave with the row; `internal` ones to anybody logged in; `personal` ones to the
   layer's owner department, dispatchers, publishers and admins.
5. Publishers change layers: one of a department its own department's layers and those of nobody, one
   without a department every layer, one with districts only rows in them, never a layer as a whole.
   Admins change everything.
6. Coordinates leave in a city-local system for who is logged in; where its parameters are secret, for
   publishers and admins, as a handful of points in both systems gives the parameters away.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from layers.errors import LoginNeeded, NotAllowed, NotFound
from layers.model import Layer

Role = Literal["viewer", "inspector", "dispatcher", "publisher", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "inspector", "dispatcher", "publisher", "admin")


@dataclass(frozen=True)
class Viewer:
    """Who is asking. `districts` are administrative codes (6, 9 or 12 digits); empty means no limit."""

    name: str
    title: str = ""
    roles: frozenset[Role] = frozenset()
    department: str | None = None
    districts: tuple[str, ...] = ()
    is_logged_in: bool = False

    def has(self, *roles: Role) -> bool:
        """True if the viewer holds at least one of `roles`."""
        return bool(self.roles & set(roles))


ANONYMOUS = Viewer(name="anonymous")
SYSTEM = Viewer(name="system", roles=frozenset({"admin"}), is_logged_in=True)
"""The command line and the service itself (the grid index, the importers)."""


@dataclass(frozen=True)
class Scope:
    """The rows and fields of one layer that may leave, at one version.

    `fields` are column names in the layer's order. `districts` None: all rows; otherwise rows whose
    district field starts with one of them. Made by `scope_for` only.
    """

    layer: Layer
    fields: tuple[str, ...]
    districts: tuple[str, ...] | None
    version: int
    allowed: str = field(default="")
    """Which rows and fields may leave, as a part of keys: two scopes of a layer with the same differ only in
    their version."""

    @property
    def cache_key(self) -> str:
        """What names everything that may leave: two scopes with the same key give the same answers."""
        return f"{self.layer.id}@{self.version}{self.allowed}"

    @property
    def is_current(self) -> bool:
        return self.version == self.layer.version


def scope_for(viewer: Viewer, layer: Layer, *, version: int | None = None) -> Scope:
    """What `viewer` may see of `layer` (current version unless `version` says otherwise).

    Raises `NotFound` where the viewer may not know of the layer or the version does not exist,
    `LoginNeeded` where logging in could help, `NotAllowed` where it would not.
    """
    steward = viewer.has("publisher", "admin")
    own = viewer.department is not None and viewer.department == layer.owner
    if layer.status != "published" and not steward:
        raise _no_such(layer.id)
    if layer.access != "public" and not viewer.is_logged_in:
        raise LoginNeeded(
            f"图层“{layer.title.zh}”需要登录后查看", f"layer {layer.id!r} needs a login", layer=layer.id
        )
    if layer.access == "restricted" and not (steward or own):
        raise NotAllowed(
            f"图层“{layer.title.zh}”仅对主管部门开放",
            f"layer {layer.id!r} is open to its owner department only",
            layer=layer.id,
        )
    districts = _districts(viewer, layer)
    fields = tuple(f.name for f in layer.fields if _may_leave(f.sensitivity, viewer, own))
    if version is not None and not 1 <= version <= layer.version:
        raise NotFound(
            f"图层“{layer.title.zh}”没有版本 {version}，现有 1 至 {layer.version}",
            f"layer {layer.id!r} has no version {version}; there are 1 to {layer.version}",
            layer=layer.id,
            version=version,
        )
    if layer.is_read_where_it_is and version not in (None, layer.version):
        raise keeps_no_history(layer)
    chosen = layer.version if version is None else version
    hidden = (
        ""
        if len(fields) == len(layer.fields)
        else "-" + ",".join(sorted(set(layer.field_names) - set(fields)))
    )
    rows = "*" if districts is None else ",".join(districts)
    return Scope(layer, fields, districts, chosen, f"[{rows}]{hidden}")


def keeps_no_history(layer: Layer) -> NotFound:
    """The answer to who asks for an earlier state of a registered layer."""
    return NotFound(
        f"图层“{layer.title.zh}”是登记的数据表、函数或服务，不保留历史版本",
        f"layer {layer.id!r} is a registered table, function or service; it keeps no earlier versions",
        layer=layer.id,
        version=layer.version,
    )


def scopes_for(viewer: Viewer, layers: tuple[Layer, ...] | list[Layer]) -> list[Scope]:
    """The scopes of those `layers` that `viewer` may see; the others are left out without a word."""
    scopes = []
    for layer in layers:
        try:
            scopes.append(scope_for(viewer, layer))
        except (NotFound, NotAllowed):
            continue
    return scopes


def require(viewer: Viewer, *roles: Role) -> None:
    """Raises `LoginNeeded` or `NotAllowed` unless `viewer` holds one of `roles` (admins hold all)."""
    if viewer.has("admin", *roles):
        return
    if not viewer.is_logged_in:
        raise LoginNeeded("请先登录", "please log in first")
    raise NotAllowed(
        f"需要以下角色之一：{'、'.join(roles)}",
        f"one of these roles is needed: {', '.join(roles)}",
        roles=list(roles),
    )


def require_change(viewer: Viewer, layer: Layer) -> tuple[str, ...]:
    """The districts within which `viewer` may publish to `layer` or roll it back; empty: everywhere.

    Raises `LoginNeeded` or `NotAllowed` if not at all.
    """
    require(viewer, "publisher")
    if viewer.has("admin"):
        return ()
    if viewer.department is not None and layer.owner not in ("", viewer.department):
        raise NotAllowed(
            f"图层“{layer.title.zh}”由部门 {layer.owner} 主管，您所在的部门是 {viewer.department}",
            f"layer {layer.id!r} belongs to department {layer.owner!r}, you are of {viewer.department!r}",
            layer=layer.id,
            owner=layer.owner,
            department=viewer.department,
        )
    if viewer.districts and layer.district_field is None:
        raise NotAllowed(
            f"图层“{layer.title.zh}”没有区划字段，有辖区限制的账户不能发布",
            f"layer {layer.id!r} has no district field; an account limited to districts cannot publish it",
            layer=layer.id,
        )
    return viewer.districts


def require_whole(viewer: Viewer, layer: Layer) -> None:
    """Raises `LoginNeeded` or `NotAllowed` unless `viewer` may withdraw and restore `layer`, as a whole."""
    districts = require_change(viewer, layer)
    if districts:
        raise NotAllowed(
            f"您的辖区限于 {'、'.join(districts)}，不能撤下或恢复整个图层",
            f"your districts are {', '.join(districts)}; a layer is withdrawn and restored as a whole",
            layer=layer.id,
            districts=list(districts),
        )


def may_change_own(viewer: Viewer, owner: str) -> bool:
    """Whether the viewer may change what belongs to the account `owner`."""
    return viewer.has("admin") or (viewer.is_logged_in and viewer.name == owner)


def require_own(viewer: Viewer, owner: str) -> None:
    """Raises `NotAllowed` unless what is the account `owner`'s is the viewer's own (admins have all)."""
    if may_change_own(viewer, owner):
        return
    raise NotAllowed(
        f"它属于账户 {owner}，只有该账户或管理员可以更改",
        f"it belongs to the account {owner!r}; only that account or an admin may change it",
        owner=owner,
    )


def may_have_local(viewer: Viewer, *, is_secret: bool) -> bool:
    """True if coordinates may leave to `viewer` in a city-local system."""
    return viewer.has("publisher", "admin") if is_secret else viewer.is_logged_in


def require_other(viewer: Viewer, makers: Collection[str]) -> None:
    """Raises `NotAllowed` if the viewer is one of `makers`, whose work another person has to approve."""
    if viewer.name in makers:
        raise NotAllowed(
            "按规定须由导入人以外的人审核发布，您参与了该次导入",
            "another person than who imported has to publish this; you took part in the import",
            makers=sorted(makers),
        )


def _districts(viewer: Viewer, layer: Layer) -> tuple[str, ...] | None:
    if not viewer.districts or viewer.has("admin"):
        return None
    if layer.district_field is not None:
        return tuple(sorted(viewer.districts))
    if layer.access == "public":
        return None
    raise NotAllowed(
        f"图层“{layer.title.zh}”没有区划字段，无法按您的辖区限定",
        f"layer {layer.id!r} has no district field to limit your view by",
        layer=layer.id,
    )


def _may_leave(sensitivity: str, viewer: Viewer, own: bool) -> bool:
    if sensitivity == "open":
        return True
    if sensitivity == "internal":
        return viewer.is_logged_in
    return viewer.is_logged_in and (own or viewer.has("dispatcher", "publisher", "admin"))


def _no_such(layer_id: str) -> NotFound:
    return NotFound(f"没有图层“{layer_id}”", f"there is no layer {layer_id!r}", layer=layer_id)
