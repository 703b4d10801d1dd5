"""How well scores rank cases, whatever the threshold: ROC curve, AUROC, average precision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from groundglass.metrics.aggregate import Interval, bootstrap_interval
from groundglass.metrics.scored_cases import Measured, ScoredCases

FEWEST_PATIENTS = 2
"""Patients with each label below which a bootstrap over patients has nothing to vary."""


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Cases called positive at each threshold that changes anything, from strict to lenient.

    `thresholds[k]` is the k-th highest distinct score: cases that score it or more are called
    positive, `tp[k]` of them rightly and `fp[k]` wrongly. Equal scores are called together.
    Shape: all (K,), K the number of distinct scores.
    """

    thresholds: np.ndarray
    tp: np.ndarray
    fp: np.ndarray

    @classmethod
    def of(cls, cases: ScoredCases) -> RocCurve:
        distinct, place = np.unique(-cases.scores, return_inverse=True)
        hits = np.bincount(place[cases.labels], minlength=distinct.size)
        every = np.bincount(place, minlength=distinct.size)
        return cls(-distinct, np.cumsum(hits), np.cumsum(every - hits))

    @property
    def positives(self) -> int:
        return int(self.tp[-1])

    @property
    def negatives(self) -> int:
        return int(self.fp[-1])


def auroc(cases: ScoredCases) -> Measured:
    """Area under the ROC curve: the share of pairs in which the positive case scores higher.

    A tie counts one half, so that it equals the Mann-Whitney U over the number of pairs; chance is
    one half. Counted in whole numbers, so no rounding before the last division.
    """
    reason = _one_label(cases)
    if reason:
        return Measured(None, reason)
    curve = RocCurve.of(cases)
    return Measured(_area(np.diff(curve.tp, prepend=0), np.diff(curve.fp, prepend=0)))


def average_precision(cases: ScoredCases) -> Measured:
    """Precision averaged over the steps of recall, by the thresholds that occur; no interpolation.

    Chance is the share of positives. Without a negative case it would be 1 for any scores, so it
    is undefined then as well as without a positive one.
    """
    reason = _one_label(cases)
    if reason:
        return Measured(None, reason)
    curve = RocCurve.of(cases)
    gained = np.diff(curve.tp, prepend=0)
    return Measured(float(gained @ (curve.tp / (curve.tp + curve.fp))) / curve.positives)


def auroc_interval(
    cases: ScoredCases, *, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> Interval | None:
    """Bootstrap percentile interval of the AUROC over patients.

    Stratified: patients are drawn with replacement among those with the same labels (positive,
    negative, or both), as many as there are such, so that both labels are in every draw and the
    interval is for this mix of patients. Equal cases and seed give equal intervals. Where the data
    are ranked without a mistake so is every draw, and both ends are 1: they say less than they
    seem to. None with fewer than two patients with each label; `no_interval` has the reason.
    Raises: SettingsError as `bootstrap_interval`.
    """
    if no_interval(cases):
        return None
    labels: dict[str, set[bool]] = {}
    for group, label in zip(cases.groups, cases.labels, strict=True):
        labels.setdefault(group, set()).add(bool(label))
    distinct, place = np.unique(-cases.scores, return_inverse=True)

    def area(drawn: list[int]) -> float:
        """As `auroc`, without sorting the same scores again in every draw."""
        at, positive = place[drawn], cases.labels[drawn]
        hits, others = (
            np.bincount(at[one], minlength=distinct.size) for one in (positive, ~positive)
        )
        return _area(hits, others)

    return bootstrap_interval(
        range(len(cases.scores)),
        cases.groups,
        area,
        level=level,
        draws=draws,
        seed=seed,
        strata={group: str(sorted(found)) for group, found in labels.items()},
    )


def no_interval(cases: ScoredCases) -> str:
    """Why `auroc_interval` gives none, or ''."""
    for positive, word in ((True, "positive"), (False, "negative")):
        count = cases.patients(positive=positive)
        if count < FEWEST_PATIENTS:
            return f"patients with a {word} case: {count}; an interval needs {FEWEST_PATIENTS}"
    return ""


def _area(hits: np.ndarray, others: np.ndarray) -> float:
    """From the positive and the other cases at each distinct score, the highest first."""
    above = np.cumsum(hits) - hits
    return int(others @ (2 * above + hits)) / (2 * int(hits.sum()) * int(others.sum()))


def _one_label(cases: ScoredCases) -> str:
    if not cases.positives:
        return f"none of {len(cases.labels)} cases is positive"
    if not cases.negatives:
        return f"all of {len(cases.labels)} cases are positive"
    return ""
