"""The index of a prepared data set: one row per scan, with patient, files, licence, provenance."""

from __future__ import annotations

import csv
import hashlib
import math
import zipfile
import zlib
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from groundglass.datasets.grades import LABELS
from groundglass.datasets.phantom_sources import is_phantom_source
from groundglass.errors import DatasetError
from groundglass.ops.frames import FRAME_SIZE
from groundglass.volume import Volume

INDEX_NAME = "index.csv"
_NUMBERS = ("slices", "lung_voxels", "lesion_voxels")
_COUNTS = ("dark_slices", "lesion_slices", "lung_slices")


@dataclass(frozen=True)
class IndexRow:
    """One prepared scan.

    `group` is what folds keep together (the patient, or scans that may be one patient);
    `file` is an .npz beside the index with `image`, `lungs` and `lesions`, each (D, S, S).
    The fields from `dark_slices` on came later: an index written before has None or "" there,
    which says that nobody counted. `dark_slices` were dropped and are not among `slices`;
    `source_shape` is the published volume's, as "45x630x630" (slices, rows, columns).
    `grade` is the publisher's, `diagnosis` and `severity` what it stands for (`grades.py`): what
    radiologists saw in the CT, never a PCR result; "" where the scan has none. `lesions_by`:
    "reference" (drawn by people), "grade" (empty, as the scan is graded normal), "none" (nobody
    drew them: `lesions` is empty and says nothing), "" (an index or a set that does not tell).
    `spacing_mm`: by the published header, slices, rows, columns, as "8x0.7x0.7"; "" where
    there is none, or nobody noted it.
    """

    scan_id: str
    patient_id: str
    group: str
    file: str
    domain: str
    slices: int
    lung_voxels: int
    lesion_voxels: int
    lungs_by: str
    license: str
    source: str
    dark_slices: int | None = None
    lesion_slices: int | None = None
    lung_slices: int | None = None
    file_sha256: str = ""
    provenance: str = ""
    source_shape: str = ""
    diagnosis: str = ""
    severity: str = ""
    grade: str = ""
    lesions_by: str = ""
    spacing_mm: str = ""

    @property
    def is_healthy(self) -> bool:
        """Nothing is marked, and the scan is not graded as having findings."""
        return self.lesion_voxels == 0 and self.diagnosis != "findings"

    @property
    def is_phantom(self) -> bool:
        """Made up by the program: no figure from it may be shown as if it were from patients."""
        return is_phantom_source(self.source)

    @property
    def slice_mm(self) -> float | None:
        """Distance of the published slices along their normal; None where it is not known."""
        return float(self.spacing_mm.split("x")[0]) if self.spacing_mm else None

    @property
    def lungs_ml(self) -> float | None:
        """Volume of `lungs`, from what the frame spans; None where the spacing is not known."""
        if not (self.spacing_mm and self.source_shape):
            return None
        distance, *pixel = (float(part) for part in self.spacing_mm.split("x"))
        _, *size = (int(part) for part in self.source_shape.split("x"))
        edge = max(n * mm for n, mm in zip(size, pixel, strict=True)) / FRAME_SIZE
        return self.lung_voxels * edge * edge * distance / 1000

    @property
    def lesions_are_known(self) -> bool:
        """False where `lesions` is empty only because nobody drew them: no truth to learn from."""
        return self.lesions_by != "none"


@dataclass(frozen=True)
class PreparedScan:
    """Frames of one scan and its masks: `image` (D, S, S) int16 HU or uint8, masks uint8 0/1.

    `slices` says which of the scan's slices these are; None: all of them.
    """

    row: IndexRow
    image: np.ndarray
    lungs: np.ndarray
    lesions: np.ndarray
    slices: np.ndarray | None = None

    @property
    def is_hu(self) -> bool:
        return self.row.domain == "hu"

    def take(self, slices: np.ndarray) -> PreparedScan:
        """The scan reduced to some of its slices, by index. The row stays the whole scan's."""
        chosen = slices if self.slices is None else self.slices[slices]
        return PreparedScan(
            self.row, self.image[slices], self.lungs[slices], self.lesions[slices], chosen
        )


