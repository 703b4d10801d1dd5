"""`dataset_registry.xlsx` as MosMedData has it, byte for byte the same for the same lines."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence

from groundglass.errors import MissingExtraError

REGISTRY = "dataset_registry.xlsx"
COLUMNS = ("study_id", "category", "study_file", "mask_file")
_THEN = b"2020-01-01T00:00:00Z"
_ZIP_TIME = (2020, 1, 1, 0, 0, 0)


def registry_bytes(lines: Sequence[tuple[int, str, str, str | None]]) -> bytes:
    """The spreadsheet: number, grade, file and mask ("/masks/..." or None) of each scan.

    Raises: MissingExtraError without openpyxl.
    """
    try:
        from openpyxl import Workbook
    except ImportError as error:
        raise MissingExtraError("openpyxl", "train", f"Writing {REGISTRY}") from error
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = "MosMedData-like phantoms"
    for line in (COLUMNS, *lines):
        sheet.append(line)
    made = io.BytesIO()
    book.save(made)
    return _without_times(made.getvalue())


def _without_times(workbook: bytes) -> bytes:
    """The same archive without the moment at which it was written."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook)) as source,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in sorted(source.namelist()):
            content = source.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT[\d:.]+Z", _THEN, content)
            target.writestr(zipfile.ZipInfo(name, _ZIP_TIME), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()
