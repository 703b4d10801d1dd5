"""What a classifier of whole scans said: one score, one label, one patient per case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from groundglass.errors import InputError
from groundglass.metrics.overlap import Confusion

_NAMED = 20
"""Patients that a message names one by one."""


@dataclass(frozen=True)
class Measured:
    """A value, or None with the reason why there is none."""

    value: float | None
    reason: str = ""


@dataclass(frozen=True, eq=False)
class ScoredCases:
    """Cases of a binary task. A higher score speaks for the positive label.

    Scores of different networks (the folds of a study) are no one ranking: pool their confusions,
    not their cases, unless the scores are calibrated probabilities.
    Shape: `scores` (N,) float64, `labels` (N,) bool; `groups` names the patient of each.
    """

    scores: np.ndarray
    labels: np.ndarray
    groups: tuple[str, ...]

    @classmethod
    def of(
        cls,
        scores: Sequence[float] | np.ndarray,
        labels: Sequence[bool] | np.ndarray,
        groups: Sequence[str] | None = None,
    ) -> ScoredCases:
        """Check and keep. Without `groups` each case is a patient of its own.

        `labels`: bool or 0/1.
        Raises: InputError for no case, lengths that differ, a score that is not finite, or a label
        that is not 0 or 1.
        """
        values, truth = np.asarray(scores, dtype=np.float64), np.asarray(labels)
        names = tuple(map(str, range(values.size) if groups is None else groups))
        if values.ndim != 1 or values.shape != truth.shape or len(names) != values.size:
            raise InputError(
                f"scores, labels and groups have shapes {values.shape}, {truth.shape} and "
                f"({len(names)},)",
                expected="one of each per case",
            )
        if not values.size:
            raise InputError("there is no case to judge", expected="one or more")
        if not np.isfinite(values).all():
            at = int(np.flatnonzero(~np.isfinite(values))[0])
            raise InputError(
                f"the score of case {at} (patient {names[at]}) is {values[at]}",
                expected="finite scores",
            )
        if truth.dtype != bool and not np.isin(truth, (0, 1)).all():
            odd = truth[~np.isin(truth, (0, 1))][0]
            raise InputError(f"a label is {odd!r}", expected="0 or 1")
        return cls(values, truth.astype(bool), names)

    @property
    def positives(self) -> int:
        return int(self.labels.sum())

    @property
    def negatives(self) -> int:
        return len(self.labels) - self.positives

    def patients(self, *, positive: bool) -> int:
        """Patients with a case of that label."""
        return len({g for g, y in zip(self.groups, self.labels, strict=True) if y == positive})

    def confusion(self, threshold: float) -> Confusion:
        """Counts of cases when a score of `threshold` or more is called positive."""
        return confusion_of_calls(self.scores >= threshold, self.labels)

    def refuse_patients_of(self, chosen_on: frozenset[str], what: str) -> None:
        """Raises: InputError where a patient here also took part in choosing `what`."""
        shared = sorted(chosen_on & set(self.groups))
        if shared:
            more = f" and {len(shared) - _NAMED} more" if len(shared) > _NAMED else ""
            raise InputError(
                f"the {what} was chosen on patients that it is now tested on: "
                f"{', '.join(shared[:_NAMED])}{more}",
                expected="no patient on both sides",
                remedy="Choose it on the validation side of the fold",
            )


def confusion_of_calls(called: np.ndarray, labels: np.ndarray) -> Confusion:
    """Counts of cases. Shape: two (N,) bool."""
    tp = int((called & labels).sum())
    fp, fn = int(called.sum()) - tp, int(labels.sum()) - tp
    return Confusion(tp, fp, fn, len(labels) - tp - fp - fn)
