"""Pooled, per volume and per slice, with empty references apart; bootstrap over patients."""

from __future__ import annotations

import numpy as np
import pytest

from groundglass.errors import InputError, SettingsError
from groundglass.metrics.aggregate import (
    CaseScore,
    EmptyReferences,
    aggregate,
    average,
    bootstrap_interval,
    mean_measure,
    pooled_measure,
    score_case,
)
from groundglass.metrics.overlap import Confusion

# Three volumes of two slices. a: a good and an empty slice; b: a missed one and a perfect one;
# c: no reference at all, one false positive.
A = CaseScore("a", (Confusion(8, 2, 0, 90), Confusion(0, 0, 0, 100)))
B = CaseScore("b", (Confusion(0, 0, 2, 98), Confusion(2, 0, 0, 98)))
C = CaseScore("c", (Confusion(0, 1, 0, 99), Confusion(0, 0, 0, 100)))


def test_three_aggregations_differ_as_they_should() -> None:
    scores = aggregate([A, B, C])
    assert scores.pooled == Confusion(10, 3, 2, 585)
    assert scores.pooled.dice == pytest.approx(20 / 25)
    volumes, slices = scores.per_volume["dice"], scores.per_slice["dice"]
    assert volumes.mean == pytest.approx((16 / 18 + 4 / 6) / 2)
    assert volumes.std == pytest.approx(np.std([16 / 18, 4 / 6], ddof=1))
    assert (volumes.count, volumes.left_out) == (2, 0)
    assert slices.mean == pytest.approx((16 / 18 + 0 + 1) / 3)
    assert slices.count == 3


def test_empty_references_are_counted_apart() -> None:
    scores = aggregate([A, B, C])
    assert scores.empty_volumes == EmptyReferences(1, 0, 1, 200)
    assert scores.empty_slices == EmptyReferences(3, 2, 1, 300)


def test_undefined_cases_are_left_out_and_counted() -> None:
    precision = aggregate([A, B]).per_slice["precision"]
    assert (precision.count, precision.left_out) == (2, 1)  # nothing was predicted in b's first
    assert precision.mean == pytest.approx((0.8 + 1) / 2)


def test_nothing_but_empty_references() -> None:
    scores = aggregate([C])
    assert scores.per_volume["dice"].mean is None
    assert scores.per_volume["dice"].count == 0
    assert scores.pooled.dice is None


def test_averages_of_few() -> None:
    assert average([None, 0.5]).std is None
    assert average([]).mean is None
    with pytest.raises(InputError, match="no case"):
        aggregate([])


def test_score_case_counts_each_slice() -> None:
    prediction, reference = np.zeros((2, 2, 2), bool), np.zeros((2, 2, 2), bool)
    prediction[0, 0], reference[0, :, 0] = True, True
    case = score_case("x", prediction, reference)
    assert case.slices == (Confusion(1, 1, 1, 1), Confusion(0, 0, 0, 4))
    assert case.total == Confusion(1, 1, 1, 5)
    assert case.group == "x"
    assert score_case("x", prediction, reference, group="p").group == "p"


def mean(values: list[float]) -> float:
    return float(np.mean(values))


class TestBootstrap:
    VALUES = (0.1, 0.4, 0.5, 0.7, 0.9, 0.3)
    OWN = ("a", "b", "c", "d", "e", "f")

    def test_seeded(self) -> None:
        one = bootstrap_interval(self.VALUES, self.OWN, mean, draws=300, seed=4)
        assert one == bootstrap_interval(self.VALUES, self.OWN, mean, draws=300, seed=4)
        assert one != bootstrap_interval(self.VALUES, self.OWN, mean, draws=300, seed=5)

    def test_about_the_normal_interval(self) -> None:
        one = bootstrap_interval(self.VALUES, self.OWN, mean)
        assert one is not None
        assert one.groups == 6
        half = 1.96 * np.std(self.VALUES) / np.sqrt(6)
        middle = mean(list(self.VALUES))
        assert one.low == pytest.approx(middle - half, abs=0.04)
        assert one.high == pytest.approx(middle + half, abs=0.04)

    def test_groups_are_drawn_whole(self) -> None:
        """Doubling every value within its patient must not narrow the interval."""
        once = bootstrap_interval(self.VALUES, self.OWN, mean, draws=500)
        twice = bootstrap_interval(self.VALUES * 2, self.OWN * 2, mean, draws=500)
        assert once is not None
        assert twice is not None
        assert (twice.low, twice.high) == pytest.approx((once.low, once.high))

    def test_one_patient_says_nothing(self) -> None:
        assert bootstrap_interval([1.0, 2.0], ["a", "a"], mean) is None

    def test_draws_without_a_value_are_counted(self) -> None:
        one = bootstrap_interval(
            [A, C], ["a", "c"], lambda cases: pooled_measure("dice")(cases), draws=200
        )
        assert one is not None
        assert 20 < one.undefined < 80  # both draws empty: one in four

    def test_strata_are_drawn_by_themselves(self) -> None:
        """Each draw has the two small values and the two large ones as often as the data."""
        values, own = [0.0, 0.0, 1.0, 1.0], ["a", "b", "c", "d"]
        strata = {"a": "low", "b": "low", "c": "high", "d": "high"}
        free = bootstrap_interval(values, own, mean, draws=200)
        bound = bootstrap_interval(values, own, mean, draws=200, strata=strata)
        assert free is not None
        assert bound is not None
        assert free.low < 0.5 < free.high
        assert (bound.low, bound.high, bound.groups) == (0.5, 0.5, 4)

    def test_one_stratum_is_none(self) -> None:
        one = bootstrap_interval(self.VALUES, self.OWN, mean, draws=100, seed=1)
        same = dict.fromkeys(self.OWN, "all")
        assert one == bootstrap_interval(
            self.VALUES, self.OWN, mean, draws=100, seed=1, strata=same
        )

    def test_bad_calls_are_refused(self) -> None:
        with pytest.raises(InputError, match="no stratum is given for b; expected one per group"):
            bootstrap_interval([1.0, 2.0], ["a", "b"], mean, strata={"a": "x"})
        with pytest.raises(InputError, match="2 items and 1 groups"):
            bootstrap_interval([1.0, 2.0], ["a"], mean)
        with pytest.raises(SettingsError, match="level 95"):
            bootstrap_interval([1.0, 2.0], ["a", "b"], mean, level=95)


def test_statistics_of_cases() -> None:
    assert pooled_measure("dice")([A, B, C]) == pytest.approx(20 / 25)
    assert mean_measure("dice")([A, B, C]) == pytest.approx((16 / 18 + 4 / 6) / 2)
