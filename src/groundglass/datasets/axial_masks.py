"""A mask file beside a scan: its labels checked and turned to axial order."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from groundglass.errors import DatasetError, InputError
from groundglass.geometry import AxisOrder, axial_order
from groundglass.io.read import read_mask
from groundglass.volume import Volume


def read_axial_mask(
    path: Path,
    volume: Volume,
    image: Path,
    *,
    labels: frozenset[int],
    order: AxisOrder | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """A label map in axial order, (D, H, W) like the scan, and its affine in that order.

    It is turned by its own affine, or as `order` says, whatever that affine is. `image` is the
    scan's file, for the message.
    Raises: DatasetError where it cannot be read, holds other labels than `labels`, or has
    another shape than the scan. Whether the affines agree is for the caller to say.
    """
    try:
        values, affine = read_mask(path)
    except InputError as error:
        raise DatasetError(f"{path} cannot be used: {error.problem}") from error
    found = {int(value) for value in np.unique(values)}
    if not found <= labels:
        raise DatasetError(
            f"{path} has labels {sorted(found)}",
            expected=f"only {sorted(labels)}",
            remedy="Check that the file is the mask, not the image",
        )
    order = axial_order(affine) if order is None else order
    mask = np.ascontiguousarray(order.apply(values))
    if mask.shape != volume.shape:
        raise DatasetError(
            f"{path} has shape {mask.shape} and {image} has {volume.shape} (slices, rows, columns)",
            expected="equal shapes",
            remedy="Take both files from the same release of the data set",
        )
    return mask, order.apply_to_affine(affine, values.shape)
