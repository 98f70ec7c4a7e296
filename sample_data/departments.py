"""Which departments and companies own and keep what; their codes and names are those of departments.csv."""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path

TABLE = Path(__file__).with_name("departments.csv")


@lru_cache
def department_names() -> dict[str, str]:
    """Chinese name of each department by its code."""
    with TABLE.open(encoding="utf-8-sig", newline="") as file:
        return {row["code"]: row["name"] for row in csv.DictReader(file)}


_OWNER_BY_CLASS = {
    "0101": "SW01", "0102": "PS01", "0103": "PS01", "0104": "PS01", "0105": "DL01", "0107": "TX01",
    "0108": "TX01", "0109": "TX01", "0110": "ZJ01", "0111": "RQ01", "0112": "JJ01", "0113": "SW01",
    "0114": "LH01", "0115": "JJ01", "0125": "SW01", "0127": "TX01", "0128": "DL01", "0129": "DL01",
    "0130": "DL01", "0131": "TX01", "0148": "DL01", "0149": "RQ01", "0150": "JJ01", "0154": "DL01",
    "0201": "CG01", "0204": "ZJ01", "0209": "ZJ01", "0225": "CG01", "0226": "CG01", "0310": "ST01",
}  # fmt: skip
_OWNER_BY_MAJOR = {"01": "CG01", "02": "JJ01", "03": "HW01", "04": "LH01", "05": "CG01"}
_AUTHORITY_OF_OWNER = {
    "SW01": "ZJ01", "PS01": "ZJ01", "RQ01": "ZJ01", "DL01": "DL01", "TX01": "TX01", "LH01": "CG01",
    "HW01": "CG01", "JJ01": "JJ01", "ST01": "ST01", "ZJ01": "ZJ01", "CG01": "CG01", "GH01": "GH01",
}  # fmt: skip


def owner_of(class_code: str) -> str:
    """权属单位 of components of a class (4 digits)."""
    return _OWNER_BY_CLASS.get(class_code, _OWNER_BY_MAJOR[class_code[:2]])


def authority_of(class_code: str) -> str:
    """主管部门 of components of a class (4 digits)."""
    return _AUTHORITY_OF_OWNER[owner_of(class_code)]


def maintainer_of(class_code: str) -> str:
    """养护单位 of components of a class: who owns it, but for a few that the city looks after."""
    return {"0106": "DL01", "0137": "DL01", "0204": "CG01", "0209": "CG01"}.get(
        class_code, owner_of(class_code)
    )
