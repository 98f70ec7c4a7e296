"""管理部件和事件 classes, GB/T 30428.2-2013 (withdrawn, but everywhere in standing data).

Confidence: reconstructed. The 2013 component code is the 2026 code with the first 0 of its minor number
dropped, for the ranges below (58 + 31 + 13 + 10 + 9 = 121, the published count); checked against the table
a real city (运城市) uses. The names of 0116, 0501 and 0505 are not known and stand as reserved.
Events are those of the same city's table; numbers it does not use are left out.
"""

from __future__ import annotations

from gis.tables.lines import read_lines

COMPONENT_MAJORS = read_lines("""
01 公用设施 | Public utilities
02 交通设施 | Traffic facilities
03 市容环境设施 | Townscape facilities
04 园林绿化设施 | Parks and greenery facilities
05 其他部件 | Other components
""")

COMPONENT_RANGES = {"01": 58, "02": 31, "03": 13, "04": 10, "05": 9}
"""Major → last minor number; numbering starts at 01."""

COMPONENT_NAMES_OF_ITS_OWN = read_lines("""
0101 上水井盖 | Water supply manhole cover
0107 通讯井盖 | Telecom manhole cover
0116 （保留） | (reserved)
0127 通讯交接箱 | Telecom cross-connect cabinet
0501 （保留） | (reserved)
0504 液化气站 | Liquefied gas station
0505 （保留） | (reserved)
0506 水域附属设施 | Waterside facility
0507 水域护栏 | Waterside railing
0508 防汛墙 | Flood wall
""")

COMPONENTS_MOVED = {"0504": None, "0506": "01069", "0507": "01070", "0508": "01071"}
"""2013 → 2026 where the number did not simply gain a 0 (same names, GB/T 47678.5-2026 App. A)."""

EVENT_MAJORS = read_lines("""
01 市容环境 | Townscape and environment
02 宣传广告 | Advertising
03 施工管理 | Construction
04 街面秩序 | Street order
05 突发事件 | Emergencies
06 其他事件 | Other events
""")

EVENT_RANGES = {"01": ("06", 38), "02": ("07", 7), "03": ("08", 12), "04": ("09", 10)}
"""2013 major → (2026 major, last minor number)."""

EVENT_NAMES_OF_ITS_OWN = read_lines("""
0104 临街建筑物外立面不洁 | Soiled façade on the street
0119 非装饰性树挂/吊挂 | Things hung on trees that do not decorate
0128 商业噪音 | Noise of shops
0131 餐厨垃圾遗撒和污染 | Kitchen waste spilt
0136 乱堆物堆料 | Piled clutter
0205 户外广告设置位置不合理 | Badly placed outdoor advertisement
0404 占道废品收购 | Scrap collecting on the road
0407 黑车拉客 | Unlicensed taxis
0501 供水管道破裂 | Burst water main
0502 燃气管道破裂 | Burst gas pipe
0503 排水管道堵塞、破裂 | Blocked or burst drain
0504 热力管道破裂 | Burst heating pipe
0505 路面塌陷 | Road collapse
0506 道路积水 | Flooded road
0507 道路积雪、积冰 | Snow or ice on the road
0508 架空线缆脱落 | Fallen overhead cable
0602 临街屠宰 | Slaughtering on the street
0604 门前三包问题 | Shop front duties neglected
""")

EVENTS_MOVED = {
    "0131": None,
    "0205": None,
    "0407": None,
    "0501": None,
    "0502": None,
    "0503": None,
    "0504": None,
    "0505": None,
    "0506": None,
    "0507": "10001",
    "0508": "10002",
    "0602": "09013",
    "0604": None,
}
"""2013 → 2026 where it is not the number of the range; None: no class in the new standard (pipe bursts and
road collapse went to 监测部件和事件)."""
