"""Whether a probability means what it says, and the one temperature that mends it.

All from histograms of logits by label: memory is bounded, and patients can be added or left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from groundglass.errors import InputError, SettingsError

LOGIT_LIMIT, LOGIT_BINS = 40.0, 4000
"""Logits beyond +-40 count at the end. A bin is 0.02 wide: a probability is off by 0.0025."""
_WIDTH = 2 * LOGIT_LIMIT / LOGIT_BINS
_CENTERS = -LOGIT_LIMIT + _WIDTH * (np.arange(LOGIT_BINS) + 0.5)
_TEMPERATURES, _SUREST = (0.02, 50.0), 17.0


@dataclass(frozen=True, eq=False)
class LogitHistogram:
    """How often each logit came with each label; (2, LOGIT_BINS), background first. `+` adds."""

    counts: np.ndarray

    @classmethod
    def empty(cls) -> LogitHistogram:
        return cls(np.zeros((2, LOGIT_BINS), np.int64))

    @classmethod
    def of(
        cls, logits: np.ndarray, labels: np.ndarray, *, where: np.ndarray | None = None
    ) -> LogitHistogram:
        """Count logits (float) with labels (bool or 0/1) of one shape, `where` alone if given.

        Air around the patient makes any network look calibrated: for lesions count the lungs.
        Raises: InputError where shapes differ, a logit is not finite or a label not 0 or 1.
        """
        logits, labels = np.asarray(logits), np.asarray(labels)
        where = np.ones(logits.shape, bool) if where is None else where
        if not logits.shape == labels.shape == where.shape:
            raise InputError(
                f"labels and selection have shapes {labels.shape} and {where.shape}",
                expected=f"the logits' {logits.shape}",
            )
        logits, labels = logits[where].astype(np.float32, copy=False), labels[where]
        if labels.dtype != bool and not np.isin(labels, (0, 1)).all():
            raise InputError("labels hold other values than 0 and 1", expected="a mask")
        if not np.isfinite(logits).all():
            raise InputError("logits hold values that are not finite", expected="finite numbers")
        index = np.clip((logits + LOGIT_LIMIT) / _WIDTH, 0, LOGIT_BINS - 1).astype(np.int32)
        index += LOGIT_BINS * (labels != 0)
        return cls(np.bincount(index, minlength=2 * LOGIT_BINS).reshape(2, LOGIT_BINS))

    @classmethod
    def of_probabilities(
        cls, probabilities: np.ndarray, labels: np.ndarray, *, where: np.ndarray | None = None
    ) -> LogitHistogram:
        """The same from probabilities in 0..1; float32 holds none beyond logits of -+17.

        Prefer logits: 8 bit has lost the ends. Raises: InputError as `of`, or outside 0..1.
        """
        p = np.asarray(probabilities, dtype=np.float32)
        if p.size and not (p.min() >= 0 and p.max() <= 1):
            raise InputError(f"probabilities span {p.min()} to {p.max()}", expected="0 to 1")
        with np.errstate(divide="ignore"):
            logits = np.clip(logit(p), -_SUREST, _SUREST)
        return cls.of(logits, labels, where=where)

    def __add__(self, other: LogitHistogram) -> LogitHistogram:
        return LogitHistogram(self.counts + other.counts)

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    @property
    def positives(self) -> int:
        return int(self.counts[1].sum())


@dataclass(frozen=True)
class ReliabilityBin:
    """One bin of predicted probability. Both shares are None where nothing fell into it."""

    low: float
    high: float
    count: int
    mean_probability: float | None
    observed_share: float | None


@dataclass(frozen=True, eq=False)
class Reliability:
    """Predicted probability against observed share, in bins of equal width. Add two with `+`.

    Shape: all (bins,), but for the errors, which are sums over pixels.
    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, eqs. 1 to 3.
    Differs: their confidence is that of the class predicted; here it is the probability of the
    class asked about (lesion), so that the curve also shows what lies below one half.
    """

    count: np.ndarray
    probability_sum: np.ndarray
    positives: np.ndarray
    squared_error: float
    log_error: float

    @classmethod
    def of(
        cls, histogram: LogitHistogram, *, temperature: float = 1.0, bins: int = 15
    ) -> Reliability:
        """Of sigmoid(logit / temperature). Raises: SettingsError for a bad number."""
        if not (math.isfinite(temperature) and temperature > 0) or bins < 1:
            raise SettingsError(
                f"reliability has temperature {temperature} and {bins} bins",
                expected="a temperature above 0 and 1 bin or more",
            )
        scaled = _CENTERS / temperature
        p = expit(scaled)
        index = np.minimum((p * bins).astype(int), bins - 1)
        both = histogram.counts.sum(axis=0)
        negative, positive = histogram.counts
        return cls(
            np.bincount(index, weights=both, minlength=bins).astype(np.int64),
            np.bincount(index, weights=both * p, minlength=bins),
            np.bincount(index, weights=positive, minlength=bins).astype(np.int64),
            squared_error=float(negative @ p**2 + positive @ (1 - p) ** 2),
            log_error=_log_error(histogram, 1.0 / temperature),
        )

    def __add__(self, other: Reliability) -> Reliability:
        if len(self.count) != len(other.count):
            raise InputError(f"{len(other.count)} bins are added", expected=str(len(self.count)))
        return Reliability(
            self.count + other.count,
            self.probability_sum + other.probability_sum,
            self.positives + other.positives,
            self.squared_error + other.squared_error,
            self.log_error + other.log_error,
        )

    @property
    def total(self) -> int:
        return int(self.count.sum())

    @property
    def ece(self) -> float | None:
        """Expected calibration error: mean gap of the bins, weighted by count. None if empty."""
        return self._mean(float(np.abs(self.positives - self.probability_sum).sum()))

    @property
    def brier(self) -> float | None:
        """Mean squared difference of probability and label."""
        return self._mean(self.squared_error)

    @property
    def log_loss(self) -> float | None:
        """Mean negative log-likelihood in nats."""
        return self._mean(self.log_error)

    @property
    def mean_probability(self) -> float | None:
        return self._mean(float(self.probability_sum.sum()))

    @property
    def observed_share(self) -> float | None:
        """Share of the class. Far from `mean_probability`, a temperature alone is not enough."""
        return self._mean(float(self.positives.sum()))

    @property
    def bins(self) -> tuple[ReliabilityBin, ...]:
        number = len(self.count)
        return tuple(
            ReliabilityBin(
                low=i / number,
                high=(i + 1) / number,
                count=int(n),
                mean_probability=float(self.probability_sum[i] / n) if n else None,
                observed_share=float(self.positives[i] / n) if n else None,
            )
            for i, n in enumerate(self.count)
        )

    def to_dict(self, *, counted: str = "pixels") -> dict[str, Any]:
        """What a manifest keeps: the number `counted`, the figures, and one row per bin."""
        return {
            counted: self.total,
            "ece": _rounded(self.ece),
            "brier": _rounded(self.brier),
            "log_loss": _rounded(self.log_loss),
            "mean_probability": _rounded(self.mean_probability),
            "observed_share": _rounded(self.observed_share),
            "bins": [
                [b.count, _rounded(b.mean_probability), _rounded(b.observed_share)]
                for b in self.bins
            ],
        }

    def _mean(self, value: float) -> float | None:
        return value / self.total if self.total else None


def fit_temperature(histogram: LogitHistogram) -> float:
    """The T > 0 for which sigmoid(logit / T) has the least log loss.

    Above 1 the network was too sure, below 1 not sure enough. One number moves no probability
    across one half and changes no ranking; it cannot mend a bias (compare `mean_probability`
    with `observed_share`).
    Source: Guo et al. 2017, section 4.2 (temperature scaling).
    Raises: InputError where one label is missing, or where no T in 0.02..50 is best.
    """
    if not 0 < histogram.positives < histogram.total:
        raise InputError(
            f"{histogram.positives} of {histogram.total} pixels are positive",
            expected="some of each label to fit a temperature",
        )
    low, high = (math.log(t) for t in _TEMPERATURES)
    best = minimize_scalar(
        lambda log_t: _log_error(histogram, math.exp(-log_t)) / histogram.total,
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-7},
    )
    found = float(best.x)
    if min(found - low, high - found) < 1e-3:
        raise InputError(
            f"the log loss still falls at temperature {math.exp(found):.3g}",
            expected=f"a least value between {_TEMPERATURES[0]:g} and {_TEMPERATURES[1]:g}",
            remedy="The logits separate the labels perfectly, or not at all; add cases",
        )
    return math.exp(found)


def leave_one_out_temperatures(histograms: Mapping[str, LogitHistogram]) -> dict[str, float]:
    """For each patient, the temperature fitted on all the others.

    For an interval of T, hand the histograms to `metrics.aggregate.bootstrap_interval`.
    Raises: InputError for fewer than two patients, or as `fit_temperature`.
    """
    if len(histograms) < 2:
        raise InputError(f"there are {len(histograms)} patients", expected="two or more")
    whole = sum(histograms.values(), LogitHistogram.empty())
    return {
        name: fit_temperature(LogitHistogram(whole.counts - own.counts))
        for name, own in histograms.items()
    }


def left_out_reliability(
    histograms: Mapping[str, LogitHistogram], *, bins: int = 15
) -> Reliability:
    """Reliability with each patient's temperature fitted on the others alone.

    Raises: InputError as `leave_one_out_temperatures`.
    """
    each = leave_one_out_temperatures(histograms)
    parts = [Reliability.of(histograms[k], temperature=t, bins=bins) for k, t in each.items()]
    return sum(parts[1:], parts[0])


def calibration_record(
    histograms: Mapping[str, LogitHistogram], *, data: str, out_of_fold: bool, bins: int = 15
) -> dict[str, Any]:
    """What `weights pack --calibration` takes, from one histogram per patient.

    `temperature` is fitted on all; `after` is measured on patients it was not fitted on. `data`
    names the pixels; `out_of_fold`: whether the network itself never trained on them.
    Raises: InputError as `fit_temperature` and `leave_one_out_temperatures`.
    """
    whole = sum(histograms.values(), LogitHistogram.empty())
    others = leave_one_out_temperatures(histograms)
    return {
        "temperature": fit_temperature(whole),
        "temperature_leaving_one_out": [min(others.values()), max(others.values())],
        "data": data,
        "cases": len(histograms),
        "out_of_fold": out_of_fold,
        "before": Reliability.of(whole, bins=bins).to_dict(),
        "after": left_out_reliability(histograms, bins=bins).to_dict(),
    }


def _log_error(histogram: LogitHistogram, inverse_temperature: float) -> float:
    z = _CENTERS * inverse_temperature
    return float(
        histogram.counts[1] @ np.logaddexp(0.0, -z) + histogram.counts[0] @ np.logaddexp(0.0, z)
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
