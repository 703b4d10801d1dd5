"""The most frequent label and the involved share, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from groundglass.errors import InputError
from groundglass.metrics.baselines import MajorityClass, involved_percent, share_cases
from groundglass.metrics.classification import COUNT_MEASURES
from groundglass.metrics.overlap import Confusion
from groundglass.metrics.ranking import auroc
from groundglass.metrics.threshold_choice import choose_by_youden


def test_the_majority_is_that_of_the_training_side() -> None:
    majority = MajorityClass.of([0, 0, 0, 1])
    assert majority == MajorityClass(label=False, share=0.75)
    counts = majority.counts([1, 1, 0])  # where it is the minority
    assert counts == Confusion(fn=2, tn=1)
    assert COUNT_MEASURES["accuracy"](counts).value == pytest.approx(1 / 3)
    assert COUNT_MEASURES["balanced_accuracy"](counts).value == 0.5
    assert MajorityClass.of([True, True, False]).counts([1, 0]) == Confusion(tp=1, fp=1)
    assert MajorityClass.of([1, 0]) == MajorityClass(label=True, share=0.5)


@pytest.mark.parametrize(
    ("labels", "message"),
    [([], r"shape \(0,\)"), ([[1]], r"shape \(1, 1\)"), ([1, 2], "other values than 0 and 1")],
)
def test_labels_that_are_none_are_refused(labels: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        MajorityClass.of(labels)


def test_involved_share_by_hand() -> None:
    lungs, lesions = np.zeros((1, 2, 4), np.uint8), np.zeros((1, 2, 4), np.uint8)
    assert involved_percent(lungs, lesions) is None
    lungs[0, 0] = 1
    assert involved_percent(lungs, lesions) == 0.0
    lesions[0, 0, 0] = 1
    assert involved_percent(lungs, lesions) == 25.0
    lesions[0, 1, 0] = 1  # dense, and so left out of lungs found by density
    assert involved_percent(lungs, lesions) == 40.0
    assert involved_percent(lesions, lesions) == 100.0
    with pytest.raises(InputError, match=r"shape \(2, 4\); expected that of the lungs, \(1, 2, 4"):
        involved_percent(lungs, lesions[0])


def test_the_rule_by_share_end_to_end() -> None:
    train = share_cases([2.0, 8.0, 30.0, 50.0], [0, 0, 1, 1], ["a", "b", "c", "d"])
    rule = choose_by_youden(train)
    assert rule.threshold == pytest.approx(19.0)
    test = share_cases([18.0, 20.0, 60.0], [1, 0, 1], ["e", "f", "g"])
    assert rule.judge(test, draws=10).counts == Confusion(tp=1, fp=1, fn=1)
    assert auroc(test).value == 0.5


def test_a_scan_without_a_share_is_named() -> None:
    with pytest.raises(InputError, match=r"scans of b have no involved share, .* Leave them out"):
        share_cases([1.0, None], [0, 1], ["a", "b"])
    with pytest.raises(InputError, match="p19 and 1 more"):
        share_cases([None] * 21, [0] * 21, [f"p{i:02d}" for i in range(21)])
    with pytest.raises(InputError, match="one of each per case"):
        share_cases([1.0, 2.0], [0, 1], ["a"])
