"""Measures of a binary task by hand; what is undefined is None and says why."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundglass.metrics.classification import COUNT_MEASURES, score_classification
from groundglass.metrics.overlap import Confusion
from groundglass.metrics.scored_cases import Measured, ScoredCases

COUNTS = Confusion(tp=6, fp=2, fn=4, tn=28)


def values(counts: Confusion) -> dict[str, float | None]:
    return {name: measure(counts).value for name, measure in COUNT_MEASURES.items()}


def test_measures_by_hand() -> None:
    assert values(COUNTS) == {
        "sensitivity": pytest.approx(0.6),
        "specificity": pytest.approx(28 / 30),
        "precision": pytest.approx(0.75),
        "accuracy": pytest.approx(0.85),
        "balanced_accuracy": pytest.approx((0.6 + 28 / 30) / 2),
        "f1": pytest.approx(2 * 0.75 * 0.6 / 1.35),
        "sensitivity_specificity_hmean": pytest.approx(2 * 0.6 * (28 / 30) / (0.6 + 28 / 30)),
    }


@pytest.mark.parametrize(
    ("counts", "undefined"),
    [
        (
            Confusion(tn=3, fp=1),
            {
                "sensitivity": "no case is positive",
                "f1": "no case is positive",
                "balanced_accuracy": "no case is positive",
                "sensitivity_specificity_hmean": "no case is positive",
            },
        ),
        (
            Confusion(tp=3, fn=1),
            {
                "specificity": "no case is negative",
                "balanced_accuracy": "no case is negative",
                "sensitivity_specificity_hmean": "no case is negative",
            },
        ),
        (Confusion(fn=2, tn=5), {"precision": "no case was called positive"}),
        (
            Confusion(),
            {
                "sensitivity": "no case is positive",
                "specificity": "no case is negative",
                "precision": "no case was called positive",
                "accuracy": "there is no case",
                "f1": "no case is positive",
                "balanced_accuracy": "no case is positive; no case is negative",
                "sensitivity_specificity_hmean": "no case is positive; no case is negative",
            },
        ),
    ],
)
def test_what_is_undefined_says_why(counts: Confusion, undefined: dict[str, str]) -> None:
    found = {name: measure(counts) for name, measure in COUNT_MEASURES.items()}
    assert {n: one.reason for n, one in found.items() if one.value is None} == undefined
    assert all(one.reason == "" for one in found.values() if one.value is not None)


def test_calling_none_has_an_f1_of_0_and_calling_wrong_a_mean_of_0() -> None:
    assert COUNT_MEASURES["f1"](Confusion(fn=2, tn=5)) == Measured(0.0)
    assert COUNT_MEASURES["sensitivity_specificity_hmean"](Confusion(fn=2, fp=5)).value == 0.0


counts = st.builds(Confusion, *[st.integers(1, 200)] * 4)


@settings(deadline=None, max_examples=50)
@given(counts)
def test_true_f1_and_the_other_mean_are_two_things(one: Confusion) -> None:
    found = values(one)
    p, r, s = found["precision"], found["sensitivity"], found["specificity"]
    assert p is not None
    assert r is not None
    assert s is not None
    assert found["f1"] == pytest.approx(2 / (1 / p + 1 / r))
    assert found["sensitivity_specificity_hmean"] == pytest.approx(2 / (1 / r + 1 / s))
    balanced, hmean = found["balanced_accuracy"], found["sensitivity_specificity_hmean"]
    assert hmean is not None
    assert balanced is not None
    assert hmean <= balanced + 1e-12


@settings(deadline=None, max_examples=50)
@given(counts)
def test_exchanging_the_labels_exchanges_the_measures(one: Confusion) -> None:
    other = values(Confusion(tp=one.tn, fp=one.fn, fn=one.fp, tn=one.tp))
    found = values(one)
    assert other["sensitivity"] == found["specificity"]
    for name in ("accuracy", "balanced_accuracy", "sensitivity_specificity_hmean"):
        assert other[name] == pytest.approx(found[name])


def test_a_constant_answer_has_half_a_balanced_accuracy() -> None:
    assert values(Confusion(tp=80, fp=20))["balanced_accuracy"] == 0.5
    assert values(Confusion(fn=80, tn=20))["balanced_accuracy"] == 0.5


def test_everything_that_is_said_of_a_classifier() -> None:
    cases = ScoredCases.of(
        [0.9, 0.8, 0.35, 0.7, 0.2, 0.1], [1, 1, 1, 0, 0, 0], ["a", "a", "b", "c", "d", "d"]
    )
    found = score_classification(cases, 0.5, draws=50, seed=2)
    assert found.counts == Confusion(tp=2, fp=1, fn=1, tn=2)
    assert found.patients == (2, 2)
    assert found.measures["accuracy"].value == pytest.approx(4 / 6)
    assert found.measures["auroc"].value == pytest.approx(8 / 9)
    assert found.measures["average_precision"].value == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert found.auroc_interval is not None
    assert found.auroc_interval.groups == 4
    assert found.no_interval == ""
    stored = json.loads(json.dumps(found.to_dict()))
    assert stored["counts"] == {"tp": 2, "fp": 1, "fn": 1, "tn": 2}
    assert stored["measures"]["f1"] == {"value": pytest.approx(2 / 3), "reason": ""}
    assert stored["auroc_interval"]["draws"] == 50


def test_a_fold_without_one_label_is_scored_as_far_as_it_goes() -> None:
    found = score_classification(ScoredCases.of([0.9, 0.2], [0, 0]), 0.5)
    assert found.measures["auroc"] == Measured(None, "none of 2 cases is positive")
    assert found.measures["specificity"].value == 0.5
    assert found.auroc_interval is None
    assert found.no_interval.startswith("patients with a positive case: 0")
