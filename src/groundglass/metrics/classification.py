"""Measures of a binary task on whole scans, from counts of cases and from their scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from groundglass.metrics.aggregate import Interval
from groundglass.metrics.overlap import Confusion
from groundglass.metrics.ranking import auroc, auroc_interval, average_precision, no_interval
from groundglass.metrics.scored_cases import Measured, ScoredCases

_NO_POSITIVE = "no case is positive"
_NO_NEGATIVE = "no case is negative"
_NO_CALL = "no case was called positive"
_NO_CASE = "there is no case"


def sensitivity(counts: Confusion) -> Measured:
    """tp / (tp + fn), recall: the share of positive cases called positive."""
    return _or_reason(counts.recall, _NO_POSITIVE)


def specificity(counts: Confusion) -> Measured:
    """tn / (tn + fp): the share of negative cases called negative."""
    return _or_reason(counts.specificity, _NO_NEGATIVE)


def precision(counts: Confusion) -> Measured:
    """tp / (tp + fp): the share of the calls that are right."""
    return _or_reason(counts.precision, _NO_CALL)


def accuracy(counts: Confusion) -> Measured:
    """(tp + tn) / all. Says little without that of the majority class beside it."""
    return _or_reason(counts.accuracy, _NO_CASE)


def f1(counts: Confusion) -> Measured:
    """2 tp / (2 tp + fp + fn): the harmonic mean of precision and sensitivity.

    0 where positive cases exist and none is called, though precision is undefined then.
    """
    return _or_reason(counts.dice, _NO_POSITIVE)


def balanced_accuracy(counts: Confusion) -> Measured:
    """(sensitivity + specificity) / 2: one half for any constant answer."""
    return _of_both(counts, lambda a, b: (a + b) / 2)


def sensitivity_specificity_hmean(counts: Confusion) -> Measured:
    """Harmonic mean of sensitivity and specificity; 0 where both are 0.

    It is what CovTANet's Table IV prints under "F1": see `studies.paper_covtanet_checks`.
    """
    return _of_both(counts, lambda a, b: 2 * a * b / (a + b) if a + b else 0.0)


COUNT_MEASURES: Mapping[str, Callable[[Confusion], Measured]] = {
    "sensitivity": sensitivity,
    "specificity": specificity,
    "precision": precision,
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "f1": f1,
    "sensitivity_specificity_hmean": sensitivity_specificity_hmean,
}
"""Every measure that counts of cases have, by name; the definition is the docstring."""


@dataclass(frozen=True)
class ClassificationScores:
    """One classifier on one set of cases, at one threshold.

    `measures` holds those of `COUNT_MEASURES`, then `auroc` and `average_precision`, which know no
    threshold. `patients` counts them with a positive and with a negative case. `auroc_interval` is
    None where `no_interval` says why.
    """

    threshold: float
    counts: Confusion
    patients: tuple[int, int]
    measures: Mapping[str, Measured]
    auroc_interval: Interval | None
    no_interval: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def score_classification(
    cases: ScoredCases, threshold: float, *, draws: int = 2000, seed: int = 0
) -> ClassificationScores:
    """Everything there is to say of a classifier. Score >= `threshold` is a positive call.

    The threshold must come from other patients: `ThresholdChoice.judge` sees to that.
    """
    counts = cases.confusion(threshold)
    return ClassificationScores(
        threshold=float(threshold),
        counts=counts,
        patients=(cases.patients(positive=True), cases.patients(positive=False)),
        measures={
            **{name: measure(counts) for name, measure in COUNT_MEASURES.items()},
            "auroc": auroc(cases),
            "average_precision": average_precision(cases),
        },
        auroc_interval=auroc_interval(cases, draws=draws, seed=seed),
        no_interval=no_interval(cases),
    )


def _or_reason(value: float | None, reason: str) -> Measured:
    return Measured(value, reason if value is None else "")


def _of_both(counts: Confusion, of: Callable[[float, float], float]) -> Measured:
    each = sensitivity(counts), specificity(counts)
    first, second = (one.value for one in each)
    if first is None or second is None:
        return Measured(None, "; ".join(filter(None, (one.reason for one in each))))
    return Measured(of(first, second))
