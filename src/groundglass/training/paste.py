"""Lesions of one slice in the lungs of another: few patients become many, and some severe ones."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

MOST_DONORS = 3
"""Slices that lesions are taken from for one training slice, at most."""

_FEWEST_PIXELS = 50
"""Of clear lung, on both sides: the gray of fewer says little."""


@dataclass(frozen=True)
class Donor:
    """A slice to take lesions from, warped to the other's size; of any height in the chest.

    Shape: (H, W) each; `image` uint8, `lungs` and `lesions` 0/1.
    """

    image: np.ndarray
    lungs: np.ndarray
    lesions: np.ndarray


def paste_lesions(
    image: np.ndarray, target: np.ndarray, lungs: np.ndarray, donor: Donor
) -> tuple[np.ndarray, np.ndarray]:
    """The donor's lesions inside `lungs`, as much brighter than clear lung as they were there.

    Nothing changes where no lesion falls inside the lungs, or one of the two has hardly any clear
    lung to compare with. Edges are blended over two pixels.

    Source: Ghiasi et al., Simple Copy-Paste, CVPR 2021, for natural images; with lesions, Zhang et
    al., CarveMix, MICCAI 2021. Differs: gray levels are matched, as every slice is equalized.
    Shape: `image` (H, W) uint8, `target` (H, W) 0..1, `lungs` (H, W) 0/1 -> image and target.
    """
    region = (donor.lesions > 0) & (lungs > 0)
    clear = (lungs > 0) & (target < 0.5)
    donor_clear = (donor.lungs > 0) & (donor.lesions == 0)
    if not region.any() or min(clear.sum(), donor_clear.sum()) < _FEWEST_PIXELS:
        return image, target
    brighter = float(np.median(image[clear])) - float(np.median(donor.image[donor_clear]))
    share = cv2.GaussianBlur(region.astype(np.float32), (0, 0), 0.8)
    mixed = image * (1 - share) + (donor.image.astype(np.float32) + brighter) * share
    return (
        np.clip(np.rint(mixed), 0, 255).astype(np.uint8),
        np.maximum(target, region.astype(target.dtype)),
    )
