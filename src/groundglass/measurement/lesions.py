"""Connected lesions: how many there are and how large the largest is."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from groundglass.measurement.counts import bounding_box


def lesion_sizes(lesions: np.ndarray) -> np.ndarray:
    """Voxels of every 26-connected lesion, largest first.

    Labels only the box around the lesions: 4 bytes per voxel of that box. Shape: (D, H, W)
    in, (number of lesions,) out.
    """
    box = bounding_box(lesions)
    if box is None:
        return np.zeros(0, dtype=np.int64)
    mask = lesions[box] > 0
    labels = np.empty(mask.shape, dtype=np.int32)
    ndimage.label(mask, structure=np.ones((3, 3, 3), dtype=bool), output=labels)
    sizes = np.bincount(labels[mask])[1:]
    return np.sort(sizes)[::-1]


def smallest_counted(voxel_ml: float | None, smallest_ml: float, smallest_voxels: int) -> int:
    """Voxels from which a connected lesion is counted; ml matter only where they are known."""
    if voxel_ml is None:
        return max(1, smallest_voxels)
    return max(1, smallest_voxels, math.ceil(smallest_ml / voxel_ml - 1e-9))
