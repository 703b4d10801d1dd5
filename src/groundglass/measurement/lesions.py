"""Connected lesions: how many, how large, where, and what the probability says about each."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from groundglass.measurement.counts import ZONE_NAMES, SliceCounts, bounding_box

_NEIGHBORS = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True)
class ProbabilityCuts:
    """Levels 0..255: voxels that count at the low and the high end of a range; below `unsure`
    a lesion's voxel is low in confidence."""

    low: int
    high: int
    unsure: int


@dataclass(frozen=True)
class LesionTable:
    """Every 26-connected lesion, largest first.

    Shape: all (n,), `center` (n, 3) in voxels of the axial grid. `side` 0 right, 1 left; `zone`
    0 lower to 2 upper, -1 without zones. The last four are None without a probability (0..1).
    """

    voxels: np.ndarray
    side: np.ndarray
    zone: np.ndarray
    center: np.ndarray
    mean_probability: np.ndarray | None = None
    unsure_voxels: np.ndarray | None = None
    voxels_low: np.ndarray | None = None
    voxels_high: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.voxels)


def tabulate_lesions(
    lungs: np.ndarray,
    lesions: np.ndarray,
    counts: SliceCounts,
    *,
    probability: np.ndarray | None = None,
    cuts: ProbabilityCuts | None = None,
) -> LesionTable:
    """Describe the connected lesions inside the lungs of an axial scan.

    Works in the box around what is labeled: 5 bytes per voxel of it, 20 per lesion voxel. The
    high end of a lesion's range: `probability` (uint8) of at least `cuts.low` and connected to
    it; where several lesions share such a region, what it adds is split in proportion to their
    voxels. The low end: its own voxels of at least `cuts.high`.
    """
    inside = (lesions > 0) & (lungs > 0)
    if probability is None or cuts is None:
        reach = inside
    else:
        reach = ((probability >= cuts.low) & (lungs > 0)) | inside
    box = bounding_box(reach) if inside.any() else None
    if box is None:
        none = np.zeros(0, dtype=np.int64)
        measured = (None,) * 4 if probability is None else (none.astype(float), none, none, none)
        return LesionTable(none, none, none, np.zeros((0, 3)), *measured)
    labels = np.empty(inside[box].shape, dtype=np.int32)
    ndimage.label(inside[box], structure=_NEIGHBORS, output=labels)
    flat = np.flatnonzero(labels)
    of = labels.ravel()[flat] - 1
    sizes = np.bincount(of)
    order = np.argsort(-sizes, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    of = rank[of]
    sizes = sizes[order]
    where = np.unravel_index(flat, labels.shape)
    side, zone = _places(of, where[0] + box[0].start, lungs[box].ravel()[flat], counts, len(sizes))
    center = np.stack(
        [np.bincount(of, weights=w) / sizes + b.start for w, b in zip(where, box, strict=True)],
        axis=1,
    )
    if probability is None or cuts is None:
        return LesionTable(sizes, side, zone, center)
    chance = probability[box].ravel()[flat]
    number = len(sizes)
    ndimage.label(reach[box], structure=_NEIGHBORS, output=labels)
    return LesionTable(
        sizes,
        side,
        zone,
        center,
        np.bincount(of, weights=chance) / (255.0 * sizes),
        np.bincount(of[chance < cuts.unsure], minlength=number),
        np.bincount(of[chance >= cuts.high], minlength=number),
        _reached(of, labels, flat, sizes),
    )


def _places(
    of: np.ndarray, slices: np.ndarray, lung: np.ndarray, counts: SliceCounts, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Side and zone that hold most of each lesion. Shape: three (voxels,) in, two (n,) out."""
    zones = [counts.zone_of_slice(s) for s in range(2)]
    missing = np.full(len(counts.lung), -1)
    table = np.stack([missing if z is None else z for z in zones])
    side_of = lung.astype(np.intp) - 1
    key = (of * 2 + side_of) * 4 + table[side_of, slices] + 1
    votes = np.bincount(key, minlength=number * 8).reshape(number, 2, 4)
    side = votes.sum(axis=2).argmax(axis=1)
    own = votes[np.arange(number), side]
    zone = np.where(own[:, 1:].any(axis=1), own[:, 1:].argmax(axis=1), -1)
    return side, zone


def _reached(
    of: np.ndarray, regions: np.ndarray, flat: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """Voxels of each lesion with its part of what its region adds. Shape: (n,) int64."""
    region = np.empty(len(sizes), dtype=np.intp)
    region[of] = regions.ravel()[flat]
    whole = np.zeros(int(regions.max()) + 1, dtype=np.int64)
    for plane in regions:  # slice by slice, for bincount copies its input to 8 bytes each
        found = np.bincount(plane.ravel())
        whole[: len(found)] += found
    lesion = np.bincount(region, weights=sizes, minlength=len(whole))
    added = (whole - lesion)[region]
    return sizes + np.rint(added * sizes / lesion[region]).astype(np.int64)


def smallest_counted(voxel_ml: float | None, smallest_ml: float, smallest_voxels: int) -> int:
    """Voxels from which a connected lesion is counted; ml matter only where they are known."""
    if voxel_ml is None:
        return max(1, smallest_voxels)
    return max(1, smallest_voxels, math.ceil(smallest_ml / voxel_ml - 1e-9))


def zone_name(zone: int) -> str | None:
    """'lower', 'middle' or 'upper'; None without zones."""
    return ZONE_NAMES[zone] if zone >= 0 else None
