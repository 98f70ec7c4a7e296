"""How pipe segments hang together: doubles, loose ends, changes of size, separate networks.

PIP-05, PIP-06, PIP-11, PIP-13, PIP-14, over the whole layer. Holds codes and numbers, no shapes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from importers.check.ledger import Said
from importers.check.model import Floats, Mask, Positions, Rule
from importers.check.pipe_lines import ends_of, is_line
from importers.check.portion import Portion
from importers.check.repeats import Register
from importers.check.surroundings import Places
from importers.check.work import Work
from layers.model import Text

_SURVEY = "CJJ 61-2017"

DOUBLE = Rule(
    "PIP-05",
    "error",
    "accuracy",
    Text("管段重复", "segment recorded twice"),
    _SURVEY,
    is_line,
    topology="duplicates",
)
REVERSED = Rule(
    "PIP-06",
    "error",
    "accuracy",
    Text("管段反向重复", "segment recorded twice, reversed"),
    _SURVEY,
    is_line,
    topology="duplicates",
)
LOOSE = Rule(
    "PIP-11",
    "warning",
    "consistency",
    Text("悬挂端点", "dangling end"),
    _SURVEY,
    is_line,
    ("pipe_node",),
    topology="ends",
)
NETWORKS = Rule(
    "PIP-13",
    "info",
    "consistency",
    Text("管网不连通", "separate networks"),
    "One Map",
    is_line,
    topology="network",
)
CHANGES = Rule(
    "PIP-14",
    "warning",
    "consistency",
    Text("管径或材质在非变径点处变化", "size or material changes at a plain node"),
    _SURVEY,
    is_line,
    ("pipe_node",),
    topology="network",
)
RULES = (DOUBLE, REVERSED, LOOSE, NETWORKS, CHANGES)

ENDINGS = frozenset(
    {
        *("预留口", "预留", "盖堵", "堵头", "管堵", "停止塞", "终点", "起点", "起始点", "终止点", "末端"),
        *("进水口", "出水口", "出水闸", "排水口", "排放口", "出地", "入地", "上杆", "下杆", "入户", "入户点"),
        *("出测区", "测区边界", "非普查", "非普", "一般管线点", "进房", "测流点", "测压点"),
    }
)
"""特征 at which a pipe may end (CJJ 61-2017 App. F and survey practice). Any 附属物 may end one as well."""
CHANGING = frozenset({"变径", "变材", "变径点", "变材点", "变径变材"})
_NAMED_NETWORKS = 20


class _Segments(NamedTuple):
    """All segments: ids of their nodes (-1: none given), of their class, and their properties."""

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    kind: NDArray[np.int64]
    node_codes: NDArray[np.object_]
    kinds: list[str]

    @property
    def whole(self) -> Mask:
        """Segments with two different nodes."""
        return np.asarray((self.start >= 0) & (self.end >= 0) & (self.start != self.end))


class Network:
    """Collects the segments, looks at them together."""

    def __init__(self, work: Work, register: Register) -> None:
        self._work = work
        self._register = register
        self._columns: dict[str, list[pa.Array]] = {
            name: [] for name in ("start_node", "end_node", "pipe_class", "pipe_subclass", "material")
        }
        self._diameters: list[Floats] = []
        self._ends: list[tuple[Floats, Floats]] = []

    @staticmethod
    def asked(work: Work) -> bool:
        return work.ledger.asks(*RULES)

    def feed(self, portion: Portion) -> None:
        for name, kept in self._columns.items():
            kept.append(portion.rows.columns.get(name, pa.nulls(len(portion), pa.string())))
        self._diameters.append(portion.numbers("diameter_mm"))
        ends = ends_of(portion)
        self._ends.append((ends.first, ends.last))

    def finish(self) -> None:
        segments = self._segments()
        self._say_doubles(segments)
        self._say_networks(segments)
        nodes = self._work.surroundings.get("pipe_node")
        if nodes is not None:
            at = nodes.positions(segments.node_codes)
            self._say_loose(segments, nodes, at)
            self._say_changes(segments, nodes, at)

    def _segments(self) -> _Segments:
        starts, ends = (self._joined(name) for name in ("start_node", "end_node"))
        both = pa.chunked_array([*starts.chunks, *ends.chunks], pa.string()).combine_chunks()
        ids, codes = _encoded(both)
        kinds = [f"{c or ''} {s or ''}".strip() for c, s in zip(*self._kind_columns(), strict=True)]
        kind, names = _encoded(pa.array(kinds, pa.string()))
        half = len(ids) // 2
        return _Segments(ids[:half], ids[half:], kind, codes, names.tolist())

    def _kind_columns(self) -> tuple[list[str | None], list[str | None]]:
        return self._joined("pipe_class").to_pylist(), self._joined("pipe_subclass").to_pylist()

    def _joined(self, name: str) -> pa.ChunkedArray:
        return pa.chunked_array(self._columns[name], pa.string())

    # ------------------------------------------------------------ doubles

    def _say_doubles(self, segments: _Segments) -> None:
        ledger, register = self._work.ledger, self._register
        whole = np.flatnonzero(segments.whole)
        for rule in (DOUBLE, REVERSED):
            ledger.checked(rule, len(whole))
        start, end, kind = segments.start[whole], segments.end[whole], segments.kind[whole]
        low, high = np.minimum(start, end), np.maximum(start, end)
        pairs = np.column_stack([low, high, kind])
        _, first, group = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
        first_of = whole[first[group.ravel()]]
        again = first_of != whole
        same_way = segments.start[first_of] == start
        for rule, chosen, zh, en in (
            (DOUBLE, again & same_way, "重复", "again"),
            (REVERSED, again & ~same_way, "反向重复", "again, reversed"),
        ):
            rows, originals = whole[chosen], first_of[chosen]

            def said(
                ordinal: int,
                rows: Positions = rows,
                originals: Positions = originals,
                zh: str = zh,
                en: str = en,
            ) -> Said:
                row, original = int(rows[ordinal]), int(originals[ordinal])
                ends = " – ".join(
                    str(segments.node_codes[n]) for n in (segments.start[row], segments.end[row])
                )
                return Said(
                    f"管段 {ends} {zh}，另见第 {register.number(original)} 行",
                    f"the segment {ends} {en}, see row {register.number(original)}",
                    ends,
                    "start_node",
                )

            ledger.found_each(rule, register, rows, said)

    # ------------------------------------------------------------ networks

    def _say_networks(self, segments: _Segments) -> None:
        """How many separate networks each class has; the small ones are hints at missing segments."""
        ledger = self._work.ledger
        if not ledger.asks(NETWORKS):
            return
        whole = np.flatnonzero(segments.whole)
        ledger.checked(NETWORKS, len(whole))
        lines: list[tuple[str, NDArray[np.int64]]] = []
        for kind in np.unique(segments.kind[whole]).tolist():
            own = whole[segments.kind[whole] == kind]
            labels = connected(segments.start[own], segments.end[own], len(segments.node_codes))
            sizes = np.sort(np.unique(labels[segments.start[own]], return_counts=True)[1])
            if len(sizes) > 1:
                lines.append((segments.kinds[kind], sizes))

        def said(number: int) -> Said:
            kind, sizes = lines[number]
            smallest = ", ".join(map(str, sizes[:_NAMED_NETWORKS].tolist()))
            return Said(
                f"{kind or '未分类'} 管网分为 {len(sizes)} 个互不连通的部分，最小的段数：{smallest}",
                f"{kind or 'unclassed'}: {len(sizes)} separate networks, smallest in segments: {smallest}",
                len(sizes),
            )

        ledger.found_loose(NETWORKS, len(lines), said)

    # ------------------------------------------------------------ at the nodes

    def _say_loose(self, segments: _Segments, nodes: Places, at: Positions) -> None:
        """Ends at nodes where nothing else begins and nothing says that a pipe may end."""
        ledger, register = self._work.ledger, self._register
        if not ledger.asks(LOOSE):
            return
        whole = np.flatnonzero(segments.whole)
        degree = np.bincount(
            np.concatenate([segments.start[whole], segments.end[whole]]), minlength=len(segments.node_codes)
        )
        features = np.array([*nodes.texts("feature"), None], dtype=object)[at]
        appendages = np.array([*nodes.texts("appendage"), None], dtype=object)[at]
        open_end = np.array(
            [
                p >= 0 and d == 1 and not (a or "").strip() and (f or "").strip() not in ENDINGS
                for p, d, f, a in zip(at.tolist(), degree.tolist(), features, appendages, strict=True)
            ],
            dtype=bool,
        )
        ledger.checked(LOOSE, 2 * len(whole))
        ends = np.concatenate([np.empty((0, 4)), *(np.hstack(pair) for pair in self._ends)])
        hits = [(row, 0) for row in whole[open_end[segments.start[whole]]].tolist()]
        hits += [(row, 1) for row in whole[open_end[segments.end[whole]]].tolist()]
        hits.sort()

        def said(ordinal: int) -> Said:
            row, which = hits[ordinal]
            node = segments.end[row] if which else segments.start[row]
            code, feature = segments.node_codes[node], features[node]
            x, y = ends[row, 2 * which : 2 * which + 2]
            return Said(
                f"端点 {code} 只连接这一管段，且不是预留、盖堵等终端（特征：{feature or '无'}）",
                f"{code} is the end of this segment alone, but no ending (feature: {feature or 'none'})",
                code,
                "end_node" if which else "start_node",
                shapely.Point(x, y) if np.isfinite(x) else None,
            )

        ledger.found_each(LOOSE, register, np.array([row for row, _ in hits], dtype=np.intp), said)

    def _say_changes(self, segments: _Segments, nodes: Places, at: Positions) -> None:
        """Two segments of one class meet at a plain node, with different diameter or material."""
        ledger, register = self._work.ledger, self._register
        if not ledger.asks(CHANGES):
            return
        whole = np.flatnonzero(segments.whole)
        row = np.concatenate([whole, whole])
        node = np.concatenate([segments.start[whole], segments.end[whole]])
        order = np.lexsort((row, node))
        row, node = row[order], node[order]
        counts = np.bincount(node, minlength=len(segments.node_codes))
        firsts = np.flatnonzero((np.diff(node, prepend=-1) != 0) & (counts[node] == 2))
        one, two = row[firsts], row[firsts + 1]
        here = node[firsts]
        feature = np.array([*nodes.texts("feature"), None], dtype=object)[at[here]]
        appendage = np.array([*nodes.texts("appendage"), None], dtype=object)[at[here]]
        plain = np.array(
            [
                p >= 0 and not (a or "").strip() and (f or "").strip() not in CHANGING
                for p, f, a in zip(at[here].tolist(), feature, appendage, strict=True)
            ],
            dtype=bool,
        )
        diameter = np.concatenate([np.empty(0), *self._diameters])
        material, names = _encoded(self._joined("material").combine_chunks())
        with np.errstate(invalid="ignore"):
            wider = np.abs(diameter[one] - diameter[two]) > 0.5
        other = (material[one] != material[two]) & (material[one] >= 0) & (material[two] >= 0)
        wrong = plain & (wider | other) & (segments.kind[one] == segments.kind[two])
        ledger.checked(CHANGES, int(plain.sum()))
        chosen = np.flatnonzero(wrong)
        chosen = chosen[np.argsort(two[chosen], kind="stable")]

        def said(ordinal: int) -> Said:
            k = int(chosen[ordinal])
            a, b = int(one[k]), int(two[k])
            changes = [f"{diameter[a]:g} → {diameter[b]:g} mm"] if wider[k] else []
            changes += [f"{names[material[a]]} → {names[material[b]]}"] if other[k] else []
            code, shown = segments.node_codes[here[k]], ", ".join(changes)
            return Said(
                f"在管点 {code}（特征：{feature[k] or '无'}）处变化：{shown}，另见第 {register.number(a)} 行",
                f"at {code} ({feature[k] or 'no feature'}) it changes: {shown}, see row {register.number(a)}",
                shown,
                "diameter_mm" if wider[k] else "material",
                nodes.geometry[at[here[k]]],
            )

        ledger.found_each(CHANGES, register, two[chosen], said)


def _encoded(values: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """Ids of the values (-1 for null and empty), and the values by id."""
    encoded = values.dictionary_encode()
    ids = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    names = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)[:-1]
    blank = np.array([not str(n).strip() for n in names] + [True], dtype=bool)
    return np.where(blank[ids], -1, ids), names


def connected(start: NDArray[np.int64], end: NDArray[np.int64], nodes: int) -> NDArray[np.int64]:
    """(nodes,) the smallest node each one is connected with, by edges `start[i]` – `end[i]`.

    Labels are handed on along edges and shortened by pointer jumping: a few passes for a city.
    """
    label = np.arange(nodes)
    while True:
        least = np.minimum(label[start], label[end])
        handed = label.copy()
        np.minimum.at(handed, label[start], least)
        np.minimum.at(handed, label[end], least)
        while (handed[handed] != handed).any():
            handed = handed[handed]
        if (handed == label).all():
            return label
        label = handed
