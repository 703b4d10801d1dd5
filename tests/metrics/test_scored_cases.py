"""Scores and labels of whole scans: what is refused, and how they are counted."""

from __future__ import annotations

import numpy as np
import pytest

from groundglass.errors import InputError
from groundglass.metrics.overlap import Confusion
from groundglass.metrics.scored_cases import ScoredCases


def test_counts_by_hand() -> None:
    cases = ScoredCases.of([0.9, 0.4, 0.4, 0.1], [1, 1, 0, 0], ["a", "b", "a", "c"])
    assert (cases.positives, cases.negatives) == (2, 2)
    assert cases.confusion(0.4) == Confusion(tp=2, fp=1, fn=0, tn=1)  # the threshold itself calls
    assert cases.confusion(0.41) == Confusion(tp=1, fp=0, fn=1, tn=2)
    assert cases.confusion(2.0) == Confusion(tp=0, fp=0, fn=2, tn=2)
    assert cases.patients(positive=True) == 2
    assert cases.patients(positive=False) == 2


def test_without_groups_each_case_is_a_patient() -> None:
    assert len(set(ScoredCases.of([1.0, 1.0], [True, False]).groups)) == 2


@pytest.mark.parametrize(
    ("scores", "labels", "groups", "message"),
    [
        ([], [], None, "there is no case"),
        ([1.0], [1, 0], None, r"shapes \(1,\), \(2,\) and \(1,\)"),
        ([1.0, 2.0], [1, 0], ["a"], r"and \(1,\); expected one of each"),
        ([[1.0]], [[1]], None, "expected one of each per case"),
        ([1.0, np.nan], [1, 0], ["a", "b"], r"case 1 \(patient b\) is nan"),
        ([1.0, -np.inf], [1, 0], None, "is -inf; expected finite"),
        ([1.0, 2.0], [1, 2], None, "a label is .*2.*; expected 0 or 1"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    scores: list, labels: list, groups: list[str] | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        ScoredCases.of(scores, labels, groups)


def test_a_patient_on_both_sides_is_named() -> None:
    cases = ScoredCases.of([1.0, 2.0], [1, 0], ["a", "b"])
    cases.refuse_patients_of(frozenset({"c"}), "threshold")
    with pytest.raises(InputError, match=r"the threshold was chosen on patients .*tested on: b;"):
        cases.refuse_patients_of(frozenset({"b", "c"}), "threshold")
    many = ScoredCases.of(np.zeros(25), np.zeros(25), [f"p{i:02d}" for i in range(25)])
    with pytest.raises(InputError, match="p19 and 5 more"):
        many.refuse_patients_of(frozenset(many.groups), "threshold")
