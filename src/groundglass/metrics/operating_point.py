"""The threshold that is best for Dice, chosen so that no patient is judged by its own choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from groundglass.metrics.calibration import LOGIT_BINS, LOGIT_LIMIT, LogitHistogram

_THRESHOLDS = tuple(round(0.02 * step, 2) for step in range(5, 46))


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold on the calibrated probability, chosen for pooled Dice out of fold.

    `dice_left_out`: each patient judged at the threshold that is best for the others, so the
    choice has not seen it. `dice_at_half` needs no choice. `range_left_out`: lowest and highest
    threshold so chosen. `dice_by_threshold`: what any other threshold would give.
    """

    threshold: float
    dice: float
    dice_left_out: float
    dice_at_half: float
    range_left_out: tuple[float, float]
    dice_by_threshold: dict[str, float]


def operating_point(
    patients: Mapping[str, LogitHistogram], outside: Mapping[str, int], *, temperature: float
) -> OperatingPoint:
    """The threshold that is best for pooled Dice. `outside`: lesion pixels beyond the lungs shown,
    missed at any threshold, per patient.
    """
    centers = -LOGIT_LIMIT + 2 * LOGIT_LIMIT / LOGIT_BINS * (np.arange(LOGIT_BINS) + 0.5)
    probability = expit(centers / temperature)
    counts = {name: _counts(one, probability, outside[name]) for name, one in patients.items()}
    total = sum(counts.values(), np.zeros((len(_THRESHOLDS), 3)))
    best = int(np.argmax(_dice(total)))
    left_out = np.zeros(3)
    chosen = []
    for one in counts.values():
        pick = int(np.argmax(_dice(total - one)))
        chosen.append(_THRESHOLDS[pick])
        left_out += one[pick]
    half = _THRESHOLDS.index(0.5)
    return OperatingPoint(
        threshold=_THRESHOLDS[best],
        dice=float(_dice(total)[best]),
        dice_left_out=float(_dice(left_out[None])[0]),
        dice_at_half=float(_dice(total)[half]),
        range_left_out=(min(chosen), max(chosen)),
        dice_by_threshold={
            f"{threshold:.2f}": round(float(dice), 4)
            for threshold, dice in zip(_THRESHOLDS, _dice(total), strict=True)
        },
    )


def _counts(one: LogitHistogram, probability: np.ndarray, outside: int) -> np.ndarray:
    """Shape: (thresholds, 3): true positives, predicted, reference pixels."""
    negative, positive = one.counts
    rows = []
    for threshold in _THRESHOLDS:
        called = probability >= threshold
        hits = int(positive[called].sum())
        rows.append((hits, hits + int(negative[called].sum()), one.positives + outside))
    return np.array(rows, dtype=np.float64)


def _dice(counts: np.ndarray) -> np.ndarray:
    return 2 * counts[:, 0] / np.maximum(counts[:, 1] + counts[:, 2], 1)
