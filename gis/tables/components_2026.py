"""管理部件 component classes, GB/T 47678.5-2026 App. A: 5 major, 153 minor classes.

Confidence: transcribed. Numbers missing in a row (01016, 05001, …) are absent in the standard too.
A class code is 大类 (2 digits) + 小类 (3 digits). Position accuracy classes (same source): A ±0.5 m,
B ±1.0 m, C ±10 m.
"""

from __future__ import annotations

from gis.tables.lines import read_lines

MAJORS = read_lines("""
01 市政公用设施 | Public utilities
02 交通设施 | Traffic facilities
03 市容环卫设施 | Sanitation and townscape facilities
04 园林绿化设施 | Parks and greenery facilities
05 其他管理部件 | Other managed components
""")

CLASSES = (
    *read_lines(
        """
001 供水井盖 | Water supply manhole cover
002 污水井盖 | Sewage manhole cover
003 雨水井盖 | Storm water manhole cover
004 雨水箅子 | Storm water grate
005 电力井盖 | Power manhole cover
006 路灯井盖 | Street lamp manhole cover
007 通信井盖 | Telecom manhole cover
008 电视井盖 | Television manhole cover
009 网络井盖 | Network manhole cover
010 热力井盖 | Heating manhole cover
011 燃气井盖 | Gas manhole cover
012 公安井盖 | Police manhole cover
013 消防设施 | Fire-fighting facility
014 园林井盖 | Park manhole cover
015 信号灯电源井盖 | Traffic light power manhole cover
017 电缆井盖 | Cable manhole cover
018 化粪池井盖 | Septic tank manhole cover
019 中水井盖 | Reclaimed water manhole cover
020 公交井盖 | Bus system manhole cover
021 输油(气)井盖 | Oil (gas) pipeline manhole cover
022 特殊井盖 | Special manhole cover
023 不明井盖 | Manhole cover of unknown use
024 水井 | Well
025 供水器 | Water dispenser
026 沟槽盖板 | Trench cover slab
027 通信交接箱 | Telecom cross-connect cabinet
028 电力设施 | Power facility
029 电力设施标识牌 | Power facility sign
030 电力立杆 | Power pole
031 通信立杆 | Telecom pole
032 公交立杆 | Bus system pole
033 特殊立杆 | Special pole
034 不明立杆 | Pole of unknown use
035 旗杆 | Flagpole
036 输油(气)标志 | Oil (gas) pipeline marker
037 路灯 | Street lamp
038 地灯 | Ground lamp
039 景观灯 | Landscape lamp
040 报刊亭 | Newspaper kiosk
041 电话亭 | Telephone booth
042 邮筒 | Letter box
043 信息亭 | Information kiosk
044 售货亭 | Sales kiosk
045 自动售货机 | Vending machine
046 户外健身设施 | Outdoor fitness facility
047 高压线铁塔 | High-voltage pylon
048 变压器(箱) | Transformer (box)
049 燃气调压站(箱) | Gas regulator station (box)
050 监控电子眼设施 | Surveillance camera
051 治安岗亭 | Police booth
052 休息亭 | Rest pavilion
053 自助缴费机 | Self-service payment machine
054 充电桩 | Charging pile
055 防蚊闸 | Mosquito gate
056 跨河管道 | River-crossing pipe
057 露天燃气管道 | Open-air gas pipe
058 晒衣架 | Clothes-drying rack
059 旧衣物回收箱 | Used clothes box
060 路灯配电箱 | Street lamp distribution box
061 露天供热管道 | Open-air heating pipe
062 通信基站 | Telecom base station
063 水塔 | Water tower
064 牌楼(门楼) | Memorial archway (gatehouse)
065 管理责任公示牌 | Responsibility notice board
066 紧急报警点SOS | SOS emergency call point
067 防汛监测设施 | Flood monitoring facility
068 水鹤 | Water crane
069 水域附属设施 | Waterside facility
070 水域护栏 | Waterside railing
071 防汛墙 | Flood wall
072 排水泵站 | Drainage pumping station
073 雨污水排放口 | Storm water and sewage outfall
074 综合管廊附属设施 | Utility tunnel facility
075 快递柜 | Parcel locker
076 公用电梯 | Public lift
077 综合杆 | Multi-purpose pole
""",
        "01",
    ),
    *read_lines(
        """
001 停车场 | Car park
002 立体车库 | Multi-storey garage
003 停车计费设备 | Parking meter
004 公交站设施 | Bus stop facility
005 出租车停靠站 | Taxi stand
006 过街天桥 | Pedestrian overpass
007 地下通道 | Pedestrian underpass
008 立交桥 | Flyover
009 跨河桥 | River bridge
010 交通标志牌及标线 | Traffic sign or marking
011 限高架标志 | Height limit gantry
012 路名牌 | Street name sign
013 地名牌 | Place name sign
014 交通信号灯 | Traffic light
015 交通信号设施 | Traffic signal facility
016 交通岗亭 | Traffic police booth
017 交通护栏 | Traffic guardrail
018 防撞桶 | Crash barrel
019 安全岛 | Safety island
020 人行横道桩 | Crosswalk bollard
021 便道桩 | Pavement bollard
022 柔性隔离体 | Flexible divider
023 道路信息显示屏 | Road information display
024 道路隔音屏 | Road noise barrier
025 非机动车停放点 | Bicycle parking place
026 自行车租赁点 | Bicycle rental point
027 存车支架 | Bicycle rack
028 铁道口设施 | Railway crossing facility
029 栈桥 | Trestle bridge
030 水域标示牌 | Waterway sign
031 港监设施 | Harbour facility
032 轨道交通设施 | Rail transit facility
033 交通反视镜 | Traffic mirror
034 无障碍设施 | Barrier-free facility
035 应急避难指示牌 | Emergency shelter sign
036 救助站指示牌 | Aid station sign
037 文物建筑标志牌 | Historic building sign
038 门(楼号)牌 | Door (building number) plate
039 公安指示牌 | Police sign
040 景区标识牌 | Scenic area sign
041 停车信息显示屏 | Parking information display
042 铁路桥涵 | Railway bridge or culvert
043 减速带 | Speed bump
044 公路隧道 | Road tunnel
""",
        "02",
    ),
    *read_lines(
        """
001 公共厕所 | Public toilet
002 公厕指示牌 | Public toilet sign
003 化粪池 | Septic tank
004 垃圾间(楼) | Refuse room (building)
005 垃圾箱 | Litter bin
006 户外广告 | Outdoor advertisement
007 牌匾标识 | Shop sign
008 宣传栏 | Notice board
009 气象监测站 | Weather station
010 环保监测站 | Environmental monitoring station
011 污水口监测站 | Sewage outlet monitoring station
012 污水监测器 | Sewage monitor
013 噪声显示屏 | Noise display
014 环卫工具间(箱) | Sanitation tool room (box)
015 宠物拾便纸箱 | Pet waste paper box
016 烟头收集器或灭烟处 | Cigarette end collector
""",
        "03",
    ),
    *read_lines(
        """
001 古树名木 | Ancient or famous tree
002 行道树 | Street tree
003 独立树 | Solitary tree
004 护树设施 | Tree guard
005 花架花钵 | Flower stand or pot
006 雕塑 | Sculpture
007 街头座椅 | Street bench
008 绿地护栏 | Green space railing
009 绿地附属设施 | Green space facility
010 喷泉 | Fountain
011 树池树穴 | Tree pit
012 高架挂箱 | Overpass planter
013 绿地 | Green space
014 林地及林地管护设施 | Woodland and its facilities
""",
        "04",
    ),
    *read_lines(
        """
002 公房地下室 | Public housing basement
003 车辆加油(气、电)站 | Fuel, gas or charging station
009 文物古迹 | Cultural relic
""",
        "05",
    ),
)
