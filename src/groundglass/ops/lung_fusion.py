"""The network's lungs joined with what HU prove to be aerated lung.

A network can miss lung on a scanner it never saw; a threshold in HU cannot, but it is blind to
consolidation. Where intensities are HU, or can be brought near enough to them, each covers the
other's weakness.
"""

from __future__ import annotations

import numpy as np

from groundglass.intensity import AIR_HU, HIGHEST_HU
from groundglass.ops.components import grow_in_plane
from groundglass.ops.threshold_lungs import threshold_lungs

_WORTH_SAYING = 0.1
"""Share of the aerated lung missed by the network from which on the reader is told."""
_LARGEST_LUNGS_ML = 12_000.0


_LUNG_HU = -870.0
_TISSUE_HU = 20.0
"""What aerated lung and the chest wall around it measure: the two anchors of `estimate_hu`."""
_LEAST_CONTRAST = 40.0
_RING_PIXELS = 6


def estimate_hu(
    values: np.ndarray, network: np.ndarray, window_hu: tuple[float, float] | None
) -> np.ndarray | None:
    """Approximate HU of a plain 8-bit scan: from its window, or from two anchors in the picture.

    The anchors are the lower quartile inside the network's lungs (aerated lung) and the median
    of a ring around them (chest wall, mediastinum). Good enough to tell air from tissue, not to
    measure density; not for equalized images, whose gray levels mean something else in every
    tile.
    Shape: (D, H, W) uint8 and bool -> int16, or None where there is too little contrast or lung.
    """
    if window_hu is not None:
        low, high = window_hu
        table = low + np.arange(256) * (high - low) / 255.0
    else:
        slices = np.flatnonzero(network.any(axis=(1, 2)))[::4]
        inside = network[slices]
        near = grow_in_plane(inside)
        ring = near
        for _ in range(_RING_PIXELS):
            ring = grow_in_plane(ring)
        ring &= ~near
        if not ring.any():
            return None
        lung = float(np.quantile(values[slices][inside], 0.25))
        tissue = float(np.median(values[slices][ring]))
        if tissue - lung < _LEAST_CONTRAST:
            return None
        table = _LUNG_HU + (np.arange(256) - lung) * (_TISSUE_HU - _LUNG_HU) / (tissue - lung)
    return np.clip(np.rint(table), AIR_HU, HIGHEST_HU).astype(np.int16)[values]


def fuse_lungs(
    network: np.ndarray, hu: np.ndarray, spacing_mm: tuple[float, float, float]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Union of the network's mask and the threshold lungs, and notes for the reader.

    Shape: both (D, H, W) in axial order, bool and int16 HU. The threshold is left out where its
    volume cannot be lungs, or where it does not meet the network's mask at all (then it found
    something else, such as bowel gas).
    """
    aerated = threshold_lungs(hu, spacing_mm)
    count = int(aerated.sum())
    volume_ml = count * float(np.prod(spacing_mm)) / 1000.0
    if count == 0 or volume_ml > _LARGEST_LUNGS_ML or not (aerated & network).any():
        return network, ()
    missed = int((aerated & ~network).sum()) / count
    notes: tuple[str, ...] = ()
    if missed > _WORTH_SAYING:
        notes = (
            f"The lung network missed {missed:.0%} of the aerated lung; it was added by its "
            "density. Look at the lung outlines.",
        )
    return network | aerated, notes
