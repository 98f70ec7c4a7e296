"""The layers named in a tile's address, for one viewer: scopes to draw, whether anybody may keep the answer.

Worked out once for each address and viewer and kept while the layers stand as they stood.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from operator import is_

from api.as_of import require_one
from layers.access import ANONYMOUS, Scope, Viewer
from layers.catalogue import Catalogue
from layers.cql2 import FilterExpression
from layers.errors import NotAllowed, NotFound, TooMuch
from layers.model import LAYER_ID, Layer
from layers.moments import NOW, AsOf, Moments
from layers.rows import no_rows
from tiles.server import MAX_LAYERS, MAX_LAYERS_OF_ALL, Selection, called, filtered, select_scopes

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

    def __init__(self, catalogue: Catalogue, moments: Moments) -> None:
        self._catalogue = catalogue
        self._moments = moments
        self._kept: OrderedDict[tuple[str, AsOf, Viewer], Chosen] = OrderedDict()

    async def choose_all(self, viewer: Viewer, as_of: AsOf = NOW) -> Chosen:
        """Every published layer with rows that `viewer` may see and that stood then; `TooMuch` for more than
        fit one tile.
        """
        key = ("", as_of, viewer)
        layers = tuple(
            layer for layer in self._catalogue.layers() if layer.status == "published" and layer.has_rows
        )
        kept = self._kept.get(key)
        if kept is not None and len(kept.layers) == len(layers) and all(map(is_, kept.layers, layers)):
            return kept
        scopes = await self._moments.scopes(viewer, layers, as_of)
        if not scopes:
            raise NotFound("没有可以查看的图层", "there is no layer you may see")
        everyones = await self._moments.scopes(ANONYMOUS, layers, as_of)
        selection = select_scopes(scopes, limit=MAX_LAYERS_OF_ALL)
        return self._keep(key, _chosen(selection, layers, everyones == scopes))

    async def choose(self, viewer: Viewer, names: str, as_of: AsOf = NOW) -> Chosen:
        """The layers called `names` (ids with commas between), as far as `viewer` may see them.

        A version may be asked of one layer only, a moment of several. Raises `NotFound`, `LoginNeeded`,
        `NotAllowed` for a layer that is not for the viewer or did not stand then, `TooMuch`, `BadRequest`.
        """
        kept = self.kept(viewer, names, as_of)
        if kept is not None:
            return kept
        ids = _ids(names)
        require_one(as_of, len(ids))
        layers = tuple([await self._catalogue.layer(layer_id) for layer_id in ids])
        scopes = await self._scopes(viewer, layers, as_of)
        for layer in layers:
            if layer.service is not None:
                raise no_rows(layer)
        selection = select_scopes(scopes)
        try:
            everyones = select_scopes(await self._scopes(ANONYMOUS, layers, as_of))
            is_public = everyones.key == selection.key
        except (NotAllowed, NotFound):
            is_public = False
        return self._keep((names, as_of, viewer), _chosen(selection, layers, is_public))

    def kept(self, viewer: Viewer, names: str, as_of: AsOf = NOW) -> Chosen | None:
        """What `choose` answered lately, if the layers still stand as they stood then."""
        kept = self._kept.get((names, as_of, viewer))
        if kept is None:
            return None
        for layer in kept.layers:
            # The catalogue replaces the value of a layer that changed in any way.
            if self._catalogue.known(layer.id) is not layer:
                return None
        return kept

    @property
    def revision(self) -> int:
        """While it stays the same, what `kept` answered stands."""
        return self._catalogue.revision

    async def _scopes(self, viewer: Viewer, layers: tuple[Layer, ...], as_of: AsOf) -> list[Scope]:
        return [await self._moments.scope(viewer, layer, as_of) for layer in layers]

    def _keep(self, key: tuple[str, AsOf, Viewer], chosen: Chosen) -> Chosen:
        self._kept[key] = chosen
        self._kept.move_to_end(key)
        if len(self._kept) > KEPT_AT_MOST:
            self._kept.popitem(last=False)
        return chosen


def narrowed(chosen: Chosen, where: FilterExpression | None) -> Chosen:
    """Of what was chosen, the rows that meet `where`. Not kept: there are as many filters as requests.

    Raises `BadRequest` for several layers, and for what the layer's fields do not allow.
    """
    if where is None:
        return chosen
    return _chosen(filtered(chosen.selection, where), chosen.layers, chosen.is_public)


def addressed(chosen: Chosen, said: Sequence[tuple[str, str]]) -> Chosen:
    """What was chosen, with what the address says to its function; as `tiles.server.called`."""
    selection = called(chosen.selection, said)
    if selection is chosen.selection:
        return chosen
    return _chosen(selection, chosen.layers, chosen.is_public)


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
