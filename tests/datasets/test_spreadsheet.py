"""Tables in .xlsx."""

from __future__ import annotations

import builtins
from pathlib import Path

import pytest
from openpyxl import Workbook

from groundglass.datasets.spreadsheet import read_spreadsheet
from groundglass.errors import DatasetError, MissingExtraError


def write(path: Path, *sheets: list[list[object]]) -> Path:
    book = Workbook()
    for sheet in book.worksheets:
        book.remove(sheet)
    for number, lines in enumerate(sheets):
        sheet = book.create_sheet(f"sheet {number}")
        for line in lines:
            sheet.append(line)
    book.save(path)
    return path


def test_rows_by_name_with_their_lines(tmp_path: Path) -> None:
    lines = [["b", "more", "a "], [1, "x", " text "], [None, "only here", "  "], [2.5, None, None]]
    path = write(tmp_path / "t.xlsx", [["notes"]], lines, [])
    assert read_spreadsheet(path, ("a", "b")) == [
        (2, {"a": "text", "b": 1}),
        (4, {"a": None, "b": 2.5}),
    ]


def test_columns_that_are_not_there_or_twice(tmp_path: Path) -> None:
    path = write(tmp_path / "t.xlsx", [["a", "c"]], [])
    said = r"t\.xlsx: 0 of 2 sheets have the columns \(sheet 'sheet 0' has a, c; sheet 'sheet 1'"
    with pytest.raises(DatasetError, match=said + r" has nothing\); expected one sheet with a, b"):
        read_spreadsheet(path, ("a", "b"))
    write(path, [["a"]], [["a"]])
    with pytest.raises(DatasetError, match="2 of 2 sheets have the columns"):
        read_spreadsheet(path, ("a",))
    write(path, [["a", "a"], [1, 2]])
    with pytest.raises(DatasetError, match="has column a more than once"):
        read_spreadsheet(path, ("a",))


@pytest.mark.parametrize("keep", [0, 100, 3000, None])
def test_damage(tmp_path: Path, keep: int | None) -> None:
    path = write(tmp_path / "t.xlsx", [["a"], [1]])
    whole = path.read_bytes()
    path.write_bytes(b"study_id,category\n" if keep is None else whole[:keep])
    with pytest.raises(DatasetError, match=r"t\.xlsx cannot be read: .*; expected an \.xlsx file"):
        read_spreadsheet(path, ("a",))


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"t\.xlsx is missing"):
        read_spreadsheet(tmp_path / "t.xlsx", ("a",))


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: object, **more: object) -> object:
        if name.split(".")[0] == "openpyxl":
            raise ImportError(name)
        return real(name, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        MissingExtraError,
        match=r"Reading t\.xlsx needs the package 'openpyxl'.*pip install 'groundglass\[train\]'",
    ):
        read_spreadsheet(tmp_path / "t.xlsx", ("a",))
