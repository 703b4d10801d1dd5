"""Lesion by lesion: which ones were found, which were missed, what was invented."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

BOUNDS_ML = (0.1, 1.0, 10.0)
BOUNDS_VOXELS = (10.0, 100.0, 1000.0)
"""Where size classes begin, where voxels have a volume and where they do not."""


@dataclass(frozen=True)
class Lesion:
    """One 26-connected part of a mask; `hit`: it shares a voxel with the other mask."""

    voxels: int
    hit: bool


@dataclass(frozen=True)
class LesionPairs:
    """All lesions of the reference and of the prediction of one case."""

    reference: tuple[Lesion, ...]
    predicted: tuple[Lesion, ...]


@dataclass(frozen=True)
class LesionCounts:
    """`missed` of `reference` and `false` of `predicted` lesions."""

    reference: int = 0
    detected: int = 0
    predicted: int = 0
    false: int = 0

    @property
    def missed(self) -> int:
        return self.reference - self.detected

    @property
    def recall(self) -> float | None:
        """Detected of the reference's lesions; None where it has none."""
        return self.detected / self.reference if self.reference else None

    @property
    def precision(self) -> float | None:
        """Predicted lesions that are not false; None where none was predicted."""
        return 1 - self.false / self.predicted if self.predicted else None


def pair_lesions(prediction: np.ndarray, reference: np.ndarray) -> LesionPairs:
    """Label both masks and see which lesions touch the other. Shape: two bool (D, H, W)."""
    return LesionPairs(_lesions(reference, prediction), _lesions(prediction, reference))


def _lesions(mask: np.ndarray, other: np.ndarray) -> tuple[Lesion, ...]:
    if not mask.any():
        return ()
    labels = np.empty(mask.shape, dtype=np.int32)
    ndimage.label(mask, structure=np.ones((3, 3, 3), dtype=bool), output=labels)
    sizes = np.bincount(labels[mask])
    hits = np.bincount(labels[mask & other], minlength=len(sizes))
    return tuple(Lesion(int(s), bool(h)) for s, h in zip(sizes[1:], hits[1:], strict=True))


def count_lesions(cases: Sequence[LesionPairs]) -> LesionCounts:
    """Over all cases."""
    true = [one for case in cases for one in case.reference]
    made = [one for case in cases for one in case.predicted]
    return LesionCounts(
        reference=len(true),
        detected=sum(one.hit for one in true),
        predicted=len(made),
        false=sum(not one.hit for one in made),
    )


@dataclass(frozen=True)
class SizeClass:
    """Lesions from `low` up to below `high` (None: no end), in ml or voxels."""

    low: float
    high: float | None
    counts: LesionCounts


def count_by_size(
    cases: Sequence[LesionPairs], voxel_ml: Sequence[float] | None
) -> tuple[SizeClass, ...]:
    """Counts by size: a reference lesion by its own, a predicted one by its own.

    `voxel_ml`: each case's voxel volume; None where some have none: then sizes are in voxels.
    """
    scales = [1.0] * len(cases) if voxel_ml is None else list(voxel_ml)
    bounds = (0.0, *(BOUNDS_VOXELS if voxel_ml is None else BOUNDS_ML))
    classes = []
    for low, high in zip(bounds, (*bounds[1:], None), strict=True):
        within = [
            LesionPairs(
                _between(case.reference, low / scale, None if high is None else high / scale),
                _between(case.predicted, low / scale, None if high is None else high / scale),
            )
            for case, scale in zip(cases, scales, strict=True)
        ]
        classes.append(SizeClass(low, high, count_lesions(within)))
    return tuple(classes)


def _between(lesions: tuple[Lesion, ...], low: float, high: float | None) -> tuple[Lesion, ...]:
    return tuple(
        one for one in lesions if low <= one.voxels and (high is None or one.voxels < high)
    )
