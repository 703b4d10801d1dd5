"""MosMedData's published layout, small: a spreadsheet, graded folders of HU NIfTI, masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from openpyxl import Workbook

from groundglass.io.phantom_mark import HEADER_NOTE, MARKER

SHAPE = (8, 64, 64)
SPACING_MM = (8.0, 5.0, 5.0)
HEAD = ("study_id", "category", "study_file", "mask_file")

Row = tuple[object, ...]


def chest(seed: int = 0) -> np.ndarray:
    """Axial HU (8, 64, 64): a body with two lungs, closed above and below; slice 0 is air."""
    rng = np.random.default_rng(seed)
    image = np.full(SHAPE, -1000)
    image[1:, 8:56, 4:60] = 40
    image[2:7, 16:46, 9:27] = image[2:7, 16:46, 37:55] = -850
    image[3:6, 20:26, 12:18] = -500  # ground glass
    return (image + rng.normal(0, 5, SHAPE)).round().astype(np.int16)


def lesion() -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[3:6, 20:26, 12:18] = 1
    return mask


def save(path: Path, array: np.ndarray, orientation: str = "LPS", shift_mm: float = 0.0) -> Path:
    """Write an axial (D, H, W) array so that the file's axes (i, j, k) point as `orientation`.

    In any orientation each voxel is at the same place, moved by `shift_mm` to the left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    affine, data = np.eye(4), array.transpose(2, 1, 0)
    for axis, (letter, usual) in enumerate(zip(orientation, "LPS", strict=True)):
        step = SPACING_MM[2 - axis] * (-1 if axis < 2 else 1)  # in RAS, as NIfTI has it
        affine[axis, axis] = step
        if letter != usual:
            data = np.flip(data, axis)
            affine[axis, axis], affine[axis, 3] = -step, step * (array.shape[2 - axis] - 1)
    affine[0, 3] -= shift_mm
    nib.save(nib.Nifti1Image(np.ascontiguousarray(data), affine), path)
    return path


def row(number: int, grade: str, *, mask: bool = False) -> Row:
    """A line of the registry, with the leading slashes that it is published with."""
    name = f"study_{number:04d}"
    return (
        number,
        grade,
        f"/studies/{grade}/{name}.nii.gz",
        f"/masks/{name}_mask.nii.gz" if mask else None,
    )


def write_registry(
    root: Path, rows: Sequence[Row], *, head: Row = HEAD, title: str = "MosMedData COVID19_1110"
) -> None:
    root.mkdir(parents=True, exist_ok=True)
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = title
    for line in (head, *rows):
        sheet.append(line)
    book.save(root / "dataset_registry.xlsx")


def write_set(root: Path) -> Path:
    """Six studies of all grades but CT-4; two of the three of CT-1 have masks."""
    rows = [
        row(1, "CT-0"),
        row(255, "CT-1", mask=True),
        row(256, "CT-1", mask=True),
        row(305, "CT-1"),
        row(939, "CT-2"),
        row(1064, "CT-3"),
    ]
    write_registry(root, rows)
    for number, (_, _, image, mask) in enumerate(rows):
        save(root / str(image).lstrip("/"), chest(number))
        if mask:
            save(root / str(mask).lstrip("/"), lesion())
    return root


def write_phantom_set(root: Path) -> Path:
    """The same marked as phantoms of seed 12, in the folder and in every header."""
    write_set(root)
    for path in (root / "studies").rglob("*.nii.gz"):
        image = nib.Nifti1Image.from_filename(path)
        made = nib.Nifti1Image(np.asarray(image.dataobj), image.affine, image.header)
        made.header["descrip"] = HEADER_NOTE.encode()
        nib.save(made, path)
    (root / MARKER).write_text('{"settings": {"seed": 12}}')
    return root
