"""Excel workbooks that are no workbooks, that burst, and what people leave in their cells."""

from __future__ import annotations

from tests.specimens.bricks import Entry, Specimen, hand_packed, ole, packed, table, workbook
from tests.specimens.documents import LAUGHS
from tests.specimens.tables import GOOD, HEAD, PART, part


def _sheet(*rows: tuple[object, ...], **more: object) -> bytes:
    return packed(workbook({"点": [HEAD, (1, "甲", 116.5, 31.74), *rows]}, **more))  # type: ignore[arg-type]


_BOMB = [
    Entry("xl/workbook.xml", b"<workbook/>", 0, 0, 11),
    Entry("xl/worksheets/sheet1.xml", b"", 0, 0, 5 * 1024**3),
]
_DOCTYPE = '<?xml version="1.0"?><!DOCTYPE worksheet [<!ENTITY a SYSTEM "file:///etc/passwd">]>'

SPECIMENS = (
    Specimen("xlsx-truncated.xlsx", "a workbook that ends half way", "refusal", "Truncated", _sheet()[:900]),
    Specimen(
        "xlsx-is-xls.xlsx", "an old .xls called .xlsx", "refusal", "NotWhatItSays", ole("Workbook"), (".xls",)
    ),
    Specimen(
        "xlsx-password.xlsx",
        "a workbook with a password",
        "refusal",
        "Locked",
        ole("EncryptionInfo", "EncryptedPackage"),
    ),
    Specimen(
        "xlsx-is-zip.xlsx",
        "a .zip called .xlsx",
        "refusal",
        "NotWhatItSays",
        packed([("points.csv", table(HEAD))]),
        ("xl/workbook.xml",),
    ),
    Specimen(
        "xlsx-bomb.xlsx",
        "a sheet of 5 GB, says the directory",
        "refusal",
        "UnsafeArchive",
        hand_packed(_BOMB),
        ("5368709131",),
    ),
    Specimen(
        "xlsx-external-entity.xlsx",
        "a sheet that asks for /etc/passwd (XXE)",
        "refusal",
        "UnsafeFile",
        _sheet((2, "&a;", 116.51, 31.74), before=_DOCTYPE),
        ("DOCTYPE",),
    ),
    Specimen(
        "xlsx-billion-laughs.xlsx",
        "a sheet whose entities unfold to 10¹¹ words",
        "refusal",
        "UnsafeFile",
        _sheet((2, "&a;", 116.51, 31.74), before=f'<!DOCTYPE worksheet [<!ENTITY l "ha">{LAUGHS}]>'),
        ("DOCTYPE",),
    ),
    Specimen(
        "xlsx-blank.xlsx",
        "a workbook of blank sheets",
        "refusal",
        "EmptyFile",
        packed(workbook({"Sheet1": [], "Sheet2": []})),
    ),
    Specimen(
        "xlsx-formula-uncomputed.xlsx",
        "a formula that was never computed",
        "rows",
        "cell.formula",
        _sheet((2, "乙", b"<c><f>116+0.5</f></c>", 31.74)),
        ("3", "lon"),
    ),
    Specimen(
        "xlsx-error-cells.xlsx",
        "#REF! where a number was",
        "note",
        "cell.error",
        _sheet((2, b'<c t="e"><v>#REF!</v></c>', 116.51, 31.74)),
    ),
    Specimen(
        "xlsx-error-coordinates.xlsx",
        "#REF! where a longitude was",
        "rows",
        "geometry.missing",
        _sheet((2, "乙", b'<c t="e"><v>#REF!</v></c>', 31.74)),
        ("3",),
    ),
    Specimen(
        "xlsx-merged.xlsx",
        "a name merged over two rows",
        "note",
        "cell.merged",
        _sheet((2, None, 116.51, 31.74), merged=["B2:B3"]),
    ),
    Specimen(
        "xlsx-two-headers.xlsx",
        "two header rows, the first of them merged over groups",
        "note",
        "header.titles",
        packed(
            workbook(
                {"点": [("管点", None, "坐标", None), HEAD, (1, "甲", 116.5, 31.74)]},
                merged=["A1:B1", "C1:D1"],
            )
        ),
    ),
    Specimen(
        "xlsx-hidden-sheet.xlsx",
        "a sheet that is hidden",
        "note",
        "sheet.hidden",
        packed(
            workbook(
                {"a": [HEAD, (1, "甲", 116.5, 31.74)], "b": [HEAD, (2, "乙", 116.6, 31.74)]}, hidden=["b"]
            )
        ),
        ("b",),
    ),
    Specimen(
        "xlsx-macros.xlsm",
        "a workbook with macros",
        "note",
        "workbook.macros",
        _sheet(more=[("xl/vbaProject.bin", ole("VBA"))]),
    ),
    Specimen(
        "xlsx-serial-dates.xlsx",
        "a date as a day number without a date's format",
        "note",
        "value.reformatted",
        packed(workbook({"部件": [PART, GOOD, part(2, date=45352)]})),
        (),
        "component",
    ),
)
