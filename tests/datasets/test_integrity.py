"""What is said of files that are missing, damaged or empty."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from groundglass.datasets.index import IndexRow, PreparedScan, read_index, save_prepared
from groundglass.datasets.integrity import check_index, examine

from .made_scans import made_scan, write_scans


@pytest.fixture
def row(tmp_path: Path) -> IndexRow:
    write_scans(tmp_path, made_scan("a", seed=1), made_scan("b", seed=2))
    assert check_index(tmp_path, read_index(tmp_path)) == []
    return read_index(tmp_path)[0]


def said(folder: Path) -> list[tuple[str, str]]:
    found = check_index(folder, read_index(folder))
    assert all(problem.file == f"{problem.scan_id}.npz" for problem in found)
    return [(problem.scan_id, problem.kind) for problem in found]


def test_all_that_is_wrong_is_named(tmp_path: Path, row: IndexRow) -> None:
    (tmp_path / "a.npz").unlink()
    (tmp_path / "b.npz").write_bytes(b"")
    assert said(tmp_path) == [("a", "missing"), ("b", "empty")]


def test_one_byte_that_differs(tmp_path: Path, row: IndexRow) -> None:
    path = tmp_path / "a.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert ("a", "damaged") in said(tmp_path)
    assert "SHA-256" in str(examine(tmp_path, row)[1][0])


def test_a_file_cut_short_without_a_hash(tmp_path: Path, row: IndexRow) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(path.read_bytes()[:2000])
    scan, problems = examine(tmp_path, replace(row, file_sha256=""))
    assert scan is None
    assert [problem.kind for problem in problems] == ["damaged"]
    path.write_bytes(b"no archive")
    assert examine(tmp_path, replace(row, file_sha256=""))[1][0].kind == "damaged"


def test_a_whole_file_that_is_not_the_indexed_one(tmp_path: Path, row: IndexRow) -> None:
    """A scan prepared again elsewhere: readable, and said to differ."""
    save_prepared(tmp_path, made_scan("a", seed=3, slices=4))
    scan, problems = examine(tmp_path, row)
    assert scan is not None
    assert [problem.kind for problem in problems] == ["damaged", *["differs"] * 3]
    assert "4 slices; the index has 6" in problems[1].text


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        ({"lungs": np.zeros((2, 64, 64), np.uint8)}, "damaged", "expected three equal ones"),
        ({"image": np.zeros((6, 64, 64), np.float32)}, "damaged", "image is float32"),
        ({"lesions": np.full((6, 64, 64), 2, np.uint8)}, "damaged", "lesions is no mask"),
        ({"lungs": np.zeros((6, 64, 64), bool)}, "damaged", "lungs is no mask"),
        ({"lungs": np.zeros((6, 64, 64), np.uint8)}, "empty", "no lung is marked"),
        ({"image": np.full((6, 64, 64), 7, np.int16)}, "empty", "the image is 7 everywhere"),
    ],
)
def test_contents(
    tmp_path: Path, row: IndexRow, change: dict[str, np.ndarray], kind: str, text: str
) -> None:
    scan = made_scan("a", seed=1)
    arrays = {name: getattr(scan, name) for name in ("image", "lungs", "lesions")} | change
    with (tmp_path / "a.npz").open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    problems = examine(tmp_path, replace(row, file_sha256=""))[1]
    assert problems[0].kind == kind
    assert text in problems[0].text


def test_no_slices_and_a_missing_array(tmp_path: Path, row: IndexRow) -> None:
    none = np.zeros((0, 64, 64), np.uint8)
    empty = save_prepared(tmp_path, PreparedScan(row, none.astype(np.int16), none, none))
    scan, problems = examine(tmp_path, empty)
    assert scan is None
    assert (problems[0].kind, problems[0].text) == ("empty", "no slices")
    np.savez(tmp_path / "a.npz", image=none, lungs=none)
    text = examine(tmp_path, replace(row, file_sha256=""))[1][0].text
    assert "an array is missing" in text
    assert "lesions" in text


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (("findings", "mild", "CT-2"), "CT-2 is findings severe; the index has findings mild"),
        (("", "", "CT-0"), "CT-0 is normal; the index has no label"),
        (("normal", "", "CT-9"), "grade is 'CT-9'; expected one of CT-0, CT-1, CT-2, CT-3, CT-4"),
        (("findings", "severe", "CT-4"), ""),
        (("", "", ""), ""),
    ],
)
def test_labels_of_another_grade(
    tmp_path: Path, row: IndexRow, labels: tuple[str, str, str], text: str
) -> None:
    diagnosis, severity, grade = labels
    _, found = examine(tmp_path, replace(row, diagnosis=diagnosis, severity=severity, grade=grade))
    assert [(problem.kind, problem.text) for problem in found] == (
        [("differs", text)] if text else []
    )


@pytest.mark.parametrize("lesions_by", ["grade", "none", "reference", ""])
def test_lesions_that_nobody_is_said_to_have_drawn(
    tmp_path: Path, row: IndexRow, lesions_by: str
) -> None:
    _, found = examine(tmp_path, replace(row, lesions_by=lesions_by))
    wanted = [f"lesions are marked; the index has lesions_by {lesions_by}"]
    assert [problem.text for problem in found] == (
        wanted if lesions_by in ("grade", "none") else []
    )
