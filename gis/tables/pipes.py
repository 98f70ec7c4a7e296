"""Underground pipelines, CJJ 61-2017 App. B and C: classes, colours, subclasses, dictionaries.

Confidence: transcribed. Colours are the standard's RGB.
"""

from __future__ import annotations

from typing import NamedTuple

from gis.tables.lines import read_lines


class PipeClass(NamedTuple):
    """大类: letters, number, titles, colour as red, green, blue (0–255)."""

    code: str
    number: int
    zh: str
    en: str
    rgb: tuple[int, int, int]


class PipeSubclass(NamedTuple):
    """小类: letters are unique only within their class (XH is circulating water and traffic signals)."""

    pipe_class: str
    code: str
    number: int
    zh: str
    en: str


CLASSES = (
    PipeClass("JS", 1, "给水", "Water supply", (0, 255, 255)),
    PipeClass("PS", 2, "排水", "Drainage", (76, 57, 38)),
    PipeClass("RQ", 3, "燃气", "Gas", (255, 0, 255)),
    PipeClass("RL", 4, "热力", "Heating", (255, 128, 0)),
    PipeClass("DL", 5, "电力", "Power", (255, 0, 0)),
    PipeClass("TX", 6, "通信", "Telecom", (0, 255, 0)),
    PipeClass("GY", 7, "工业", "Industrial", (0, 0, 0)),
    PipeClass("QT", 8, "其他", "Other", (102, 0, 204)),
)
"""QT has no colour of its own in the standard: the colour of its subclass BM (不明) stands for it."""

TUNNEL_RGB = (0, 0, 0)
"""综合管沟(廊) ZH, the other subclass of QT."""

_SUBCLASSES = {
    "JS": """
JY 原水 | Raw water
SS 输水 | Transmission
ZS 中水 | Reclaimed water
JP 配水 | Distribution
JZ 直饮水 | Drinking water
XS 消防水 | Fire water
LS 绿化水 | Irrigation
XH 循环水 | Circulating water
""",
    "PS": """
YS 雨水 | Storm water
WS 污水 | Sewage
HS 雨污合流 | Combined sewer
""",
    "RQ": """
MQ 煤气 | Coal gas
YH 液化气 | Liquefied gas
TR 天然气 | Natural gas
""",
    "RL": """
RS 热水 | Hot water
ZQ 蒸汽 | Steam
""",
    "DL": """
GD 供电 | Power supply
LD 路灯 | Street lighting
XH 交通信号 | Traffic signals
DC 电车 | Trolley
GG 广告 | Advertising
""",
    "TX": """
DH 电话 | Telephone
DS 有线电视 | Cable television
XX 信息网络 | Data network
GB 广播 | Broadcasting
""",
    "GY": """
QQ 氢 | Hydrogen
YQ 氧 | Oxygen
GQ 乙炔 | Acetylene
YX 乙烯 | Ethylene
BQ 苯 | Benzene
LQ 氯 | Chlorine
DQ 氮 | Nitrogen
EY 二氧化碳 | Carbon dioxide
AQ 氨 | Ammonia
JB 甲苯 | Toluene
""",
    "QT": """
ZH 综合管沟(廊) | Utility tunnel
BM 不明 | Unknown
""",
}

SUBCLASSES = tuple(
    PipeSubclass(pipe_class, line.code, number, line.zh, line.en)
    for pipe_class, text in _SUBCLASSES.items()
    for number, line in enumerate(read_lines(text), start=1)
)

BURIAL = read_lines("""
ZM 直埋 | Direct burial
GM 管埋 | In pipe
GK 管块 | Duct block
GG 管沟 | Trench
JK 架空 | Overhead
DM 地面 | On the ground
SJ 上架 | On racks
XTD 小通道 | Small passage
ZH 综合管廊(沟) | Utility tunnel
RF 人防 | Civil defence tunnel
JN 井内连线 | Within a manhole
DG 顶管 | Pipe jacking
SX 水下 | Under water
""")

MATERIALS = read_lines("""
ZT 铸铁 | Cast iron
G 钢 | Steel
T 混凝土 | Concrete
PE 聚乙烯 | Polyethylene
PVC 聚氯乙烯 | PVC
BLG 玻璃钢 | Fibreglass
QM 球墨铸铁 | Ductile iron
ZS 砖石 | Masonry
Z 砖 | Brick
S 石 | Stone
SM 石棉 | Asbestos cement
TC 陶瓷 | Ceramic
TZ 铜 | Copper
VL 钢芯铝绞线 | Steel-cored aluminium
GX 光纤 | Optical fibre
""")

STATES = read_lines("""
0 在用 | In use
1 废弃 | Abandoned
2 空管 | Empty
3 其他 | Other
""")

FLOW_DIRECTIONS = read_lines("""
0 起点至终点 | From start to end
1 终点至起点 | From end to start
""")
"""Survey practice around CJJ 61 (confidence: known)."""

GAS_PRESSURES = (
    (0.01, "低压", "Low pressure"),
    (0.2, "中压B", "Medium pressure B"),
    (0.4, "中压A", "Medium pressure A"),
    (0.8, "次高压B", "Sub-high pressure B"),
    (1.6, "次高压A", "Sub-high pressure A"),
    (2.5, "高压B", "High pressure B"),
    (4.0, "高压A", "High pressure A"),
)
"""GB 50028: upper limit in MPa (closed), title. Confidence: transcribed."""
