"""The quick bootstrap draws and counts as `metrics.aggregate` does."""

from __future__ import annotations

from typing import cast

import pytest

from groundglass.metrics.aggregate import (
    bootstrap_interval,
    mean_measure,
    pooled_measure,
)
from groundglass.metrics.overlap import MEASURES
from groundglass.studies.row_summary import PatientBootstrap, summarize

from .made_rows import A, B, C, D, made_row


@pytest.mark.parametrize("measure", MEASURES)
def test_intervals_are_those_of_the_plain_bootstrap(measure: str) -> None:
    cases, groups = [A, B, C, D], ["p1", "p1", "p2", "p3"]
    quick = PatientBootstrap(cases, draws=200, seed=4)
    plain = bootstrap_interval(cases, groups, pooled_measure(measure), draws=200, seed=4)
    assert plain is not None
    assert quick.pooled()[measure] == plain
    means = quick.means([[case.total] for case in cases])[measure]
    plain = bootstrap_interval(cases, groups, mean_measure(measure), draws=200, seed=4)
    assert plain is not None
    assert means is not None
    assert (means.low, means.high) == pytest.approx((plain.low, plain.high))
    assert means.undefined == plain.undefined > 0  # draws of p2 alone


def test_one_patient_has_no_interval() -> None:
    assert set(PatientBootstrap([A, B]).pooled().values()) == {None}


def test_summary() -> None:
    summary = summarize(made_row())
    assert (summary.cases, summary.patients, summary.slices) == (4, 3, 7)
    pooled = cast(float, summary.scores.pooled.dice)
    assert pooled == pytest.approx(2 * 40 / (2 * 40 + 13 + 22))
    folds = summary.over_folds["dice"]
    assert folds.mean == pytest.approx((20 / 24 + 60 / 91) / 2)
    assert folds.count == 2
    interval = summary.pooled["dice"]
    assert interval is not None
    assert interval.low <= pooled <= interval.high
    assert summarize(made_row()) == summary
