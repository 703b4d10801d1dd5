"""Arithmetic that finds impossible figures, and what it finds in the paper."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundglass.metrics.overlap import Confusion
from groundglass.studies.paper_checks import (
    FIVE,
    all_faults,
    faults,
    mean_iou,
    mean_iou_gives_jaccard,
    mean_iou_span,
    share_note,
    target_share,
)
from groundglass.studies.paper_chs_net import PRINTED, ROWS, PaperRow, paper_row


def made(figures: Mapping[str, float], table: int = 9) -> PaperRow:
    return PaperRow(table, "x", "X", "lesions", figures)


def checks(row: PaperRow) -> set[str]:
    return {fault.check for fault in faults(row)}


counts = st.integers(min_value=1, max_value=5000)


@settings(max_examples=40, deadline=None)
@given(counts, counts, counts, counts)
def test_true_figures_are_never_faulted(tp: int, fp: int, fn: int, tn: int) -> None:
    one = Confusion(tp, fp, fn, tn)
    figures = {name: round(one.measure(name) or 0.0, 2) for name in PRINTED}
    assert checks(made(figures)) == set()
    share = target_share(figures)
    assert share is not None
    assert share.low - 1e-6 <= one.reference_voxels / one.voxels <= share.high + 1e-6


@settings(max_examples=40, deadline=None)
@given(counts, counts, counts, counts)
def test_mean_iou_follows_from_accuracy_and_dice(tp: int, fp: int, fn: int, tn: int) -> None:
    one = Confusion(tp, fp, fn, tn)
    assert one.accuracy is not None
    assert one.dice is not None
    assert mean_iou(one.accuracy, one.dice) == pytest.approx(one.mean_iou)
    without = {"recall": one.recall or 0.0, "specificity": one.specificity or 0.0}
    span = mean_iou_span(made({**without, "dice": one.dice}))
    if min(one.dice, *without.values()) > 0.05 and max(one.dice, *without.values()) < 0.95:
        assert span is not None
        assert span.low - 1e-9 <= (one.mean_iou or 0.0) <= span.high + 1e-9


def test_each_check_finds_its_fault() -> None:
    assert checks(made({"dice": 0.5, "jaccard": 0.6})) == {"jaccard-above-dice"}
    (off,) = faults(made({"precision": 0.5, "recall": 0.5, "dice": 0.6}))
    assert (off.check, off.grade) == ("dice-off-harmonic-mean", "impossible")
    (low,) = faults(made({"precision": 0.5, "recall": 0.5, "dice": 0.4}))
    assert low.grade == "not pooled"
    outside = {"accuracy": 0.99, "recall": 0.5, "specificity": 0.9}
    assert checks(made(outside)) == {"accuracy-outside"}


def test_rounding_is_allowed_for() -> None:
    assert checks(made({"dice": 0.01, "jaccard": 0.02})) == set()  # both may be 0.015
    assert checks(made({"accuracy": 0.91, "recall": 0.5, "specificity": 0.90})) == set()


def test_jaccard_exceeds_dice_in_all_twelve_rows_and_miniseg() -> None:
    found = {name for name, some in all_faults().items() if some[0].check == "jaccard-above-dice"}
    assert len({name for name in found if name[0] in (4, 5)}) == 12
    assert (3, "miniseg", "lesions") in found
    assert all(f[0].grade == "impossible" for f in all_faults().values())


def test_mean_iou_over_both_classes_explains_three_rows() -> None:
    explained = {(row.table, row.key) for row in ROWS if mean_iou_gives_jaccard(row)}
    assert explained == {(4, "bu-rib"), (4, "bu-rib-hp"), (5, "bu-rib")}
    claimed = paper_row(2, "chs-net", "lesions")
    assert claimed is not None
    span = mean_iou_span(claimed)
    assert span is not None
    assert (span.low, span.high) == pytest.approx((0.862, 0.877), abs=1e-3)
    assert "nor by any average" in faults(claimed)[0].text


def test_dice_agrees_with_precision_and_recall_everywhere() -> None:
    found = {fault.check for some in all_faults().values() for fault in some}
    assert found == {"jaccard-above-dice", "no-confusion", "shares-disagree"}


def test_six_rows_have_no_count_of_pixels() -> None:
    rows = {n for n, some in all_faults().items() if any(f.check == "no-confusion" for f in some)}
    assert rows == {
        (4, "bu", "lesions"),
        (4, "bu-rib-hp", "lesions"),
        (4, "raiu-net", "lesions"),
        (5, "bu", "lesions"),
        (5, "bu-rib", "lesions"),
        (5, "bu-rib-hp", "lesions"),
    }


def test_no_count_of_pixels_by_brute_force() -> None:
    """The linear program's verdict on Table 4's BU, against a plain search of counts."""
    row = paper_row(4, "bu", "lesions")
    assert row is not None
    rng = np.random.default_rng(0)
    share = rng.random(200_000)
    recall = row.figures["recall"] + rng.uniform(-0.005, 0.005, share.size)
    specificity = row.figures["specificity"] + rng.uniform(-0.005, 0.005, share.size)
    tp, fp = share * recall, (1 - share) * (1 - specificity)
    accuracy = tp + (1 - share) * specificity
    fits = (abs(accuracy - row.figures["accuracy"]) < 0.005) & (
        abs(tp / (tp + fp) - row.figures["precision"]) < 0.005
    )
    assert not fits.any()
    assert target_share({name: row.figures[name] for name in FIVE}) is None


def test_shares_of_one_test_set_must_meet() -> None:
    row = paper_row(4, "bu-rib", "lesions")
    assert row is not None
    text = next(f.text for f in faults(row) if f.check == "shares-disagree")
    assert "0.243 to 0.275" in text
    assert "BU 0.025 to 0.033" in text


def test_the_implied_share_stands_beside_the_measured() -> None:
    row = paper_row(2, "chs-net", "lesions")
    assert row is not None
    assert "12.8 to 18.4 %" in share_note([row])
    assert "1.5 %" in share_note([row])
    assert share_note([]) == ""
    assert target_share({}) is not None
