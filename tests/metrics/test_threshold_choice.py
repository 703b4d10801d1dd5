"""Thresholds for scans: by hand, optimal among all, and never judged where they were chosen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundglass.errors import InputError, SettingsError
from groundglass.metrics.overlap import Confusion
from groundglass.metrics.scored_cases import ScoredCases
from groundglass.metrics.threshold_choice import choose_by_sensitivity, choose_by_youden

VALIDATION = ScoredCases.of(
    [0.9, 0.8, 0.6, 0.5, 0.3, 0.1], [1, 1, 0, 1, 0, 0], ["a", "b", "c", "d", "e", "f"]
)

cases_of_both = st.lists(
    st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=25
).filter(lambda pairs: len({label for _, label in pairs}) == 2)


def made(pairs: list[tuple[int, bool]]) -> ScoredCases:
    return ScoredCases.of([float(s) for s, _ in pairs], [y for _, y in pairs])


def rates(cases: ScoredCases, threshold: float) -> tuple[float, float]:
    counts = cases.confusion(threshold)
    assert counts.recall is not None
    assert counts.specificity is not None
    return counts.recall, counts.specificity


def test_youden_by_hand() -> None:
    # From 0.8: 2/3 + 3/3. From 0.5: 3/3 + 2/3. Equal, so the sensitive one, halfway to 0.3.
    found = choose_by_youden(VALIDATION)
    assert found.threshold == pytest.approx(0.4)
    assert (found.sensitivity, found.specificity) == (1.0, pytest.approx(2 / 3))
    assert found.youden == pytest.approx(2 / 3)
    assert (found.rule, found.wanted_sensitivity) == ("youden", None)
    assert found.chosen_on == frozenset("abcdef")


@pytest.mark.parametrize(
    ("wanted", "threshold", "specificity"),
    [(0.3, 0.85, 1.0), (1 / 3, 0.85, 1.0), (0.34, 0.7, 1.0), (1.0, 0.4, 2 / 3)],
)
def test_wanted_sensitivity_by_hand(wanted: float, threshold: float, specificity: float) -> None:
    found = choose_by_sensitivity(VALIDATION, wanted)
    assert found.threshold == pytest.approx(threshold)
    assert found.sensitivity >= wanted - 1e-9
    assert found.specificity == pytest.approx(specificity)
    assert found.wanted_sensitivity == wanted


@settings(deadline=None, max_examples=50)
@given(cases_of_both)
def test_no_other_threshold_is_better_by_youden(pairs: list[tuple[int, bool]]) -> None:
    cases = made(pairs)
    found = choose_by_youden(cases)
    assert rates(cases, found.threshold) == pytest.approx((found.sensitivity, found.specificity))
    best = max(sum(rates(cases, t)) for t in [*cases.scores, 99.0])
    assert found.sensitivity + found.specificity == pytest.approx(best)


@settings(deadline=None, max_examples=50)
@given(cases_of_both, st.floats(0.01, 1.0))
def test_none_stricter_reaches_the_sensitivity(
    pairs: list[tuple[int, bool]], wanted: float
) -> None:
    cases = made(pairs)
    found = choose_by_sensitivity(cases, wanted)
    assert rates(cases, found.threshold) == pytest.approx((found.sensitivity, found.specificity))
    assert found.sensitivity >= wanted - 1e-9
    for stricter in cases.scores[cases.scores > found.threshold]:
        sensitivity, specificity = rates(cases, float(stricter))
        assert sensitivity < wanted or specificity <= found.specificity


def test_scores_that_rank_nothing_call_every_case() -> None:
    for scores in ([2.0, 2.0, 2.0], [0.0, 1.0, 2.0]):  # all alike, and the wrong way round
        found = choose_by_youden(ScoredCases.of(scores, [1, 0, 0]))
        assert (found.sensitivity, found.specificity, found.youden) == (1.0, 0.0, 0.0)
        assert found.threshold == scores[0]


def test_neighboring_numbers_are_parted() -> None:
    low, high = 1.0, float(np.nextafter(1.0, 2.0))
    found = choose_by_youden(ScoredCases.of([high, low], [1, 0]))
    assert found.threshold == high
    huge = ScoredCases.of([1.7e308, -1.7e308], [1, 0])
    assert choose_by_youden(huge).threshold == 0.0


def test_other_patients_are_judged() -> None:
    test = ScoredCases.of([0.45, 0.35, 0.2], [1, 1, 0], ["x", "y", "z"])
    found = choose_by_youden(VALIDATION).judge(test, draws=20)
    assert found.threshold == pytest.approx(0.4)
    assert found.counts == Confusion(tp=1, fn=1, tn=1)


def test_a_patient_it_was_chosen_on_is_refused() -> None:
    test = ScoredCases.of([0.45, 0.35], [1, 0], ["x", "d"])
    with pytest.raises(InputError, match=r"tested on: d; .* Choose it on the validation side"):
        choose_by_youden(VALIDATION).judge(test)


def test_what_gives_no_threshold_is_refused() -> None:
    alone = ScoredCases.of([1.0, 2.0], [0, 0])
    with pytest.raises(InputError, match="0 of 2 cases to choose a threshold on are positive"):
        choose_by_youden(alone)
    with pytest.raises(InputError, match="0 of 2 cases"):
        choose_by_sensitivity(alone, 0.9)
    for wanted in (0.0, 1.1, float("nan")):
        with pytest.raises(SettingsError, match="wanted sensitivity is"):
            choose_by_sensitivity(VALIDATION, wanted)
