"""The threshold from which a scan is called positive, chosen on patients it is not tested on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from groundglass.errors import InputError, SettingsError
from groundglass.metrics.classification import ClassificationScores, score_classification
from groundglass.metrics.ranking import RocCurve
from groundglass.metrics.scored_cases import ScoredCases

Rule = Literal["youden", "sensitivity"]


@dataclass(frozen=True)
class ThresholdChoice:
    """A threshold, how it was chosen, and what it is worth where it was chosen.

    A score of `threshold` or more is a positive call. `sensitivity` and `specificity` are those of
    the cases it was chosen on, so they flatter it; `judge` gives those of others. `chosen_on`
    names the patients.
    """

    threshold: float
    rule: Rule
    wanted_sensitivity: float | None
    sensitivity: float
    specificity: float
    chosen_on: frozenset[str]

    @property
    def youden(self) -> float:
        """Sensitivity + specificity - 1 where it was chosen; 0 is chance."""
        return self.sensitivity + self.specificity - 1

    def judge(
        self, cases: ScoredCases, *, draws: int = 2000, seed: int = 0
    ) -> ClassificationScores:
        """Scores of cases of other patients at this threshold.

        Raises: InputError naming the patients that it was chosen on and that are among `cases`.
        """
        cases.refuse_patients_of(self.chosen_on, "threshold")
        return score_classification(cases, self.threshold, draws=draws, seed=seed)


def choose_by_youden(validation: ScoredCases) -> ThresholdChoice:
    """The threshold with the highest sensitivity + specificity.

    Of equals, the most sensitive: a scan called by mistake is looked at, a missed one is not.
    Scores that rank no better than chance give the threshold that calls every case, with
    `youden` 0.
    Source: Youden, "Index for rating diagnostic tests", Cancer 1950.
    Raises: InputError where a label is missing.
    """
    curve = _curve(validation)
    # In whole numbers, so that equal is equal.
    index = curve.tp * curve.negatives - curve.fp * curve.positives
    best = int(np.flatnonzero(index == index.max())[-1])
    return _choice(validation, curve, best, "youden", None)


def choose_by_sensitivity(validation: ScoredCases, wanted: float) -> ThresholdChoice:
    """The strictest threshold with at least the wanted sensitivity on these cases.

    New patients reach it only about as often as not, and never more finely than one positive case.
    Raises: InputError where a label is missing; SettingsError for a `wanted` outside 0 to 1.
    """
    if not 0 < wanted <= 1:
        raise SettingsError(
            f"wanted sensitivity is {wanted}", expected="above 0 and at most 1, such as 0.95"
        )
    curve = _curve(validation)
    enough = curve.tp >= wanted * curve.positives * (1 - 1e-12)
    return _choice(validation, curve, int(np.argmax(enough)), "sensitivity", float(wanted))


def _curve(cases: ScoredCases) -> RocCurve:
    if not cases.positives or not cases.negatives:
        raise InputError(
            f"{cases.positives} of {len(cases.labels)} cases to choose a threshold on are positive",
            expected="some of each label",
            remedy="Take more of the training side for validation",
        )
    return RocCurve.of(cases)


def _choice(
    cases: ScoredCases, curve: RocCurve, place: int, rule: Rule, wanted: float | None
) -> ThresholdChoice:
    return ThresholdChoice(
        threshold=_halfway(curve.thresholds, place),
        rule=rule,
        wanted_sensitivity=wanted,
        sensitivity=int(curve.tp[place]) / curve.positives,
        specificity=(curve.negatives - int(curve.fp[place])) / curve.negatives,
        chosen_on=frozenset(cases.groups),
    )


def _halfway(thresholds: np.ndarray, place: int) -> float:
    """Between the score called last and the next lower one: neither is more likely right."""
    called = float(thresholds[place])
    if place + 1 == len(thresholds):
        return called
    below = float(thresholds[place + 1])
    middle = called / 2 + below / 2
    return middle if below < middle <= called else called
