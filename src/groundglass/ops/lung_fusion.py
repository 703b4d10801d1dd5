"""The network's lungs joined with what HU prove to be aerated lung.

A network can miss lung on a scanner it never saw; a threshold in HU cannot, but it is blind to
consolidation. Where intensities are HU, each covers the other's weakness.
"""

from __future__ import annotations

import numpy as np

from groundglass.ops.threshold_lungs import threshold_lungs

_WORTH_SAYING = 0.1
"""Share of the aerated lung missed by the network from which on the reader is told."""
_LARGEST_LUNGS_ML = 12_000.0


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
