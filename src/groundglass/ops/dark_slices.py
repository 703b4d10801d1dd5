"""Which slices of a scan show nothing: the paper's "just black or dark pixels", as a rule."""

from __future__ import annotations

import logging

import numpy as np

from groundglass.intensity import AIR_HU, HIGHEST_HU, Intensity
from groundglass.volume import Volume

log = logging.getLogger(__name__)

DARK_SHARE_OF_RANGE = 0.05
"""A pixel in the lowest 5 % of the domain's range is dark: below -819 HU, below 13 of 255."""

BRIGHT_SHARE = 0.05
"""A slice needs this share of brighter pixels to be kept."""


def dark_slices(array: np.ndarray, intensity: Intensity) -> np.ndarray:
    """Slices with fewer than 5 % of their pixels above the dark level, or with one value only.

    Source: CHS-Net section 4.1: "The CT slices with just black or dark pixels were irrelevant
    and hence filtered out", without a number. Ours: the dark level is a share of the *domain's*
    range, not of the scan's, so that one bright pixel or a scan of air alone does not move it.
    In HU it lies at -819, above air with its noise and below all tissue but lung. A patient's
    body fills far more than 5 % of a slice (a neck of 12 cm in a field of view of 45 cm does
    so), while the bare table, air, padding and black frames stay below.
    Differs: 8-bit slices that were stretched one by one to their own range have no black left,
    whatever they show; there the rule finds flat slices only. An 8-bit window whose lower end
    lies well below -1000 HU shows air as gray, which is kept.
    Shape: (D, H, W) int16 HU or uint8 -> (D,) bool, True where dark.
    """
    low, high = (AIR_HU, HIGHEST_HU) if intensity.domain == "hu" else (0, 255)
    level = low + DARK_SHARE_OF_RANGE * (high - low)
    least = BRIGHT_SHARE * array.shape[1] * array.shape[2]
    return np.array(
        [np.count_nonzero(image > level) < least or image.min() == image.max() for image in array],
        dtype=bool,
    )


def kept_slices(scan_id: str, volume: Volume, marked: np.ndarray) -> np.ndarray:
    """(D,) bool: slices that are not dark, or in which somebody marked something.

    Both what is dropped and what is kept although dark is logged. Shape: `marked` (D, H, W) bool.
    """
    dark = dark_slices(volume.array, volume.intensity)
    kept = dark & marked.any(axis=(1, 2))
    if kept.any():
        log.warning(
            "%s: %d dark slices are marked as lung or infection; kept: %s",
            scan_id,
            kept.sum(),
            ", ".join(map(str, np.flatnonzero(kept))),
        )
    dropped = dark & ~kept
    if dropped.any():
        log.warning(
            "%s: %d of %d slices are dark and dropped: %s",
            scan_id,
            dropped.sum(),
            len(dark),
            ", ".join(map(str, np.flatnonzero(dropped))),
        )
    return ~dropped
