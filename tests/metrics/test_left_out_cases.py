"""Each patient judged by what the others chose, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from groundglass.metrics.calibration import LogitHistogram, Reliability
from groundglass.metrics.case_calibration import CASE_BINS, fit_case_temperature
from groundglass.metrics.left_out_cases import LeftOutCases
from groundglass.metrics.overlap import Confusion
from groundglass.metrics.scored_cases import ScoredCases
from groundglass.metrics.threshold_choice import choose_by_youden


def test_thresholds_come_from_the_others() -> None:
    """Of a, b and c (positive 3, 5, 1) against negative 0, 2, 4: by hand.

    All patients have one case. Without 3: positive 5, 1 and negative 0, 2, 4: Youden is 1/2 + 1 - 1
    at 5 and 1 + 1/3 - 1 at 1; the threshold lies between 5 and 4, and 3 is missed.
    """
    scores = [3.0, 5.0, 1.0, 0.0, 2.0, 4.0]
    cases = ScoredCases.of(scores, [1, 1, 1, 0, 0, 0])
    expected = Confusion()
    for k in range(6):
        others = [n for n in range(6) if n != k]
        chosen = choose_by_youden(
            ScoredCases.of([scores[n] for n in others], [n < 3 for n in others])
        )
        expected += Confusion(
            tp=int(k < 3 and scores[k] >= chosen.threshold),
            fp=int(k >= 3 and scores[k] >= chosen.threshold),
            fn=int(k < 3 and scores[k] < chosen.threshold),
            tn=int(k >= 3 and scores[k] < chosen.threshold),
        )
    found = LeftOutCases.of(cases, choose_by_youden)
    assert found.counts == expected
    assert found.counts.fn >= 1
    assert found.to_dict()["sensitivity"] == expected.tp / 3


def test_scans_of_one_patient_leave_together() -> None:
    cases = ScoredCases.of([9.0, 9.0, 1.0, 0.0, 3.0], [1, 1, 1, 0, 0], ["p", "p", "q", "r", "s"])
    asked: list[tuple[str, ...]] = []

    def choose(others: ScoredCases):
        asked.append(others.groups)
        return choose_by_youden(others)

    LeftOutCases.of(cases, choose)
    assert asked == [
        ("q", "r", "s"),
        ("p", "p", "r", "s"),
        ("p", "p", "q", "s"),
        ("p", "p", "q", "r"),
    ]


def test_reliability_is_the_sum_of_the_parts() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(40) < 0.5
    scores = np.where(labels, 1.0, -1.0) * 2 + 3 * rng.standard_normal(40)
    found = LeftOutCases.of(ScoredCases.of(scores, labels), choose_by_youden)
    assert found.reliability is not None
    assert found.reliability.total == 40
    parts = []
    for k in range(40):
        rest = np.arange(40) != k
        others = ScoredCases.of(scores[rest], labels[rest])
        own = LogitHistogram.of(scores[~rest], labels[~rest])
        temperature = fit_case_temperature(others).temperature
        assert temperature is not None
        parts.append(Reliability.of(own, temperature=temperature, bins=CASE_BINS))
    assert found.reliability.log_loss == pytest.approx(sum(parts[1:], parts[0]).log_loss)


def test_what_cannot_be_chosen_says_why() -> None:
    cases = ScoredCases.of([2.0, 1.0, 0.0], [1, 0, 0], ["only", "b", "c"])
    found = LeftOutCases.of(cases, choose_by_youden)
    assert found.counts is None
    assert found.reliability is None
    assert found.to_dict() == {"reason": found.counts_reason}
    assert found.counts_reason.startswith("without only: 0 of 2 cases")
    alone = LeftOutCases.of(ScoredCases.of([1.0, 2.0], [0, 1], ["a", "a"]), choose_by_youden)
    assert alone.counts_reason == "there is one patient alone"
