"""AUROC and average precision by hand, by their definitions, and as properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from groundglass.metrics.ranking import (
    RocCurve,
    auroc,
    auroc_interval,
    average_precision,
    no_interval,
)
from groundglass.metrics.scored_cases import ScoredCases

# Whole numbers, so that ties are common and maps of them exact.
both_labels = st.lists(
    st.tuples(st.integers(-6, 6), st.booleans()), min_size=2, max_size=30
).filter(lambda pairs: len({label for _, label in pairs}) == 2)


def made(pairs: list[tuple[int, bool]]) -> ScoredCases:
    return ScoredCases.of([float(s) for s, _ in pairs], [y for _, y in pairs])


def by_pairs(cases: ScoredCases) -> float:
    """The definition: of all pairs, those in order, and half of those that tie."""
    positive, negative = cases.scores[cases.labels], cases.scores[~cases.labels]
    difference = positive[:, None] - negative[None]
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


def test_roc_by_hand() -> None:
    curve = RocCurve.of(ScoredCases.of([0.9, 0.4, 0.4, 0.1], [1, 1, 0, 0]))
    assert curve.thresholds.tolist() == [0.9, 0.4, 0.1]
    assert curve.tp.tolist() == [1, 2, 2]
    assert curve.fp.tolist() == [0, 1, 2]
    assert (curve.positives, curve.negatives) == (2, 2)


def test_auroc_by_hand() -> None:
    # Pairs: 0.9 beats both, 0.4 beats 0.1 and ties with 0.4.
    assert auroc(ScoredCases.of([0.9, 0.4, 0.4, 0.1], [1, 1, 0, 0])).value == 3.5 / 4
    assert auroc(ScoredCases.of([3, 2, 1], [1, 0, 0])).value == 1.0
    assert auroc(ScoredCases.of([1, 2, 3], [1, 0, 0])).value == 0.0
    assert auroc(ScoredCases.of([7, 7, 7], [1, 0, 0])).value == 0.5


def test_average_precision_by_hand() -> None:
    # Called first to last: hit 1/1, miss, hit 2/3; each hit is half of the recall.
    found = average_precision(ScoredCases.of([4, 3, 2, 1], [1, 0, 1, 0]))
    assert found.value == pytest.approx((1 + 2 / 3) / 2)
    tied = average_precision(ScoredCases.of([5, 5, 5, 5], [1, 0, 0, 0]))
    assert tied.value == 0.25  # chance: the share of positives
    assert average_precision(ScoredCases.of([2, 1], [1, 0])).value == 1.0


@pytest.mark.parametrize("measure", [auroc, average_precision])
def test_one_label_leaves_nothing_to_rank(measure) -> None:
    found = measure(ScoredCases.of([1, 2], [0, 0]))
    assert (found.value, found.reason) == (None, "none of 2 cases is positive")
    found = measure(ScoredCases.of([1, 2, 3], [1, 1, 1]))
    assert (found.value, found.reason) == (None, "all of 3 cases are positive")


@settings(deadline=None, max_examples=50)
@given(both_labels)
def test_auroc_is_the_mann_whitney_statistic(pairs: list[tuple[int, bool]]) -> None:
    cases = made(pairs)
    found = auroc(cases).value
    assert found == pytest.approx(by_pairs(cases), abs=1e-12)
    u = mannwhitneyu(cases.scores[cases.labels], cases.scores[~cases.labels], method="asymptotic")
    assert found == pytest.approx(u.statistic / (cases.positives * cases.negatives), abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(both_labels)
def test_a_rising_map_changes_no_ranking(pairs: list[tuple[int, bool]]) -> None:
    cases = made(pairs)
    for rising in (lambda s: 3 * s + 7, lambda s: s**3, np.exp):
        mapped = ScoredCases.of(rising(cases.scores), cases.labels)
        assert auroc(mapped).value == auroc(cases).value
        assert average_precision(mapped).value == average_precision(cases).value


@settings(deadline=None, max_examples=50)
@given(both_labels)
def test_turning_scores_or_labels_round_gives_the_complement(
    pairs: list[tuple[int, bool]],
) -> None:
    cases = made(pairs)
    value = auroc(cases).value
    assert value is not None
    assert auroc(ScoredCases.of(-cases.scores, cases.labels)).value == pytest.approx(1 - value)
    assert auroc(ScoredCases.of(cases.scores, ~cases.labels)).value == pytest.approx(1 - value)
    turned = ScoredCases.of(-cases.scores, ~cases.labels)
    assert auroc(turned).value == pytest.approx(value)


@settings(deadline=None, max_examples=50)
@given(both_labels, st.randoms())
def test_order_of_cases_does_not_matter(pairs: list[tuple[int, bool]], random) -> None:
    mixed = pairs.copy()
    random.shuffle(mixed)
    assert auroc(made(mixed)).value == auroc(made(pairs)).value
    assert average_precision(made(mixed)).value == average_precision(made(pairs)).value


@settings(deadline=None, max_examples=50)
@given(both_labels)
def test_average_precision_is_a_sum_over_thresholds(pairs: list[tuple[int, bool]]) -> None:
    cases = made(pairs)
    recall, total = 0.0, 0.0
    for threshold in sorted(set(cases.scores), reverse=True):
        counts = cases.confusion(threshold)
        assert counts.recall is not None
        assert counts.precision is not None
        total += (counts.recall - recall) * counts.precision
        recall = counts.recall
    assert average_precision(cases).value == pytest.approx(total)


@settings(deadline=None, max_examples=50)
@given(both_labels)
def test_agrees_with_scikit_learn(pairs: list[tuple[int, bool]]) -> None:
    oracle = pytest.importorskip("sklearn.metrics")
    cases = made(pairs)
    assert auroc(cases).value == pytest.approx(oracle.roc_auc_score(cases.labels, cases.scores))
    expected = oracle.average_precision_score(cases.labels, cases.scores)
    assert average_precision(cases).value == pytest.approx(expected)


class TestInterval:
    @staticmethod
    def drawn(number: int = 60, *, seed: int = 0) -> ScoredCases:
        rng = np.random.default_rng(seed)
        labels = np.arange(number) % 3 == 0
        return ScoredCases.of(rng.normal(labels * 1.2, 1), labels)

    def test_seeded_and_around_the_value(self) -> None:
        cases = self.drawn()
        one = auroc_interval(cases, draws=300, seed=3)
        assert one is not None
        assert one == auroc_interval(cases, draws=300, seed=3)
        assert one != auroc_interval(cases, draws=300, seed=4)
        value = auroc(cases).value
        assert value is not None
        assert one.low < value < one.high
        assert (one.level, one.draws, one.undefined, one.groups) == (0.95, 300, 0, 60)

    def test_about_as_wide_as_the_formula_says(self) -> None:
        """Hanley & McNeil, Radiology 1982, for the standard error of an AUROC."""
        cases = self.drawn(300, seed=1)
        a, m, n = auroc(cases).value, cases.positives, cases.negatives
        assert a is not None
        q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
        error = np.sqrt((a * (1 - a) + (m - 1) * (q1 - a * a) + (n - 1) * (q2 - a * a)) / (m * n))
        one = auroc_interval(cases, draws=600)
        assert one is not None
        assert one.high - one.low == pytest.approx(2 * 1.96 * error, rel=0.15)

    def test_both_labels_are_in_every_draw(self) -> None:
        """Two positives in forty: drawn freely, one draw in eight would have none."""
        scores = np.r_[[5.0, -5.0], np.linspace(-1, 1, 38)]
        cases = ScoredCases.of(scores, np.arange(40) < 2)
        one = auroc_interval(cases, draws=200)
        assert one is not None
        assert one.undefined == 0
        assert (one.low, one.high) == (0.0, 1.0)

    def test_scans_of_a_patient_are_drawn_together(self) -> None:
        cases = self.drawn(20)
        twice = ScoredCases.of(np.tile(cases.scores, 2), np.tile(cases.labels, 2), cases.groups * 2)
        once, again = auroc_interval(cases, draws=300), auroc_interval(twice, draws=300)
        assert once is not None
        assert again is not None
        assert (again.low, again.high) == pytest.approx((once.low, once.high))
        assert again.groups == 20

    def test_a_patient_with_both_labels_is_drawn_among_such(self) -> None:
        cases = ScoredCases.of(
            [1, 0, 1, 0, 0.4, 0.6], [1, 0, 1, 0, 0, 1], ["a", "a", "b", "b", "c", "d"]
        )
        assert no_interval(cases) == ""
        one = auroc_interval(cases, draws=50)
        assert one is not None
        assert (one.low, one.high) == (1.0, 1.0)  # no mistake in the data, none in any draw

    def test_one_patient_of_a_label_gives_none_with_the_reason(self) -> None:
        cases = ScoredCases.of([1, 2, 0, 1], [1, 1, 0, 0], ["a", "a", "b", "c"])
        assert auroc_interval(cases) is None
        assert no_interval(cases) == "patients with a positive case: 1; an interval needs 2"
        alone = ScoredCases.of([1, 2], [1, 1])
        assert auroc_interval(alone) is None
        assert "patients with a negative case: 0" in no_interval(alone)


@settings(deadline=None, max_examples=25)
@given(both_labels)
def test_an_interval_has_its_ends_in_order_and_range(pairs: list[tuple[int, bool]]) -> None:
    cases = made(pairs)
    assume(not no_interval(cases))
    one = auroc_interval(cases, draws=20)
    assert one is not None
    assert 0 <= one.low <= one.high <= 1
    assert one.undefined == 0
