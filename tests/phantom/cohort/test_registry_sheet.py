from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from groundglass.datasets import mosmed_registry
from groundglass.datasets.spreadsheet import read_spreadsheet
from groundglass.errors import MissingExtraError
from groundglass.phantom.cohort import registry_sheet
from groundglass.phantom.cohort.registry_sheet import registry_bytes

LINES = [
    (1, "CT-0", "/studies/CT-0/study_0001.nii.gz", None),
    (2, "CT-1", "/studies/CT-1/study_0002.nii.gz", "/masks/study_0002_mask.nii.gz"),
]


def test_the_loader_reads_what_was_written(tmp_path: Path) -> None:
    assert registry_sheet.REGISTRY == mosmed_registry.REGISTRY
    assert registry_sheet.COLUMNS == mosmed_registry.COLUMNS
    path = tmp_path / "r.xlsx"
    path.write_bytes(registry_bytes(LINES))
    rows = read_spreadsheet(path, mosmed_registry.COLUMNS)
    assert [tuple(row.values()) for _, row in rows] == LINES


def test_no_moment_of_writing_is_in_it() -> None:
    made = registry_bytes(LINES)
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert {one.date_time for one in archive.infolist()} == {(2020, 1, 1, 0, 0, 0)}
        core = archive.read("docProps/core.xml")
    assert core.count(b"2020-01-01T00:00:00Z") == 2
    assert core.count(b"T00:00:00Z") == core.count(b":00Z")


def test_without_openpyxl_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(MissingExtraError, match=r"'openpyxl'.*groundglass\[train\]"):
        registry_bytes(LINES)
