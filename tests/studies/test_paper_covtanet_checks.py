"""What arithmetic says of CovTANet's Table IV, and that it accuses nothing that could be true."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundglass.datasets.class_tasks import TASKS, ClassTask, find_task
from groundglass.metrics.classification import COUNT_MEASURES
from groundglass.metrics.overlap import Confusion
from groundglass.studies.paper_covtanet import (
    FOLDS,
    HALF_DIGIT,
    TABLE_4,
    PaperScore,
    class_size,
    paper_score,
)
from groundglass.studies.paper_covtanet_checks import (
    all_score_faults,
    implied_accuracy,
    implied_f1,
    implied_hmean,
    majority_share,
    positive_share,
    score_faults,
)

FAULTS = all_score_faults()


def checks(key: str, task: str) -> set[str]:
    return {fault.check for fault in FAULTS.get((key, task), ())}


def text(key: str, task: str, check: str) -> str:
    return next(fault.text for fault in FAULTS[key, task] if fault.check == check)


def score_of(key: str, task: str) -> PaperScore:
    score = paper_score(key, task)
    assert score is not None
    return score


def test_seventeen_of_eighteen_f1_are_another_mean() -> None:
    named = [name for name in FAULTS if "f1-is-hmean" in checks(*name)]
    assert len(named) == 17
    assert checks("covtanet", "normal-severe") >= {"f1-unexplained"}
    assert text("covtanet", "mild-severe", "f1-is-hmean") == (
        "With 20.1 % severe scans, F1 is 0.836 to 0.838 if pooled, not 0.921. What is printed is "
        "the harmonic mean of sensitivity and specificity, 0.921 to 0.922."
    )
    assert "0.943 to 0.945 if pooled, not 0.942" in text(
        "covtanet", "normal-severe", "f1-unexplained"
    )


def test_the_rivals_are_below_the_majority_class() -> None:
    assert majority_share(score_of("covtanet", "mild-severe")) == pytest.approx(0.799, abs=5e-4)
    below = {name for name in FAULTS if "accuracy-below-majority" in checks(*name)}
    rivals = {one.key for one in TABLE_4} - {"covtanet"}
    assert below == {(key, task) for key in rivals for task in ("normal-mild", "mild-severe")}
    assert text("resnet-50", "mild-severe", "accuracy-below-majority") == (
        "Accuracy 0.648 is below 0.799, which saying mild of every scan has."
    )


def test_all_accuracies_but_one_are_off_their_rates() -> None:
    fine = {(one.key, one.task.key) for one in TABLE_4} - {
        name for name in FAULTS if "accuracy-off-shares" in checks(*name)
    }
    assert fine == {("densenet121", "normal-mild")}
    outside = {
        name for name, some in FAULTS.items() if any("no share makes it" in f.text for f in some)
    }
    assert len(outside) == 6
    assert ("resnet-50", "mild-severe") in outside
    assert not any(key == "covtanet" for key, _ in outside)


def test_exchanging_the_classes_excuses_none() -> None:
    """Which class counts as positive the paper does not say."""
    for one in TABLE_4:
        other = 1 - positive_share(one)
        for name, span in (
            ("accuracy", implied_accuracy(one, other)),
            ("f1", implied_f1(one, other)),
        ):
            value = one.figures[name]
            assert not span.low - HALF_DIGIT <= value <= span.high + HALF_DIGIT, (one, name)


def test_deviations_are_smaller_than_one_scan_allows() -> None:
    count = sum(fault.grade == "not over folds" for some in FAULTS.values() for fault in some)
    assert count == 31
    assert text("covtanet", "mild-severe", "sensitivity-deviation") == (
        "Sensitivity 0.909 ± 0.0016: of 172 severe scans a fold has 34 or 35, each worth 0.029. "
        "No five of them have this mean and so small a deviation."
    )


def test_implied_figures_by_hand() -> None:
    """172 severe and 684 mild scans; the ends are half a digit away."""
    score = made(find_task("mild-severe"), sensitivity=0.5, specificity=0.75)
    tp, fp = 86, 171
    f1, accuracy = 2 * tp / (2 * tp + fp + 86), (86 + 513) / 856
    for span, value in (
        (implied_f1(score), f1),
        (implied_accuracy(score), accuracy),
        (implied_hmean(score), 0.6),
    ):
        assert span.low < value < span.high
        assert span.high - span.low < 0.0025
    assert implied_f1(score).low == pytest.approx(f1, abs=1e-3)


def made(task: ClassTask, *, spread: float = 0.3, **figures: float) -> PaperScore:
    return PaperScore("x", "X", task, figures, dict.fromkeys(figures, spread))


@st.composite
def five_folds(draw: st.DrawFn) -> tuple[ClassTask, list[Confusion]]:
    """Five folds of the published scans, as even as can be, and a classifier alike in all."""
    task = draw(st.sampled_from(TASKS))
    sizes = [
        [size // FOLDS + (fold < size % FOLDS) for fold in range(FOLDS)]
        for size in (class_size(task.positive), class_size(task.negative))
    ]
    rates = draw(st.tuples(st.floats(0, 1), st.floats(0, 1)))
    folds = []
    for positive, negative in zip(*sizes, strict=True):
        tp, fp = (
            min(max(round(rate * n) + draw(st.integers(-1, 1)), 0), n)
            for rate, n in zip(rates, (positive, negative), strict=True)
        )
        folds.append(Confusion(tp, fp, positive - tp, negative - fp))
    return task, folds


@settings(max_examples=60, deadline=None)
@given(five_folds())
def test_no_pooled_classifier_is_accused_of_more_than_being_bad(
    tested: tuple[ClassTask, list[Confusion]],
) -> None:
    task, folds = tested
    pooled = sum(folds, Confusion())
    figures = {
        name: round(float(COUNT_MEASURES[name](pooled).value or 0.0), 3)
        for name in ("sensitivity", "specificity", "accuracy", "f1")
    }
    assert {f.grade for f in score_faults(made(task, **figures))} <= {"uninformative"}


@settings(max_examples=60, deadline=None)
@given(five_folds(), st.sampled_from([0, 1]))
def test_no_true_mean_and_deviation_over_folds_is_accused(
    tested: tuple[ClassTask, list[Confusion]], freedom: int
) -> None:
    task, folds = tested
    figures, spread = {}, {}
    for name in ("sensitivity", "specificity", "accuracy", "f1"):
        values = [COUNT_MEASURES[name](one).value or 0.0 for one in folds]
        figures[name] = round(float(np.mean(values)), 3)
        spread[name] = round(float(np.std(values, ddof=freedom)), 4)
    score = PaperScore("x", "X", task, figures, spread)
    assert "not over folds" not in {fault.grade for fault in score_faults(score)}
