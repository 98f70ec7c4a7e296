"""Do administrative codes exist, nest in each other, and belong to where their row lies? (COD-05 … COD-08)"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from gis.codes import districts, streets
from importers.check.codes import COMPONENT, PLACE_FIELDS, REAL_ESTATE
from importers.check.ledger import Said, Say
from importers.check.model import Mask, Rule
from importers.check.portion import Portion, Texts, there
from importers.check.surroundings import Places
from importers.check.work import Work
from layers.model import Layer, Text


def _places_itself(layer: Layer) -> bool:
    return any(layer.field(name) is not None for name in PLACE_FIELDS)


def _carries_county(layer: Layer) -> bool:
    return layer.id in ("component", "building")


OTHER_DISTRICT = Rule(
    "COD-05",
    "error",
    "consistency",
    Text("编码前六位不是所在区县", "code begins with another district"),
    "GB/T 30428.2-2013; GB/T 47678.5-2026; GB/T 37346-2019",
    _carries_county,
)
UNKNOWN_PLACE = Rule(
    "COD-06",
    "warning",
    "normativity",
    Text("区划代码不存在", "unknown administrative code"),
    "GB/T 2260; GB/T 10114",
    _places_itself,
)
BROKEN_CHAIN = Rule(
    "COD-07",
    "error",
    "consistency",
    Text("区划代码层级不一致", "administrative codes do not nest"),
    "GB/T 30428.1-2013",
    _places_itself,
)
ELSEWHERE = Rule(
    "COD-08",
    "warning",
    "consistency",
    Text("区划代码与位置不符", "administrative code of another place"),
    applies=_places_itself,
)
RULES = (OTHER_DISTRICT, UNKNOWN_PLACE, BROKEN_CHAIN, ELSEWHERE)


def check_places(portion: Portion, work: Work) -> None:
    """Administrative codes exist, nest in each other, and are those of where the row lies."""
    layer, ledger = work.layer, work.ledger
    if not ledger.asks(UNKNOWN_PLACE, BROKEN_CHAIN, ELSEWHERE):
        return
    _check_chain(portion, work)
    for name, (place_layer, digits) in PLACE_FIELDS.items():
        if not portion.has(name) or layer.field(name) is None:
            continue
        texts, around = portion.texts(name), work.surroundings.get(place_layer)
        known = _known(place_layer, around)
        if known is not None:
            whole = texts.rows(pc.equal(pc.utf8_length(texts.values), digits))
            ledger.checked(UNKNOWN_PLACE, int(whole.sum()))
            ledger.found(
                UNKNOWN_PLACE,
                portion,
                whole & ~texts.where(known.__contains__),
                _of_place(texts, name, "没有这个区划代码：", "there is no such administrative code:"),
            )
        if around is not None and place_layer != layer.id:
            _check_elsewhere(portion, work, name, texts, around)


def _of_place(texts: Texts, name: str, zh: str, en: str) -> Say:
    def said(position: int) -> Said:
        value = texts.at(position)
        return Said(f"{zh}“{value}”", f"{en} {value!r}", value, name)

    return said


def _known(place_layer: str, around: Places | None) -> Places | frozenset[str] | None:
    """What codes there are: of the published layer, else of the standard table of the city."""
    if around is not None:
        return around
    return _tables().get(place_layer)


@lru_cache
def _tables() -> dict[str, frozenset[str]]:
    return {
        "district": frozenset(line.code for line in districts()),
        "street": frozenset(line.code for line in streets()),
    }


def _check_chain(portion: Portion, work: Work) -> None:
    """Each code begins with the coarser one beside it, the row's own code included."""
    layer = work.layer
    chain = [name for name in (*PLACE_FIELDS, "grid_code") if layer.field(name) is not None]
    if layer.id in ("street", "community", "unit_grid") and layer.key is not None:
        chain.append(layer.key)
    brought = [name for name in chain if portion.has(name)]
    for coarse, fine in pairwise(brought):
        short, long = portion.texts(coarse), portion.texts(fine)
        both = short.given & long.given
        work.ledger.checked(BROKEN_CHAIN, int(both.sum()))
        wrong = np.zeros(len(portion), dtype=bool)
        width = len(long.values) + 1
        pairs, back = np.unique(short.index[both] * width + long.index[both], return_inverse=True)
        starts, wholes = short.values.to_pylist(), long.values.to_pylist()
        nests = [wholes[pair % width].startswith(starts[pair // width]) for pair in pairs.tolist()]
        wrong[both] = ~np.array(nests, dtype=bool)[back]

        def said(
            p: int, short: Texts = short, long: Texts = long, coarse: str = coarse, fine: str = fine
        ) -> Said:
            return Said(
                f"“{long.at(p)}”（{fine}）不以“{short.at(p)}”（{coarse}）开头",
                f"{fine!r} {long.at(p)} does not begin with {coarse!r} {short.at(p)}",
                long.at(p),
                fine,
            )

        work.ledger.found(BROKEN_CHAIN, portion, wrong, said)


def _check_elsewhere(portion: Portion, work: Work, name: str, texts: Texts, around: Places) -> None:
    stated = around.positions(texts.all)
    asked = (stated >= 0) & portion.valid
    work.ledger.checked(ELSEWHERE, int(asked.sum()))
    found = around.locate(portion.insides)
    differ = asked & (found >= 0) & (found != stated)
    differ[differ] = ~around.reach(stated[differ], portion.geometry[differ], work.options.position_m)
    work.ledger.found(
        ELSEWHERE,
        portion,
        differ,
        lambda p: Said(
            f"“{name}”为 {texts.at(p)}，但位于 {around.codes[found[p]]}",
            f"{name!r} is {texts.at(p)}, but it lies in {around.codes[found[p]]}",
            texts.at(p),
            name,
        ),
    )


def check_district(portion: Portion, work: Work) -> None:
    """Ids that begin with a county code begin with that of the county they lie in, else state."""
    layer, ledger = work.layer, work.ledger
    if not ledger.asks(OTHER_DISTRICT):
        return
    name = "code" if layer.id == "component" else "real_estate_unit_code"
    pattern = COMPONENT if layer.id == "component" else REAL_ESTATE
    own = portion.texts(name).part(pattern, 0, 6)
    around = work.surroundings.get("district")
    if around is not None:
        found = around.locate(portion.insides)
        actual = np.array([*around.codes, None], dtype=object)[found]
        actual = np.where(_near_own(portion, around, own, actual, work.options.position_m), own, actual)
    else:
        actual = portion.texts("district_code").all
    asked = there(own) & there(actual)
    ledger.checked(OTHER_DISTRICT, int(asked.sum()))
    ledger.found(
        OTHER_DISTRICT,
        portion,
        asked & (own != actual),
        lambda p: Said(
            f"编码前六位 {own[p]} 不是所在区县 {actual[p]}",
            f"{name!r} begins with {own[p]}, but it lies in {actual[p]}",
            own[p],
            name,
        ),
    )


def _near_own(
    portion: Portion, around: Places, own: NDArray[np.object_], actual: NDArray[np.object_], within_m: float
) -> Mask:
    """Rows at the border of the district their code names."""
    stated = around.positions(own)
    differ = (stated >= 0) & (own != actual) & portion.valid
    differ[differ] = around.reach(stated[differ], portion.geometry[differ], within_m)
    return np.asarray(differ)
