"""The rules an import holds rows to: each with an id, what happens to the row, and a sentence.

`refused`: the row cannot become part of the layer. `mended`: it can, after something was put right, which
is counted. `noted`: it is taken as it is, and somebody should know. The ids are stable: people filter by
them. What is wrong with a row, how grave it is and how good the whole is, is for the quality check to say.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Severity = Literal["refused", "mended", "noted"]


class Rule(NamedTuple):
    """`zh` and `en` say what was found; `source` is the standard and clause behind it, if there is one."""

    id: str
    severity: Severity
    zh: str
    en: str
    source: str | None = None


_ALL = (
    # files
    Rule(
        "file.same",
        "noted",
        "与生成现有版本的文件逐字节相同，未再读取；以上为当时的结果",
        "byte for byte the file that made the standing version; not read again, these are its findings",
    ),
    # rows
    Rule("row.columns", "refused", "列数与表头不符", "another number of columns than the header"),
    Rule("row.removed", "noted", "标明已注销的行", "rows that say they are gone"),
    Rule("row.blank", "mended", "空行，已略过", "blank row, passed over"),
    Rule("row.header", "mended", "重复的表头，已略过", "the header again, passed over"),
    # geometry
    Rule("geometry.missing", "refused", "没有图形或坐标", "no geometry or coordinates"),
    Rule("geometry.empty", "refused", "图形为空，或点的坐标为 NaN", "an empty geometry, or a point of NaN"),
    Rule("geometry.unreadable", "refused", "图形无法解析", "the geometry cannot be read"),
    Rule("geometry.not_a_number", "refused", "坐标不是数字", "the coordinates are not numbers"),
    Rule("geometry.not_finite", "refused", "坐标含 NaN 或无穷大", "a coordinate is NaN or infinite"),
    Rule("geometry.beyond_crs", "refused", "坐标超出坐标系的范围", "beyond what the reference system covers"),
    Rule("geometry.off_earth", "refused", "经纬度超出范围", "no longitude and latitude of the earth"),
    Rule("geometry.zero", "refused", "坐标为 (0, 0)，多为未填", "the coordinates are (0, 0): not filled in"),
    Rule("geometry.type", "refused", "图形类型与图层不符", "the geometry is of another type than the layer"),
    Rule("geometry.unmendable", "refused", "图形无效且无法修复", "the geometry is invalid beyond mending"),
    Rule("geometry.elsewhere", "refused", "位置远在本市以外", "the place is far outside the city"),
    Rule("geometry.mended", "mended", "无效图形已修复", "invalid, made valid", "OGC 06-103r4 §6.1.11"),
    Rule("geometry.height", "mended", "已去掉高程（Z）或量测值", "heights or measures were dropped"),
    Rule("place.no_code", "refused", "编码不在定位图层中", "the code is not in the layer that places rows"),
    # values
    Rule("value.required", "refused", "必填字段为空", "a required field is empty"),
    Rule("value.not_a_number", "refused", "应为数字", "a number is expected"),
    Rule("value.not_whole", "refused", "应为整数", "a whole number is expected"),
    Rule("value.not_a_date", "refused", "日期无法识别", "the date cannot be read"),
    Rule("value.not_a_flag", "refused", "应为是或否", "yes or no is expected"),
    Rule("value.unit", "refused", "计量单位不符", "the unit is not the field's"),
    Rule("value.too_long", "refused", "超过字段长度", "longer than the field allows"),
    Rule("value.unknown", "mended", "“不详”一类的填写按空值处理", "written as not known; taken as empty"),
    Rule("value.reformatted", "mended", "改写为统一格式", "rewritten in the standard form"),
    Rule("value.converted", "mended", "按表头的单位换算", "converted from the header's unit"),
    Rule("value.title_to_code", "mended", "名称已换成代码", "a title was replaced by its code"),
    Rule("value.not_in_codes", "noted", "不在代码表内", "not in the code list"),
    Rule("value.derived", "mended", "空值由其他字段或图形补出", "filled from other fields or the geometry"),
    # text
    Rule("text.trimmed", "mended", "首尾空白已去掉", "white space at the ends was removed"),
    Rule("text.width", "mended", "全角字符改为半角", "full-width characters were made narrow"),
    Rule("text.nul", "mended", "NUL 字符已去掉", "NUL characters were removed"),
    Rule("text.cut", "mended", "末尾被截断的字符已去掉", "a character cut at a field's end was dropped"),
    Rule("text.replaced", "noted", "含有无法解码的字符（�）", "holds characters that were not decoded (�)"),
    # keys and codes
    Rule("key.repeated", "refused", "标识与前面的行重复", "the key repeats that of an earlier row"),
    Rule("code.digits_lost", "refused", "编码存成数值，末位已失", "a long code kept as a number lost digits"),
    Rule("code.point_zero", "mended", "编码末尾的“.0”已去掉", "“.0” at the end of a code was removed"),
    Rule("code.padded", "mended", "14 位编码补为 15 位", "14 digits padded to 15", "CJ/T 213-2005"),
    Rule("code.invalid", "noted", "编码不合标准格式", "the code does not follow the standard"),
    # cells of a workbook
    Rule("cell.merged", "mended", "合并单元格已填满", "merged cells were filled"),
    Rule("cell.formula", "refused", "公式没有保存结果，请用 Excel 另存", "a formula without a saved result"),
    Rule("cell.error", "noted", "公式出错，按空值", "a formula's error: empty"),
    # quality check
    Rule("check.error", "refused", "质检有错误", "the quality check found errors"),
    Rule("mend.not_chosen", "refused", "须修整，但未选择该修整", "needs a mending that was not chosen"),
    # pipe survey
    Rule("pipe.no_node", "refused", "端点不在管点表中", "an end is not in the point table", "CJJ 61-2017"),
    Rule("pipe.same_ends", "refused", "起点与终点相同", "both ends are one point", "CJJ 61-2017"),
    # readings
    Rule("reading.no_station", "refused", "站点不在监测站图层中", "the station is not in the station layer"),
    Rule("reading.indicator", "refused", "监测指标无法识别", "the indicator is not known"),
    Rule("reading.ahead", "noted", "时间晚于现在", "its time is still to come"),
    Rule("reading.repeated", "noted", "同一时刻重复，以后者为准", "given twice; the later one counts"),
)  # fmt: skip

RULES: dict[str, Rule] = {rule.id: rule for rule in _ALL}
"""Every rule by its id, in the order a report lists them."""

TOLD_BY: dict[str, str] = {
    "row.columns": "ACC-01", "geometry.unreadable": "ACC-01", "geometry.not_a_number": "ACC-01",
    "cell.formula": "ACC-01", "pipe.no_node": "PIP-01", "pipe.same_ends": "PIP-04",
    "geometry.missing": "GEO-01", "geometry.empty": "GEO-02", "geometry.not_finite": "GEO-03",
    "geometry.type": "GEO-04", "geometry.unmendable": "GEO-05", "geometry.off_earth": "GEO-06",
    "geometry.mended": "GEO-14", "geometry.beyond_crs": "GEO-15", "geometry.zero": "GEO-16",
    "geometry.elsewhere": "GEO-17", "value.required": "ATT-01", "key.repeated": "ATT-03",
    "value.too_long": "ATT-05", "value.not_in_codes": "ATT-06", "text.trimmed": "ATT-07",
    "text.width": "ATT-07", "text.nul": "ATT-07", "text.replaced": "ATT-08",
    "value.not_a_number": "ATT-10", "value.not_whole": "ATT-10", "value.not_a_date": "ATT-10",
    "value.not_a_flag": "ATT-10", "value.unit": "ATT-10", "code.digits_lost": "ATT-10",
    "value.unknown": "ATT-11", "value.reformatted": "ATT-11", "value.converted": "ATT-11",
    "value.title_to_code": "ATT-11", "code.point_zero": "ATT-11", "code.padded": "ATT-11",
}  # fmt: skip
"""The rule of the quality check (`importers.check`) that tells the same rows; here stands what is done to
them, there what is wrong with them. An empty key is ATT-04 there."""


def rule(rule_id: str) -> Rule:
    """The rule called `rule_id`; a note of a reader that has no entry is one of its own (`noted`)."""
    return RULES.get(rule_id) or Rule(rule_id, "noted", rule_id, rule_id)
