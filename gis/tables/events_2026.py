"""管理事项 matters, GB/T 47678.5-2026 App. C: the classes of what an inspector reports.

Confidence: transcribed. Majors 01–05 are the 153 component classes with “异常” after the name, same
codes; listed here are majors 06–10, 97 minor classes. Missing numbers (06031, 07005, 09007) are absent in
the standard.
"""

from __future__ import annotations

from gis.tables.lines import read_lines

COMPONENT_SUFFIX = ("异常", " out of order")

MAJORS = read_lines("""
06 市容环境 | Townscape and environment
07 宣传广告 | Advertising
08 施工管理 | Construction
09 街面秩序 | Street order
10 其他事项 | Other matters
""")

CLASSES = (
    *read_lines(
        """
001 私搭乱建 | Illegal building
002 店面无证装修 | Shop front works without permit
003 违章接坡 | Illegal kerb ramp
004 建筑物外立面污损 | Soiled façade
005 临街阳台、屋顶脏乱差 | Untidy balcony or roof on the street
006 擅自在临街的建筑物上挂彩旗 | Banners hung without permit
007 沿街晾挂 | Laundry hung along the street
008 擅自架设管线、杆线设施 | Pipes or lines put up without permit
009 空调室外机低挂 | Air conditioner hung too low
010 暴露垃圾 | Exposed rubbish
011 积存垃圾渣土 | Piled rubbish or spoil
012 道路不洁 | Dirty road
013 道路破损 | Damaged road
014 道路遗撒(洒) | Spillage on the road
015 沙(河)滩不洁 | Dirty beach or river bank
016 交通标线不清晰 | Faded road marking
017 绿地脏乱 | Untidy green space
018 绿化弃料 | Abandoned garden waste
019 非装饰性吊挂 | Things hung that do not decorate
020 焚烧垃圾、树叶 | Burning of rubbish or leaves
021 病虫害 | Plant disease or pest
022 非法伐树 | Illegal tree felling
023 堤岸破损 | Damaged embankment
024 水域秩序乱象 | Disorder on the water
025 水域不洁 | Dirty water surface
026 河道污染 | River pollution
027 油烟污染 | Cooking fume pollution
028 噪声扰民 | Noise nuisance
029 露天烧烤 | Open-air barbecue
030 乱倒乱排污水、废水 | Dumping of waste water
032 非正规垃圾填埋场 | Irregular landfill
033 乱丢弃医疗废物 | Dumped medical waste
034 废弃车辆 | Abandoned vehicle
035 废弃家具设备 | Abandoned furniture or equipment
036 乱堆杂物 | Piled clutter
037 动物尸体 | Dead animal
038 擅自饲养家禽家畜 | Livestock kept without permit
039 违章开设道口 | Illegal road access
040 私设地锁、阻车桩 | Private parking lock or bollard
041 垃圾未分类 | Unsorted rubbish
042 垃圾站(箱)满溢 | Overflowing rubbish station or bin
043 遮阳篷(棚、伞)破损 | Damaged awning or parasol
044 节庆装饰物破损 | Damaged festive decoration
045 非法占绿毁绿 | Green space occupied or destroyed
046 占用河道 | River occupied
047 公园秩序 | Disorder in a park
048 边坡(挡土墙)破损 | Damaged slope or retaining wall
049 台阶破损 | Damaged steps
050 路缘石缺损 | Damaged kerbstone
051 盲道缺损 | Damaged tactile paving
052 无障碍坡道破损 | Damaged ramp
""",
        "06",
    ),
    *read_lines(
        """
001 非法小广告 | Illegal sticker advertisement
002 街头散发广告 | Leaflets handed out in the street
003 违规户外广告 | Unlawful outdoor advertisement
004 广告语言文字不规范 | Advertisement in faulty language
006 违规牌匾标识 | Unlawful shop sign
007 违规标语宣传品 | Unlawful slogan or poster
008 公益性宣传品缺损 | Damaged public notice
""",
        "07",
    ),
    *read_lines(
        """
001 施工扰民 | Construction nuisance
002 施工占道 | Road occupied by construction
003 无证掘路 | Road dug up without permit
004 工地扬尘 | Dust from a building site
005 施工废弃料 | Construction waste
006 施工物料乱堆放 | Construction material piled up
007 施工工地围挡问题 | Fault of a site hoarding
008 施工工地道路未硬化 | Unpaved site road
009 施工工地出入口道路破损 | Damaged road at a site entrance
010 施工完成后未场光地净 | Site not cleared after works
011 渣土运输车辆未安装密闭装置 | Uncovered spoil lorry
012 施工工地车轮夹带 | Mud carried from a site by wheels
013 违规高空悬吊作业 | Unlawful work at height
014 预埋件设施裸露 | Exposed embedded parts
015 施工公示牌污损 | Soiled site notice
016 无证建设 | Building without permit
""",
        "08",
    ),
    *read_lines(
        """
001 无照经营游商 | Unlicensed street vendor
002 早(夜)市管理问题 | Disorder at a morning or night market
003 流浪乞讨 | Vagrancy and begging
004 废品收购乱象 | Disorderly scrap collecting
005 店外经营 | Trading outside the shop
006 占道经营 | Trading on the road
008 非法出版物销售 | Sale of illegal publications
009 机动车乱停放 | Badly parked motor vehicle
010 非机动车乱停放 | Badly parked bicycle
011 共享单车乱象 | Shared bicycles in disorder
012 占用消防通道 | Fire lane blocked
013 临街屠宰 | Slaughtering on the street
014 畜力车进城 | Animal-drawn cart in town
015 无证餐饮 | Unlicensed catering
016 违规设置停车场 | Unlawful car park
017 违规占用桥下空间 | Space under a bridge occupied
018 履带车(铁轮车)违规上路行驶 | Tracked vehicle on the road
019 占用无障碍通道 | Barrier-free way blocked
020 农贸市场秩序问题 | Disorder at a produce market
021 占道洗车 | Car washing on the road
022 占道促销宣传 | Sales promotion on the road
""",
        "09",
    ),
    *read_lines(
        """
001 道路积雪、结冰 | Snow or ice on the road
002 架空线缆脱落 | Fallen overhead cable
""",
        "10",
    ),
)
