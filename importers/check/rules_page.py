"""The page of the docs that lists every rule of the quality check: `python -m importers.check.rules_page`."""

from __future__ import annotations

from importers.check.checker import RULES
from importers.check.ledger import concerns, severity_for
from importers.check.model import DIMENSIONS, Rule
from layers.description import known_layers
from layers.mendings import ALWAYS, MENDINGS
from layers.model import Layer

_KINDS = {
    "ACC": "读取 Reading",
    "ATT": "属性 Attributes",
    "BLD": "房屋 Buildings",
    "COD": "编码 Codes",
    "GEO": "几何 Geometry",
    "PIP": "管线 Pipes",
    "RNG": "数值 Numbers",
    "TIM": "时间 Time",
    "TOP": "拓扑 Topology",
}
_HEAD = """# Rules of the quality check 质检规则

Every rule that imports and `onemap check` ask, as the code has them (made by
`python -m importers.check.rules_page`; a test holds this page equal). **error** 错误: the row is refused,
or, where it lies between rows, the import stops. **warning** 警告: a person should look. **info** 提示: good
to know, outside the score.

A rule of topology is asked of the layers whose description asks for it (`topology` in `layers/known`; of a
layer of one's own by `--topology overlaps`, `gaps` or `ends`, over HTTP the option `topology`), and
is as grave as it says there. Layers of strangers' files are asked what concerns every layer.

The score follows GB/T 36344-2018: each rule's pass rate p = 1 − broken / checked; a dimension is
100 × Σ(w·p) / Σw with weight w 3 for errors, 1 for warnings, 0 for info; the total is the mean of the
dimensions that were asked. The weights are One Map's own; the standard leaves them to its user.

"""
_MENDINGS = """## 修整 Mendings

Chosen with `--mend` or the option `mend`, each by itself; counted, and the originals kept in the report.

"""


def rules_page() -> str:
    """The page as Markdown."""
    parts = [_HEAD]
    for prefix, title in _KINDS.items():
        parts.append(f"## {title}\n\n")
        parts.append("| rule | 规则 | what is found | severity | dimension | of | source | mended by |\n")
        parts.append("|---|---|---|---|---|---|---|---|\n")
        parts += [_line(rule) for rule in RULES if rule.id.startswith(prefix)]
        parts.append("\n")
    parts.append(_MENDINGS)
    parts.append("| word | 修整 | what is done |\n|---|---|---|\n")
    for name, text in MENDINGS.items():
        always = " (always, unless `none` is said)" if name in ALWAYS else ""
        parts.append(f"| `{name}` | {text.zh} | {text.en}{always} |\n")
    return "".join(parts)


def _line(rule: Rule) -> str:
    concerned = [layer for layer in known_layers() if concerns(rule, layer)]
    cells = (
        f"`{rule.id}`",
        rule.title.zh,
        rule.title.en,
        _severity(rule, concerned),
        DIMENSIONS[rule.dimension].en,
        _layers(rule, concerned),
        rule.source,
        "" if rule.mend is None else f"`{rule.mend}`",
    )
    return f"| {' | '.join(cells)} |\n"


def _severity(rule: Rule, concerned: list[Layer]) -> str:
    by_severity: dict[str, list[str]] = {}
    for layer in concerned:
        by_severity.setdefault(severity_for(rule, layer), []).append(layer.id)
    if len(by_severity) <= 1:
        return next(iter(by_severity), rule.severity)
    return "; ".join(f"{severity}: {', '.join(ids)}" for severity, ids in sorted(by_severity.items()))


_OF_OWN_LAYERS = ("TOP-01", "TOP-02", "TOP-11")


def _layers(rule: Rule, concerned: list[Layer]) -> str:
    stranger = Layer("stranger", rule.title, "other", "Geometry", ())
    if rule.topology is None and rule.applies(stranger):
        return "every layer"
    named = ", ".join(f"`{layer.id}`" for layer in concerned)
    if rule.id in _OF_OWN_LAYERS:
        named = ", ".join([*([named] if named else []), "layers of one's own where asked"])
    return named if len(concerned) <= 6 else "layers that have such fields or shapes"


if __name__ == "__main__":
    print(rules_page(), end="")
