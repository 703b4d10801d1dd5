"""What temperature and threshold of a classifier are worth where each patient is judged by others'.

The cases that choose both flatter both; with few scans none can be kept apart for a test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from groundglass.errors import InputError
from groundglass.metrics.calibration import Reliability
from groundglass.metrics.case_calibration import fit_case_temperature
from groundglass.metrics.classification import sensitivity, specificity
from groundglass.metrics.overlap import Confusion
from groundglass.metrics.scored_cases import ScoredCases
from groundglass.metrics.threshold_choice import ThresholdChoice

Choose = Callable[[ScoredCases], ThresholdChoice]


@dataclass(frozen=True, eq=False)
class LeftOutCases:
    """Sums over patients, each judged by what the others chose.

    `counts` at the others' thresholds, `reliability` at their temperatures; either is None where
    one patient's others allow no choice, and the reason says so.
    """

    counts: Confusion | None
    counts_reason: str
    reliability: Reliability | None
    reliability_reason: str

    @classmethod
    def of(cls, cases: ScoredCases, choose: Choose) -> LeftOutCases:
        """`choose` is given the cases of all patients but one."""
        sums = _Sums()
        for patient in dict.fromkeys(cases.groups):
            own = np.array([group == patient for group in cases.groups])
            if own.all():
                reason = "there is one patient alone"
                return cls(None, reason, None, reason)
            sums.add(patient, _part(cases, own), _part(cases, ~own), choose)
        return cls(sums.counts, sums.no_counts, sums.reliability, sums.no_reliability)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: what was reached at the others' thresholds."""
        if self.counts is None:
            return {"reason": self.counts_reason}
        return {
            "tp": self.counts.tp,
            "fp": self.counts.fp,
            "fn": self.counts.fn,
            "tn": self.counts.tn,
            "sensitivity": sensitivity(self.counts).value,
            "specificity": specificity(self.counts).value,
        }


@dataclass
class _Sums:
    counts: Confusion | None = field(default_factory=lambda: Confusion(0, 0, 0, 0))
    no_counts: str = ""
    reliability: Reliability | None = None
    no_reliability: str = ""

    def add(self, patient: str, own: ScoredCases, others: ScoredCases, choose: Choose) -> None:
        fitted = fit_case_temperature(others)
        if fitted.temperature is None:
            self.no_reliability = f"without {patient}: {fitted.reason}"
        judged = fitted.judge(own).after
        if self.no_reliability or judged is None:
            self.reliability = None
        else:
            self.reliability = judged if self.reliability is None else self.reliability + judged
        try:
            found = own.confusion(choose(others).threshold)
        except InputError as error:
            self.counts, self.no_counts = None, f"without {patient}: {error.problem}"
            return
        if self.counts is not None:
            self.counts = self.counts + found


def _part(cases: ScoredCases, chosen: np.ndarray) -> ScoredCases:
    groups = tuple(g for g, taken in zip(cases.groups, chosen, strict=True) if taken)
    return ScoredCases(cases.scores[chosen], cases.labels[chosen], groups)