def write_index(folder: Path, rows: list[IndexRow]) -> None:
    """Write `folder`/index.csv; rows of scans prepared earlier stay, same ids are replaced."""
    kept = {
        row.scan_id: row for row in (read_index(folder) if (folder / INDEX_NAME).exists() else [])
    }
    kept.update({row.scan_id: row for row in rows})
    partial = folder / f".{INDEX_NAME}.partial"
    with partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(IndexRow)])
        writer.writeheader()
        writer.writerows(asdict(kept[scan_id]) for scan_id in sorted(kept))
    partial.replace(folder / INDEX_NAME)


def read_index(folder: Path) -> list[IndexRow]:
    """Rows of a prepared folder. Raises: DatasetError where it is none or a row is damaged."""
    path = folder / INDEX_NAME
    if not path.is_file():
        raise DatasetError(
            f"{folder} has no {INDEX_NAME}",
            expected="a folder that `groundglass prepare` wrote",
            remedy="Run: groundglass prepare --help",
        )
    rows = []
    with path.open(newline="", encoding="utf-8") as stream:
        for line, values in enumerate(csv.DictReader(stream), start=2):
            try:
                rows.append(_row(values))
            except (TypeError, ValueError) as error:
                raise DatasetError(f"{path} line {line} is damaged: {error}") from error
    return rows


def _row(values: dict[str, Any]) -> IndexRow:
    """One line; fields of a later version than the file's keep their defaults."""
    read: dict[str, Any] = {}
    for field in fields(IndexRow):
        text = values.get(field.name)
        if text is None:
            if field.name in values or field.default is MISSING:
                raise ValueError(f"{field.name} is missing")
        elif field.name in _NUMBERS or (field.name in _COUNTS and text):
            read[field.name] = int(text)
        elif field.name not in _COUNTS:
            read[field.name] = text
    if read.get("spacing_mm"):
        _checked_spacing(read["spacing_mm"])
    if (label := (read.get("diagnosis", ""), read.get("severity", ""))) not in LABELS:
        raise ValueError(f"diagnosis and severity are {' and '.join(map(repr, label))}")
    unknown = [str(name) for name in values if name not in {f.name for f in fields(IndexRow)}]
    if unknown:
        raise ValueError(f"unknown column {', '.join(unknown)}")
    return IndexRow(**read)


def _checked_spacing(text: str) -> None:
    parts = [float(part) for part in text.split("x")]
    if len(parts) != 3 or not all(0 < mm < math.inf for mm in parts):
        raise ValueError(f"spacing_mm is {text!r}")


def save_prepared(folder: Path, scan: PreparedScan) -> IndexRow:
    """Write one scan's .npz beside the index, whole or not at all.

    Returns the scan's row with what is counted here: slices with lung, slices with lesion, and
    the file's SHA-256.
    """
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{scan.row.file}.partial"
    with partial.open("wb") as stream:
        np.savez_compressed(stream, image=scan.image, lungs=scan.lungs, lesions=scan.lesions)
    sha256 = file_sha256(partial)
    partial.replace(folder / scan.row.file)
    return replace(
        scan.row,
        lung_slices=count_slices(scan.lungs),
        lesion_slices=count_slices(scan.lesions),
        file_sha256=sha256,
    )


def spacing_text(volume: Volume) -> str:
    """`spacing_mm` of an axial scan."""
    if not volume.spacing_is_real:
        return ""
    return "x".join(f"{mm:.4g}" for mm in volume.spacing_mm)


def count_slices(mask: np.ndarray) -> int:
    """Slices of a mask (D, S, S) with at least one voxel in it."""
    return int(mask.any(axis=(1, 2)).sum())


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def load_prepared(folder: Path, row: IndexRow) -> PreparedScan:
    """Read one scan's frames and masks. Raises: DatasetError where the file is missing or odd."""
    path = folder / row.file
    if not path.is_file():
        raise DatasetError(f"{path} of scan {row.scan_id} is missing", remedy="Prepare it again")
    try:
        with path.open("rb") as stream, np.load(stream) as stored:
            scan = PreparedScan(row, stored["image"], stored["lungs"], stored["lesions"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(
            f"{path} of scan {row.scan_id} is damaged: {error}", remedy="Prepare it again"
        ) from error
    if not scan.image.shape == scan.lungs.shape == scan.lesions.shape:
        raise DatasetError(
            f"{path} has image {scan.image.shape}, lungs {scan.lungs.shape}, "
            f"lesions {scan.lesions.shape}",
            expected="equal shapes",
            remedy="Prepare it again",
        )
    return scan
