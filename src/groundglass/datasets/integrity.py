"""What is wrong with a prepared data set: files missing, damaged, or empty."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from groundglass.datasets.grades import GRADES
from groundglass.datasets.index import IndexRow, PreparedScan, file_sha256

_ARRAYS = ("image", "lungs", "lesions")


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one scan. `kind`: missing, damaged, empty or differs."""

    scan_id: str
    file: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.file} of {self.scan_id}: {self.kind}, {self.text}"


def examine(folder: Path, row: IndexRow) -> tuple[PreparedScan | None, list[Problem]]:
    """Read one scan and say all that is wrong with it; the scan is None where it is unusable.

    missing: no file. damaged: another SHA-256 than the index has (where it has one), no .npz,
    arrays missing or of other shapes or types than a prepared scan has. empty: no bytes, no
    slices, an image of one value, no lung. differs: other counts than the index has, lesions in
    a mask that the index says nobody drew, or labels that are not those of the grade.
    """
    path = folder / row.file

    def problem(kind: str, text: str) -> Problem:
        return Problem(row.scan_id, row.file, kind, text)

    if not path.is_file():
        return None, [problem("missing", "the index names it")]
    if path.stat().st_size == 0:
        return None, [problem("empty", "0 bytes")]
    found = []
    if row.file_sha256 and file_sha256(path) != row.file_sha256:
        found.append(problem("damaged", "its SHA-256 is not the one in the index"))
    try:
        # A stream of our own, as np.load leaves its open where the file is no archive.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            arrays = [stored[name] for name in _ARRAYS]
    except KeyError as error:
        return None, [*found, problem("damaged", f"an array is missing: {error.args[0]}")]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        return None, [*found, problem("damaged", f"cannot be read: {error}")]
    scan = PreparedScan(row, *arrays)
    misshapen = _misshapen(scan)
    if misshapen:
        return None, [*found, problem("damaged", misshapen)]
    found += [problem(kind, text) for kind, text in _empty_or_different(scan)]
    return (None if scan.image.size == 0 else scan), found


def check_index(folder: Path, rows: Sequence[IndexRow]) -> list[Problem]:
    """All problems of all scans, in the index's order."""
    return [problem for row in rows for problem in examine(folder, row)[1]]


def _misshapen(scan: PreparedScan) -> str:
    """What keeps the arrays from being one scan; '' where nothing does."""
    image, lungs, lesions = scan.image, scan.lungs, scan.lesions
    if not image.shape == lungs.shape == lesions.shape or image.ndim != 3:
        shapes = ", ".join(str(array.shape) for array in (image, lungs, lesions))
        return f"shapes {shapes}; expected three equal ones (slices, rows, columns)"
    wanted = np.int16 if scan.is_hu else np.uint8
    if image.dtype != wanted:
        return f"image is {image.dtype}; expected {np.dtype(wanted)} for {scan.row.domain}"
    for name, mask in (("lungs", lungs), ("lesions", lesions)):
        if mask.dtype != np.uint8 or (mask.size and mask.max() > 1):
            return f"{name} is no mask of 0 and 1 in uint8"
    return ""


def _empty_or_different(scan: PreparedScan) -> list[tuple[str, str]]:
    row = scan.row
    if scan.image.size == 0:
        return [("empty", "no slices")]
    found = []
    if scan.image.min() == scan.image.max():
        found.append(("empty", f"the image is {scan.image.flat[0]} everywhere"))
    if not scan.lungs.any():
        found.append(("empty", "no lung is marked"))
    counted = {
        "slices": len(scan.image),
        "lung_voxels": int(scan.lungs.sum()),
        "lesion_voxels": int(scan.lesions.sum()),
    }
    for name, number in counted.items():
        if number != getattr(row, name):
            found.append(("differs", f"{number} {name}; the index has {getattr(row, name)}"))
    if scan.lesions.any() and row.lesions_by in ("grade", "none"):
        found.append(("differs", f"lesions are marked; the index has lesions_by {row.lesions_by}"))
    return found + _wrong_labels(row)


def _wrong_labels(row: IndexRow) -> list[tuple[str, str]]:
    """A grade that is none, or labels of another grade."""
    if not row.grade:
        return []
    if row.grade not in GRADES:
        return [("differs", f"grade is {row.grade!r}; expected one of {', '.join(GRADES)}")]
    labels = (row.diagnosis, row.severity)
    if labels == GRADES[row.grade]:
        return []
    said, meant = (" ".join(filter(None, pair)) for pair in (labels, GRADES[row.grade]))
    return [("differs", f"{row.grade} is {meant}; the index has {said or 'no label'}")]
