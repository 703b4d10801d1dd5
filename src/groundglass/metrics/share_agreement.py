"""Measured against reference shares of an organ: bias, limits of agreement, mean error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from groundglass.errors import InputError
from groundglass.metrics.aggregate import Interval, bootstrap_interval

LIMITS = 1.96
"""Limits of agreement: so many standard deviations around the bias (Bland and Altman 1986)."""


@dataclass(frozen=True)
class SharePair:
    """One scan's involved share, drawn by experts and predicted, of the same lungs; in percent."""

    case_id: str
    group: str
    reference_percent: float
    predicted_percent: float

    @property
    def error(self) -> float:
        """Predicted minus reference, in percentage points."""
        return self.predicted_percent - self.reference_percent


@dataclass(frozen=True)
class ShareAgreement:
    """Of some scans, in percentage points: `bias` is the mean error, `absolute` the mean of the
    errors without their sign, each with a bootstrap interval over patients (None below two);
    `low` and `high` are the limits of agreement, None below two scans.
    """

    count: int
    bias: float
    bias_interval: Interval | None
    absolute: float
    absolute_interval: Interval | None
    low: float | None
    high: float | None


def share_agreement(pairs: Sequence[SharePair], *, seed: int = 0) -> ShareAgreement:
    """How far predicted shares are from the references. Raises: InputError without a scan."""
    if not pairs:
        raise InputError("there is no scan to compare shares of", expected="one or more")
    groups = [pair.group for pair in pairs]
    errors = np.array([pair.error for pair in pairs])
    bias = float(errors.mean())
    spread = None if len(pairs) < 2 else LIMITS * float(errors.std(ddof=1))
    return ShareAgreement(
        count=len(pairs),
        bias=bias,
        bias_interval=bootstrap_interval(pairs, groups, mean_error, seed=seed),
        absolute=float(np.abs(errors).mean()),
        absolute_interval=bootstrap_interval(pairs, groups, mean_absolute_error, seed=seed),
        low=None if spread is None else bias - spread,
        high=None if spread is None else bias + spread,
    )


def mean_error(pairs: Sequence[SharePair]) -> float:
    """A statistic for `bootstrap_interval`."""
    return float(np.mean([pair.error for pair in pairs]))


def mean_absolute_error(pairs: Sequence[SharePair]) -> float:
    """A statistic for `bootstrap_interval`."""
    return float(np.mean([abs(pair.error) for pair in pairs]))
