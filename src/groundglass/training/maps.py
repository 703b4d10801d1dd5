"""Maps of one value per pixel that a run made for prepared scans: predicted lungs, probabilities.

One compressed .npz per scan in a folder, uint8 on the frames' grid, written whole or not at all.
"""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from groundglass.datasets.index import PreparedScan
from groundglass.errors import DatasetError


def save_map(folder: Path, scan_id: str, values: np.ndarray) -> None:
    """Write `folder`/`scan_id`.npz. Shape: (D, S, S) uint8. Raises: DatasetError on others."""
    if values.dtype != np.uint8:
        raise DatasetError(f"map of scan {scan_id} is {values.dtype}", expected="uint8")
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{scan_id}.partial"
    with partial.open("wb") as stream:
        np.savez_compressed(stream, values=values)
    partial.replace(folder / f"{scan_id}.npz")


def load_map(folder: Path, scan: PreparedScan) -> np.ndarray:
    """Read the map of a whole scan; for a scan reduced to some slices, those slices of it.

    Shape: (D, S, S) uint8. Raises: DatasetError where it is missing, damaged or does not fit.
    """
    path = folder / f"{scan.row.scan_id}.npz"
    if not path.is_file():
        raise DatasetError(
            f"{folder} has no map of scan {scan.row.scan_id}",
            expected=f"{path.name}, predicted for every scan that is trained on",
        )
    try:
        with path.open("rb") as stream, np.load(stream) as stored:
            values = stored["values"]
    except (OSError, EOFError, ValueError, TypeError, KeyError, BadZipFile) as error:
        raise DatasetError(f"map {path} cannot be read: {error}") from error
    whole = (scan.row.slices, *scan.image.shape[1:])
    if scan.slices is None:
        whole = scan.image.shape
    if values.shape != whole or values.dtype != np.uint8:
        raise DatasetError(
            f"{path} is {values.dtype} of shape {values.shape}",
            expected=f"uint8 of {whole}, as the scan",
        )
    return values if scan.slices is None else values[scan.slices]
