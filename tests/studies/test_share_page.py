"""Involved shares of a row, by hand: page, table and picture."""

from __future__ import annotations

import csv
from pathlib import Path

from groundglass.datasets.index import IndexRow
from groundglass.metrics.aggregate import CaseScore
from groundglass.metrics.overlap import Confusion
from groundglass.studies.share_page import share_pairs, write_shares

from .made_rows import made_row

MILD = CaseScore("mild", (Confusion(4, 2, 1, 93), Confusion(1, 1, 0, 98)), "p1")  # 6 drawn, 8 made
SEVERE = CaseScore("severe", (Confusion(15, 5, 35, 45),), "p2")  # 50 drawn, 20 made
UNKNOWN = CaseScore("unknown", (Confusion(1, 0, 0, 9),), "p3")
ROW = made_row(folds=((MILD, UNKNOWN), (SEVERE,)))


def index(source: str = "clinic") -> list[IndexRow]:
    lungs = {"mild": 100, "severe": 100, "unknown": 0}
    return [
        IndexRow(name, name, name, f"{name}.npz", "hu", 1, count, 5, "reference", "none", source)
        for name, count in lungs.items()
    ]


def test_pairs_by_hand_and_scans_without_lungs_are_left_out() -> None:
    pairs = share_pairs(ROW, index())
    assert [(p.case_id, p.group, p.reference_percent, p.predicted_percent) for p in pairs] == [
        ("mild", "p1", 6.0, 8.0),
        ("severe", "p2", 50.0, 20.0),
    ]


def test_page_table_and_picture(tmp_path: Path) -> None:
    page, table, picture = write_shares(ROW, index(), tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "2 scans of 2 patients, patient folds, folds 0, 1." in text
    assert "Mean error -14.0 points" in text  # of +2 and -30
    assert "mean absolute error 16.0" in text
    assert "Same MosMed band: 1 of 2. Severe by the reference: 1, of them called severe: 0" in text
    assert "| severe | 50.0 | 20.0 | -30.0 | CT-3 | CT-1 |" in text
    with table.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["case"], row["error"], row["phantom"]) for row in rows] == [
        ("mild", "2.0000", ""),
        ("severe", "-30.0000", ""),
    ]
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_phantoms_are_named_first(tmp_path: Path) -> None:
    page = write_shares(ROW, index("phantom"), tmp_path)[0].read_text(encoding="utf-8")
    assert "phantoms" in page.splitlines()[0]
    assert "says nothing about patients" in page


def test_nothing_is_written_where_no_lungs_are_known(tmp_path: Path) -> None:
    assert write_shares(ROW, [], tmp_path) == []
    assert list(tmp_path.iterdir()) == []
