"""A learned classifier's word on one scan: two answers, what carried them, or why it abstains."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class HeadAnswer:
    """One of the two answers: findings against normal, or severe against mild.

    `probability` is sigmoid(`logit` / temperature); it can be believed as one only where
    `is_calibrated`. From `threshold` on the answer is yes; `threshold_rule` says in words how and
    on which scans it was chosen. `slice_weights` sum to one over the slices that were read: how
    much of each went into the answer, not that it is why. `regions` maps a slice to its Grad-CAM on
    the scan's grid, 0 to 1 (1: the strongest place in any slice of this head); only the slices
    with the greatest weights have one.
    Shape: `slice_weights` (K,); each of `regions` (H, W) float32.
    """

    logit: float
    probability: float
    is_calibrated: bool
    threshold: float
    threshold_rule: str
    slice_weights: np.ndarray
    regions: dict[int, np.ndarray] = field(default_factory=dict)

    @property
    def is_yes(self) -> bool:
        return self.probability >= self.threshold


@dataclass(frozen=True, eq=False)
class ScanClassification:
    """Both answers of the classifier `name` on one scan.

    `severity` means nothing where the diagnosis is normal. `slices` are the indices (K,) of those
    it read, along D of the scan in axial order (feet to head), as are the keys of `regions`.
    `abstained`: why its answer must not be used, empty where it may; the numbers are then kept for
    the record alone. `regions_missing`: why there are no maps of regions, or ''.
    """

    name: str
    version: str
    license: str
    trained_on: str
    slices: np.ndarray
    diagnosis: HeadAnswer
    severity: HeadAnswer
    abstained: tuple[str, ...] = ()
    regions_missing: str = ""
