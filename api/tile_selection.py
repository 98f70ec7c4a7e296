"""The layers named in a tile's address, for one viewer: scopes to draw, whether anybody may keep the answer.

Worked out once for each address and viewer and kept while the layers stand as they stood.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from operator import is_

from layers.access import ANONYMOUS, Viewer, scope_for, scopes_for
from layers.catalogue import Catalogue
from layers.errors import BadRequest, NotAllowed, NotFound, TooMuch
from layers.model import LAYER_ID, Layer
from tiles.server import MAX_LAYERS, MAX_LAYERS_OF_ALL, Selection, select_scopes

KEPT_AT_MOST = 4096


@dataclass(frozen=True, slots=True)
class Chosen:
    """`layers` are those looked at, `selection` those drawn.

    `token` names versions, rows and fields together: two that are equal draw the same tiles.
    `is_public`: an anonymous caller gets the same.
    """

    selection: Selection
    layers: tuple[Layer, ...]
    is_public: bool
    token: str


class Selections:
    """What was chosen lately, by address and viewer. One per process."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._kept: OrderedDict[tuple[str, int | None, Viewer], Chosen] = OrderedDict()

    def choose_all(self, viewer: Viewer) -> Chosen:
        """Every published layer `viewer` may see. Raises `TooMuch` if they are too many for one tile."""
        key = ("", None, viewer)
        layers = tuple(layer for layer in self._catalogue.layers() if layer.status == "published")
        kept = self._kept.get(key)
        if kept is not None and len(kept.layers) == len(layers) and all(map(is_, kept.layers, layers)):
            return kept
        return self._keep(key, _choose_all(viewer, layers))

    async def choose(self, viewer: Viewer, names: str, version: int | None = None) -> Chosen:
        """The layers called `names` (ids with commas between), as far as `viewer` may see them.

        `version` None is the current one; another may be asked of one layer only. Raises `NotFound`,
        `LoginNeeded`, `NotAllowed` for a layer that is not for the viewer, `TooMuch`, `BadRequest`.
        """
        kept = self.kept(viewer, names, version)
        if kept is not None:
            return kept
        ids = _ids(names)
        if version is not None and len(ids) > 1:
            raise BadRequest(
                "只有单个图层可以指定版本",
                "a version can be asked of one layer at a time",
                field="version",
                value=version,
                expected="one layer",
            )
        layers = tuple([await self._catalogue.layer(layer_id) for layer_id in ids])
        return self._keep((names, version, viewer), _choose(viewer, layers, version))

    def kept(self, viewer: Viewer, names: str, version: int | None = None) -> Chosen | None:
        """What `choose` answered lately, if the layers still stand as they stood then."""
        kept = self._kept.get((names, version, viewer))
        if kept is None:
            return None
        for layer in kept.layers:
            # The catalogue replaces the value of a layer that changed in any way.
            if self._catalogue.known(layer.id) is not layer:
                return None
        return kept

    def _keep(self, key: tuple[str, int | None, Viewer], chosen: Chosen) -> Chosen:
        self._kept[key] = chosen
        self._kept.move_to_end(key)
        if len(self._kept) > KEPT_AT_MOST:
            self._kept.popitem(last=False)
        return chosen


def _choose(viewer: Viewer, layers: tuple[Layer, ...], version: int | None) -> Chosen:
    selection = select_scopes([scope_for(viewer, layer, version=version) for layer in layers])
    try:
        everyones = select_scopes([scope_for(ANONYMOUS, layer, version=version) for layer in layers])
        is_public = everyones.key == selection.key
    except (NotAllowed, NotFound):
        is_public = False
    return _chosen(selection, layers, is_public)


def _choose_all(viewer: Viewer, layers: tuple[Layer, ...]) -> Chosen:
    scopes = scopes_for(viewer, layers)
    if not scopes:
        raise NotFound("没有可以查看的图层", "there is no layer you may see")
    selection = select_scopes(scopes, limit=MAX_LAYERS_OF_ALL)
    return _chosen(selection, layers, scopes_for(ANONYMOUS, layers) == scopes)


def _chosen(selection: Selection, layers: tuple[Layer, ...], is_public: bool) -> Chosen:
    versions = ".".join(str(scope.version) for scope in selection.scopes)
    digest = hashlib.blake2b(selection.key.encode(), digest_size=5).hexdigest()
    return Chosen(selection, layers, is_public, f"{versions}-{digest}")


def _ids(names: str) -> list[str]:
    ids = names.split(",", MAX_LAYERS + 1)
    if len(ids) > MAX_LAYERS:
        raise TooMuch(
            f"一次最多请求 {MAX_LAYERS} 个图层",
            f"at most {MAX_LAYERS} layers in one tile",
            limit=MAX_LAYERS,
        )
    for layer_id in ids:
        if not LAYER_ID.fullmatch(layer_id):
            shown = layer_id[:60]
            raise NotFound(f"没有图层“{shown}”", f"there is no layer {shown!r}", layer=shown)
    return ids
