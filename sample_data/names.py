"""What things in the invented city are called: real road and street names first, invented ones after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from gis.codes import districts, streets

EAST, WEST = "341502", "341503"
"""金安区 east of the river, 裕安区 west of it."""
STREETS_BY_NEARNESS: dict[str, tuple[str, ...]] = {
    EAST: ("001", "002", "003", "005", "004", "111", "109", "400"),
    WEST: ("001", "002", "003", "106", "204", "400"),
}
"""The streets and towns round the core, last three digits (GB/T 10114), the nearest to it first."""


def district_name(code: str) -> str:
    """The name of a district by its 6-digit code."""
    return next(line.zh for line in districts() if line.code == code)


def street_name(code: str) -> str:
    """The name of a street or town by its 9-digit code."""
    return next(line.zh for line in streets(code[:6]) if line.code == code)


EAST_WEST_ROADS = (
    "皖西大道", "人民路", "佛子岭路", "大别山路", "皋城路", "健康路", "磨子潭路", "寿春路",
    "龙河路", "长安路", "八公山路", "振华路", "安丰路", "光明路", "迎宾大道", "赤壁路",
)  # fmt: skip
NORTH_SOUTH_ROADS = (
    "解放路", "梅山路", "许继慎路", "长江路", "紫竹林路", "胜利路", "云露路", "文庙路",
    "天堂寨路", "龙穴山路", "响洪甸路", "正阳路", "南屏路", "齐云路", "和平路", "九墩塘路",
)  # fmt: skip
RIVERSIDE_ROADS = ("淠河西路", "淠河东路")

_ROAD_FIRST = "文明春景华康安永新丰锦瑞清德兴福吉金玉翠青松竹兰桂梅枫柳云星月晨阳江湖泉石书学思礼仁义信和平顺"
_ROAD_SECOND = "园林桥塘台亭阁楼苑坊巷井里街门庙岗湾坡亩圩畈冲店铺市关城亭台峰岭山泉溪渡津浦洲滩堤"
_COMMUNITY_FIRST = (
    "锦绣", "春晖", "文峰", "清风", "皋城", "淠滨", "云露", "梅苑",
    "翠竹", "朝阳", "和顺", "安泰", "福星", "金桂", "长青", "望江",
    "民主", "团结", "友谊", "建设", "红旗", "新华", "育才", "书香",
    "松林", "荷塘", "桂花", "白鹭", "龙泉", "凤凰", "东岳", "南门",
    "西关", "北塔", "百合", "阳光", "玉兰", "杏林", "竹园", "柳林",
    "枫桥", "月亮湾",
)  # fmt: skip
_COMMUNITY_SECOND = ("", "桥", "塘", "岗", "湾", "里", "园", "井", "坊")
_ESTATE_FIRST = (
    "锦绣", "书香", "御景", "翰林", "金水", "丽都", "阳光", "梧桐",
    "盛世", "滨河", "皋城", "兰亭", "香樟", "紫荆", "凯旋", "水岸",
    "东方", "新都", "碧水", "银杏", "海棠", "山水", "名门", "和谐",
    "富康", "桂语", "云栖", "星河",
)  # fmt: skip
_ESTATE_SECOND = ("花园", "苑", "小区", "家园", "新村", "名邸", "华庭", "城", "公馆", "雅居")
SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许邓冯韩曹曾彭萧蔡潘田董袁于余叶蒋杜苏魏程吕丁沈任姚"
)


def branch_names(rng: np.random.Generator, count: int, taken: set[str]) -> list[str]:
    """`count` different road names that are not in `taken`, in an order drawn by `rng`."""
    return _draw(rng, count, taken, _ROAD_FIRST, _ROAD_SECOND, ("路", "街", "巷", "东路", "西路"))


def community_names(rng: np.random.Generator, count: int) -> list[str]:
    """`count` different invented community names ending in 社区."""
    return _draw(rng, count, set(), _COMMUNITY_FIRST, ("",), tuple(f"{s}社区" for s in _COMMUNITY_SECOND))


def estate_names(rng: np.random.Generator, count: int) -> list[str]:
    """`count` different names of housing estates."""
    return _draw(
        rng, count, set(), _ESTATE_FIRST, _ESTATE_SECOND, ("", "一期", "二期", "东区", "西区", "南区", "北区")
    )


def _draw(
    rng: np.random.Generator,
    count: int,
    taken: set[str],
    first: Sequence[str],
    second: Sequence[str],
    endings: Sequence[str],
) -> list[str]:
    """`count` names first + second + ending: all of the first ending before any of the next."""
    names: list[str] = []
    seen = set(taken)
    for ending in _endings(endings):
        stems = [a + b for a, b in product(first, second) if a != b]
        for position in rng.permutation(len(stems)):
            if len(names) == count:
                return names
            name = stems[position] + ending
            if name not in seen:
                seen.add(name)
                names.append(name)
    return names


def _endings(endings: Sequence[str]) -> Iterator[str]:
    """The endings, then the same with numbers, without end."""
    yield from endings
    number = 2
    while True:
        for ending in endings:
            yield f"{number}{ending}"
        number += 1
