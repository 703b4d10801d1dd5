"""The index and the scans beside it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from groundglass.datasets.grades import GRADES
from groundglass.datasets.index import (
    IndexRow,
    PreparedScan,
    load_prepared,
    read_index,
    save_prepared,
    spacing_text,
    write_index,
)
from groundglass.errors import DatasetError
from groundglass.intensity import Intensity
from groundglass.volume import Source, Volume

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


OLD = """\
scan_id,patient_id,group,file,domain,slices,lung_voxels,lesion_voxels,lungs_by,license,source
a,p,g,a.npz,hu,2,5,0,reference,"CC BY, so to say",made-up
"""


def test_an_index_from_before_is_read_and_says_that_nobody_counted(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text(OLD)
    (row,) = read_index(tmp_path)
    assert row == ROW
    assert (row.dark_slices, row.lesion_slices, row.lung_slices) == (None, None, None)
    assert (row.file_sha256, row.provenance, row.source_shape) == ("", "", "")
    assert (row.diagnosis, row.severity, row.grade, row.lesions_by) == ("", "", "", "")
    assert row.is_healthy
    assert row.lesions_are_known
    write_index(tmp_path, [replace(ROW, scan_id="b", dark_slices=0, lung_slices=2)])
    old, new = read_index(tmp_path)
    assert old == ROW
    assert (new.dark_slices, new.lung_slices, new.lesion_slices) == (0, 2, None)
    header = (tmp_path / "index.csv").read_text().splitlines()[0]
    assert header.startswith(OLD.splitlines()[0] + ",dark_slices,")


def test_spacing_gives_distance_and_volume(tmp_path: Path) -> None:
    """Rows of 2 x 300 mm lie in a frame of 256: a pixel is 600 / 256 mm."""
    row = replace(ROW, lung_voxels=1000, spacing_mm="8x2x0.5", source_shape="40x300x400")
    write_index(tmp_path, [row])
    (back,) = read_index(tmp_path)
    assert back.slice_mm == 8.0
    assert back.lungs_ml == pytest.approx(1000 * 8 * (600 / 256) ** 2 / 1000)
    assert (ROW.slice_mm, ROW.lungs_ml) == (None, None)
    assert replace(row, source_shape="").lungs_ml is None
    path = tmp_path / "index.csv"
    for bad in ("8x2", "8x0x1", "8xinfx1", "ax2x3"):
        path.write_text(path.read_text().replace("8x2x0.5", bad))
        with pytest.raises(DatasetError, match="line 2 is damaged"):
            read_index(tmp_path)
        path.write_text(path.read_text().replace(bad, "8x2x0.5"))


def test_spacing_that_is_not_real_is_not_noted() -> None:
    affine = np.diag([0.7, 0.8, 5.0, 1.0])[:, [2, 1, 0, 3]]
    array = np.zeros((2, 3, 4), np.int16)
    volume = Volume(array, affine, Intensity("hu", "given", ""), Source("a", "nifti", "a"))
    assert spacing_text(volume) == "5x0.8x0.7"
    assert spacing_text(replace(volume, spacing_is_real=False)) == ""


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (",made-up", "", "source is missing"),
        ("lungs_by", "lungs_from", "lungs_by is missing"),
        ("source\n", "source,mood\n", "unknown column mood"),
    ],
)
def test_columns_that_do_not_fit(tmp_path: Path, before: str, after: str, said: str) -> None:
    (tmp_path / "index.csv").write_text(OLD.replace(before, after))
    with pytest.raises(DatasetError, match=f"line 2 is damaged: {said}"):
        read_index(tmp_path)


@pytest.mark.parametrize("grade", GRADES)
def test_labels_make_the_round_trip(tmp_path: Path, grade: str) -> None:
    diagnosis, severity = GRADES[grade]
    row = replace(ROW, grade=grade, diagnosis=diagnosis, severity=severity, lesions_by="none")
    write_index(tmp_path, [row])
    assert read_index(tmp_path) == [row]
    assert row.is_healthy == (grade == "CT-0")
    assert not row.lesions_are_known
    assert replace(row, lesions_by="grade").lesions_are_known


@pytest.mark.parametrize(
    ("diagnosis", "severity", "said"),
    [
        ("covid", "mild", "diagnosis and severity are 'covid' and 'mild'"),
        ("normal", "severe", "diagnosis and severity are 'normal' and 'severe'"),
        ("findings", "", "diagnosis and severity are 'findings' and ''"),
        ("", "mild", "diagnosis and severity are '' and 'mild'"),
    ],
)
def test_labels_that_do_not_go_together(
    tmp_path: Path, diagnosis: str, severity: str, said: str
) -> None:
    write_index(tmp_path, [replace(ROW, diagnosis=diagnosis, severity=severity)])
    with pytest.raises(DatasetError, match=f"line 2 is damaged: {said}"):
        read_index(tmp_path)


def test_what_is_saved_is_counted_and_hashed(tmp_path: Path) -> None:
    lungs = np.zeros((3, 4, 4), np.uint8)
    lungs[1:, 0, 0] = 1
    lesions = np.zeros_like(lungs)
    lesions[2, 0, 0] = 1
    row = save_prepared(tmp_path, replace(scan(), lungs=lungs, lesions=lesions))
    assert (row.lung_slices, row.lesion_slices, row.slices) == (2, 1, ROW.slices)
    assert row.file_sha256 == hashlib.sha256((tmp_path / "a.npz").read_bytes()).hexdigest()
    again = save_prepared(tmp_path, replace(scan(), lungs=lungs, lesions=lesions))
    assert again == row


def test_a_file_that_is_no_scan_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"no archive")
    with pytest.raises(DatasetError, match=r"a\.npz of scan a is damaged"):
        load_prepared(tmp_path, ROW)


def test_every_column_is_documented_in_order() -> None:
    page = Path(__file__).parents[2] / "docs" / "formats.md"
    section = page.read_text(encoding="utf-8").split("\n## index.csv\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.M) == [f.name for f in fields(IndexRow)]
