"""Maps that a run made for scans: whole, of the right scan, uint8."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from groundglass.datasets.index import PreparedScan
from groundglass.errors import DatasetError
from groundglass.training.maps import load_map, save_map


def test_a_map_comes_back_for_the_scan_or_some_of_its_slices(
    tmp_path: Path, scans: list[PreparedScan]
) -> None:
    scan = scans[1]
    values = np.random.default_rng(0).integers(0, 255, scan.image.shape, np.uint8)
    save_map(tmp_path / "maps", "three", values)
    assert np.array_equal(load_map(tmp_path / "maps", scan), values)
    thin = scan.take(np.array([1, 2, 4])).take(np.array([0, 2]))
    assert np.array_equal(load_map(tmp_path / "maps", thin), values[[1, 4]])
    assert [path.name for path in (tmp_path / "maps").iterdir()] == ["three.npz"]


def test_a_missing_map_is_refused(tmp_path: Path, scans: list[PreparedScan]) -> None:
    with pytest.raises(DatasetError, match=r"has no map of scan one; expected one\.npz"):
        load_map(tmp_path, scans[0])


def test_another_scans_map_is_refused(tmp_path: Path, scans: list[PreparedScan]) -> None:
    save_map(tmp_path, "three", np.zeros((4, 64, 64), np.uint8))
    for scan in (scans[1], scans[1].take(np.array([0, 1]))):
        with pytest.raises(DatasetError, match=r"of shape \(4, 64, 64\); expected uint8 of \(5,"):
            load_map(tmp_path, scan)


def test_only_uint8_is_written_and_read(tmp_path: Path, scans: list[PreparedScan]) -> None:
    chance = np.full(scans[0].image.shape, 0.5)
    with pytest.raises(DatasetError, match="map of scan one is float64; expected uint8"):
        save_map(tmp_path, "one", chance)
    np.savez(tmp_path / "one.npz", values=chance)
    with pytest.raises(DatasetError, match=r"one\.npz is float64 of shape"):
        load_map(tmp_path, scans[0])


@pytest.mark.parametrize("content", [b"", b"not a map", b"PK\x03\x04 cut off"])
def test_a_damaged_map_is_refused(
    tmp_path: Path, scans: list[PreparedScan], content: bytes
) -> None:
    (tmp_path / "one.npz").write_bytes(content)
    with pytest.raises(DatasetError, match=r"map .*one\.npz cannot be read"):
        load_map(tmp_path, scans[0])
