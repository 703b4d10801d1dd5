"""Overlap of a predicted mask with a reference: counts of voxels, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from groundglass.errors import InputError, SettingsError

MEASURES = (
    "accuracy",
    "precision",
    "recall",
    "specificity",
    "dice",
    "jaccard",
    "mean_iou",
)
"""Every measure of `Confusion`, in the order of the paper's tables."""


@dataclass(frozen=True)
class Confusion:
    """Voxels that are true positive, false positive, false negative, true negative.

    Confusions add up, so any pooling is a `sum(confusions, Confusion())`.

    Undefined is None, never silently 0 or 1:
    - an empty reference (tp + fn = 0) leaves recall, dice, jaccard and mean_iou undefined, with
      or without false positives: such cases are counted apart;
    - an empty prediction (tp + fp = 0) leaves precision undefined; dice is 0 if the reference
      is not empty;
    - a reference that fills everything (tn + fp = 0) leaves specificity and mean_iou undefined;
    - no voxel at all leaves accuracy undefined.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(
            self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn
        )

    @property
    def voxels(self) -> int:
        return self.tp + self.fp + self.fn + self.tn

    @property
    def reference_voxels(self) -> int:
        return self.tp + self.fn

    @property
    def predicted_voxels(self) -> int:
        return self.tp + self.fp

    @property
    def accuracy(self) -> float | None:
        """(tp + tn) / all."""
        return _share(self.tp + self.tn, self.voxels)

    @property
    def precision(self) -> float | None:
        """tp / (tp + fp)."""
        return _share(self.tp, self.predicted_voxels)

    @property
    def recall(self) -> float | None:
        """tp / (tp + fn); sensitivity."""
        return _share(self.tp, self.reference_voxels)

    @property
    def specificity(self) -> float | None:
        """tn / (tn + fp)."""
        return _share(self.tn, self.tn + self.fp)

    @property
    def dice(self) -> float | None:
        """2 tp / (2 tp + fp + fn) of the foreground; F1 of voxels."""
        if self.reference_voxels == 0:
            return None
        return _share(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def jaccard(self) -> float | None:
        """tp / (tp + fp + fn) of the foreground; dice / (2 - dice)."""
        if self.reference_voxels == 0:
            return None
        return _share(self.tp, self.tp + self.fp + self.fn)

    @property
    def mean_iou(self) -> float | None:
        """Mean of the Jaccard of foreground and background, which CHS-Net's tables show."""
        if self.reference_voxels == 0 or self.tn + self.fp == 0:
            return None
        foreground = self.tp / (self.tp + self.fp + self.fn)
        background = self.tn / (self.tn + self.fp + self.fn)
        return (foreground + background) / 2

    def measure(self, name: str) -> float | None:
        """The measure called `name`, one of `MEASURES`. Raises: SettingsError."""
        if name not in MEASURES:
            raise SettingsError(f"measure {name!r} is unknown", expected=", ".join(MEASURES))
        return getattr(self, name)


def confusion(prediction: np.ndarray, reference: np.ndarray) -> Confusion:
    """Count two masks of equal shape, bool or 0/1. Raises: InputError where they differ."""
    slices = slice_confusions(np.asarray(prediction)[None], np.asarray(reference)[None])
    return slices[0]


def slice_confusions(prediction: np.ndarray, reference: np.ndarray) -> tuple[Confusion, ...]:
    """One confusion for each index of the first axis.

    Shape: two masks (D, ...), bool or 0/1. Raises: InputError where shapes or values do not fit.
    """
    a, b = _as_mask(prediction, "prediction"), _as_mask(reference, "reference")
    if a.shape != b.shape:
        raise InputError(
            f"prediction has shape {a.shape[1:]} and reference {b.shape[1:]}"
            if a.shape[:1] == b.shape[:1]
            else f"prediction has shape {a.shape} and reference {b.shape}",
            expected="equal shapes",
            remedy="Bring both onto one grid first",
        )
    axes = tuple(range(1, a.ndim))
    both = np.count_nonzero(a & b, axis=axes)
    predicted, true = np.count_nonzero(a, axis=axes), np.count_nonzero(b, axis=axes)
    size = int(np.prod(a.shape[1:], dtype=np.int64))
    return tuple(
        Confusion(int(tp), int(p - tp), int(t - tp), int(size - p - t + tp))
        for tp, p, t in zip(
            np.atleast_1d(both), np.atleast_1d(predicted), np.atleast_1d(true), strict=True
        )
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _as_mask(values: np.ndarray, name: str) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype == bool:
        return array
    if array.size and not ((array == 0) | (array == 1)).all():
        raise InputError(
            f"{name} has values {array.min()} to {array.max()}",
            expected="a mask of 0 and 1",
            remedy="Compare it with the label or threshold that is meant",
        )
    return array.astype(bool)
