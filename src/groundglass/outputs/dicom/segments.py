"""The segments that DICOM objects speak of: names, codes, colors, and which voxels they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from groundglass.labels import LEFT_LUNG, LESION, RIGHT_LUNG

Coded = tuple[str, str, str]
"""Code value, coding scheme, meaning."""

ANATOMICAL: Coded = ("91723000", "SCT", "Anatomical Structure")
ABNORMAL: Coded = ("49755003", "SCT", "Morphologically Abnormal Structure")
RIGHT_LUNG_CODE: Coded = ("3341006", "SCT", "Right lung")
LEFT_LUNG_CODE: Coded = ("44029006", "SCT", "Left lung")
LUNG_CODE: Coded = ("39607008", "SCT", "Lung")
LESION_CODE: Coded = ("52988006", "SCT", "Lesion")


@dataclass(frozen=True)
class Segment:
    """One segment. `role`: which network found it. `site`: where it is, of a lesion.

    `value`: its number in that network's mask (`groundglass.labels`). `rgb`: what it is shown in;
    the colors are those of the report.
    """

    name: str
    label: str
    role: str
    value: int
    category: Coded
    kind: Coded
    site: Coded | None
    rgb: tuple[int, int, int]

    def of(self, lungs: np.ndarray, lesions: np.ndarray) -> np.ndarray:
        """Which voxels of these masks (any shape) belong to it: bool of that shape."""
        return (lungs if self.role == "lungs" else lesions) == self.value


SEGMENTS = (
    Segment("right_lung", "Right lung", "lungs", RIGHT_LUNG, ANATOMICAL, RIGHT_LUNG_CODE, None,
            (37, 99, 168)),
    Segment("left_lung", "Left lung", "lungs", LEFT_LUNG, ANATOMICAL, LEFT_LUNG_CODE, None,
            (122, 81, 149)),
    Segment("lesion", "Lesion", "lesions", LESION, ABNORMAL, LESION_CODE, LUNG_CODE,
            (251, 139, 75)),
)  # fmt: skip


def present_in(
    lungs: np.ndarray, lesions: np.ndarray, planes: Sequence[int]
) -> dict[str, np.ndarray]:
    """For every segment that has voxels in these planes (along axis 0): in which of them.

    Shape: masks (D, H, W); each value (len(planes),) bool. A segment that is nowhere is left out.
    """
    out = {}
    for segment in SEGMENTS:
        found = np.array([bool(segment.of(lungs[d], lesions[d]).any()) for d in planes], dtype=bool)
        if found.any():
            out[segment.name] = found
    return out
