"""The index and the scans beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from groundglass.datasets.index import (
    IndexRow,
    PreparedScan,
    load_prepared,
    read_index,
    save_prepared,
    write_index,
)
from groundglass.errors import DatasetError

ROW = IndexRow("a", "p", "g", "a.npz", "hu", 2, 5, 0, "reference", "CC BY, so to say", "made-up")


def scan() -> PreparedScan:
    mask = np.zeros((2, 4, 4), np.uint8)
    return PreparedScan(ROW, np.full((2, 4, 4), -900, np.int16), mask, mask)


def test_round_trip(tmp_path: Path) -> None:
    save_prepared(tmp_path, scan())
    write_index(tmp_path, [ROW])
    (row,) = read_index(tmp_path)
    assert row == ROW
    back = load_prepared(tmp_path, row)
    assert np.array_equal(back.image, scan().image)
    assert back.is_hu
    assert row.is_healthy
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "index.csv"]


def test_rows_join_and_replace(tmp_path: Path) -> None:
    write_index(tmp_path, [replace(ROW, scan_id="b"), ROW])
    write_index(tmp_path, [replace(ROW, slices=7), replace(ROW, scan_id="c")])
    assert [(row.scan_id, row.slices) for row in read_index(tmp_path)] == [
        ("a", 7),
        ("b", 2),
        ("c", 2),
    ]


def test_damage_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"has no index\.csv"):
        read_index(tmp_path)
    write_index(tmp_path, [ROW])
    path = tmp_path / "index.csv"
    path.write_text(path.read_text().replace(",2,5,", ",two,5,"))
    with pytest.raises(DatasetError, match="line 2 is damaged"):
        read_index(tmp_path)
    with pytest.raises(DatasetError, match=r"a\.npz of scan a is missing"):
        load_prepared(tmp_path, ROW)
    save_prepared(tmp_path, replace(scan(), lungs=np.zeros((1, 4, 4), np.uint8)))
    with pytest.raises(DatasetError, match=r"lungs \(1, 4, 4\)"):
        load_prepared(tmp_path, ROW)
