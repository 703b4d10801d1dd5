"""Voxel counts slice by slice: the one pass over the masks that all shares come from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from groundglass.errors import GeometryError, InputError
from groundglass.intensity import AIR_HU, HIGHEST_HU
from groundglass.labels import LEFT_LUNG, RIGHT_LUNG
from groundglass.volume import Volume

SIDES = (RIGHT_LUNG, LEFT_LUNG)
ZONE_NAMES = ("lower", "middle", "upper")
"""From the feet to the head, as the slices run."""

Box = tuple[slice, slice, slice]


def checked_masks(
    volume: Volume, lungs: np.ndarray, lesions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Masks as uint8 on the volume's grid; copied only where the type differs.

    Raises: GeometryError where a shape differs, InputError where a label is unknown.
    """
    out = []
    for name, mask, highest in (("lung", lungs, LEFT_LUNG), ("lesion", lesions, 1)):
        if mask.shape != volume.shape:
            raise GeometryError(
                f"{name} mask has shape {mask.shape}", expected=f"the scan's {volume.shape}"
            )
        if mask.dtype.kind not in "bui" or mask.min() < 0 or mask.max() > highest:
            raise InputError(
                f"{name} mask holds {mask.dtype} values {mask.min()} to {mask.max()}",
                expected=f"integers 0 to {highest}",
            )
        out.append(mask.view(np.uint8) if mask.dtype == bool else mask.astype(np.uint8, copy=False))
    return out[0], out[1]


def bounding_box(mask: np.ndarray) -> Box | None:
    """Smallest box of slices around the non-zero voxels of a (D, H, W) array; None if none."""
    plane = np.maximum.reduce(mask, axis=0)
    if not plane.any():
        return None
    rows, columns = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
    in_plane = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    filled = [d for d in range(mask.shape[0]) if mask[d][in_plane].any()]
    return slice(filled[0], filled[-1] + 1), *in_plane


@dataclass(frozen=True)
class SliceCounts:
    """Voxels per slice (foot to head) and lung; lesion voxels are those inside the lung.

    Shape: `lung` and `lesion` (D, 2), columns right and left.
    """

    lung: np.ndarray
    lesion: np.ndarray

    def zone_of_slice(self, side: int) -> np.ndarray | None:
        """0 lower, 1 middle, 2 upper for each slice of a lung's own extent, else -1.

        Thirds of the extent from the lung's lowest to its highest slice. None where the
        lung spans fewer than three slices, for then there are no thirds. Shape: (D,).
        """
        filled = np.flatnonzero(self.lung[:, side])
        if filled.size == 0 or filled[-1] - filled[0] + 1 < 3:
            return None
        extent = filled[-1] - filled[0] + 1
        zones = np.full(len(self.lung), -1)
        zones[filled[0] : filled[-1] + 1] = 3 * np.arange(extent) // extent
        return zones

    def zone_counts(self, side: int) -> list[tuple[int, int]] | None:
        """(lung, lesion) voxels of the lower, middle and upper zone, or None without zones."""
        zones = self.zone_of_slice(side)
        if zones is None:
            return None
        return [
            (int(self.lung[zones == z, side].sum()), int(self.lesion[zones == z, side].sum()))
            for z in range(3)
        ]

    def involvement_percent(self) -> np.ndarray:
        """Lesion share of both lungs per slice; NaN where a slice holds no lung. Shape: (D,)."""
        lung = self.lung.sum(axis=1)
        share = np.full(len(lung), np.nan)
        np.divide(100.0 * self.lesion.sum(axis=1), lung, out=share, where=lung > 0)
        return share


def count_slices(lungs: np.ndarray, lesions: np.ndarray) -> SliceCounts:
    """Count an axial pair of masks, slice by slice. Shape: both (D, H, W), D to the head."""
    lung = np.zeros((lungs.shape[0], 2), dtype=np.int64)
    lesion = np.zeros_like(lung)
    box = bounding_box(lungs)
    if box is None:
        return SliceCounts(lung, lesion)
    for d in range(box[0].start, box[0].stop):
        inside, sick = lungs[d][box[1:]], lesions[d][box[1:]] > 0
        any_sick = sick.any()
        for side, label in enumerate(SIDES):
            this = inside == label
            lung[d, side] = np.count_nonzero(this)
            if any_sick:
                lesion[d, side] = np.count_nonzero(this & sick)
    return SliceCounts(lung, lesion)


def hu_histograms(
    array: np.ndarray, lungs: np.ndarray, lesions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Histograms of the aerated lungs (outside lesions) and of the lesions, one bin per HU.

    Shape: (D, H, W) each, HU int16; out two (HIGHEST_HU - AIR_HU + 1,), bin 0 is AIR_HU.
    """
    bins = HIGHEST_HU - AIR_HU + 1
    both = np.zeros((2, bins), dtype=np.int64)
    box = bounding_box(lungs)
    if box is None:
        return both[0], both[1]
    for d in range(box[0].start, box[0].stop):
        inside = lungs[d][box[1:]] > 0
        values = array[d][box[1:]]
        sick = inside & (lesions[d][box[1:]] > 0)
        both[0] += _histogram(values[inside], bins)
        if sick.any():
            both[1] += _histogram(values[sick], bins)
    return both[0] - both[1], both[1]


def _histogram(values: np.ndarray, bins: int) -> np.ndarray:
    shifted = np.clip(values, AIR_HU, HIGHEST_HU).astype(np.int32) - AIR_HU
    return np.bincount(shifted, minlength=bins)
