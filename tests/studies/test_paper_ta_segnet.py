"""CovTANet's figures as printed, and what arithmetic says of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundglass.errors import SettingsError
from groundglass.metrics.overlap import Confusion
from groundglass.studies.paper import PaperRow
from groundglass.studies.paper_checks import all_faults, faults, implied_share, share_note
from groundglass.studies.paper_ta_segnet import COLUMNS, PAPER
from groundglass.studies.papers import find_paper


def row_of(table: int, key: str) -> PaperRow:
    row = PAPER.row(table, key, "lesions")
    assert row is not None
    return row


def made(dice: float, precision: float, recall: float, jaccard: float | None = None) -> PaperRow:
    figures = {"dice": dice, "precision": precision, "recall": recall}
    if jaccard is not None:
        figures["jaccard"] = jaccard
    return PaperRow(2, "x", "X", "lesions", figures, digits=3, study="ta-segnet")


def test_tables_have_their_rows_and_columns() -> None:
    counts = {table: sum(row.table == table for row in PAPER.rows) for table in (1, 2, 3)}
    assert counts == {1: 8, 2: 9, 3: 7}
    for row in PAPER.rows:
        assert set(row.figures) == set(row.spread) == set(COLUMNS[row.table])
        assert all(0 < value < 1 for value in row.figures.values())


def test_columns_are_in_the_papers_order() -> None:
    ours = row_of(2, "ta-segnet")
    assert ours.figures == {"recall": 0.996, "precision": 0.848, "dice": 0.623, "jaccard": 0.517}
    assert ours.printed("recall") == "0.996 ± 0.0009"
    assert ours.printed("accuracy") == "–"
    third = row_of(3, "gated-unet")
    assert third.figures == {
        "recall": 0.814, "specificity": 0.925, "dice": 0.856, "jaccard": 0.802,
    }  # fmt: skip


def test_the_text_repeats_the_gains_of_table_1() -> None:
    """Section III-C.1 names them over V1, and V8's over V7."""
    dice = {key: row_of(1, key).figures["dice"] for key in ("v1", "v3", "v4", "v5", "v6", "v7")}
    gains = {key: round(100 * (value - dice["v1"]), 1) for key, value in dice.items()}
    assert gains == {"v1": 0.0, "v3": 4.4, "v4": 4.1, "v5": 2.9, "v6": 6.6, "v7": 9.7}
    assert row_of(1, "v8").figures["dice"] - dice["v7"] == pytest.approx(0.021)
    # V1 and V8 are the U-Net and the TA-SegNet of Table II
    assert row_of(2, "unet").figures["dice"] == dice["v1"]
    assert row_of(2, "ta-segnet").figures["dice"] == row_of(1, "v8").figures["dice"]


def test_no_dice_of_table_2_belongs_to_its_precision_and_recall() -> None:
    found = all_faults("ta-segnet")
    for row in PAPER.rows:
        if row.table == 2:
            off = [f for f in found[2, row.key, "lesions"] if f.check == "dice-off-harmonic-mean"]
            assert [fault.grade for fault in off] == ["impossible"]
    text = next(f.text for f in faults(row_of(2, "ta-segnet")) if "harmonic" in f.text)
    assert "0.916, not Dice 0.623" in text
    assert "precision + recall - 1 = 0.844" in text


def test_every_iou_is_above_that_of_its_dice() -> None:
    for (table, _, _), some in all_faults("ta-segnet").items():
        assert table in (2, 3)
        assert [f.grade for f in some if f.check == "jaccard-off-dice"] == ["not pooled"]


def test_the_rows_of_table_3_imply_different_lesions() -> None:
    shares = {row.key: implied_share(row) for row in PAPER.rows if row.table == 3}
    ours, unet = shares["ta-segnet"], shares["unet"]
    assert ours is not None
    assert unet is not None
    assert ours.high < 0.14 < 0.41 < unet.low
    assert {f.check for f in faults(row_of(3, "unet"))} == {"jaccard-off-dice", "shares-disagree"}
    note = share_note([row for row in PAPER.rows if row.table == 3])
    assert "Dataset-2" in note
    assert "lesions cover 1.5 %" in note


case = st.tuples(*[st.integers(min_value=1, max_value=500)] * 3)


@settings(max_examples=60, deadline=None)
@given(st.lists(case, min_size=1, max_size=6))
def test_no_average_over_cases_is_called_impossible(cases: list[tuple[int, int, int]]) -> None:
    counts = [Confusion(tp, fp, fn, 1000) for tp, fp, fn in cases]
    means = {
        name: round(float(np.mean([one.measure(name) for one in counts])), 3)
        for name in ("dice", "precision", "recall", "jaccard")
    }
    assert {fault.grade for fault in faults(made(**means))} <= {"not pooled"}


def test_grades_of_a_jaccard_that_is_off() -> None:
    (high,) = faults(made(0.5, 0.5, 0.5, 0.4))
    (low,) = faults(made(0.5, 0.5, 0.5, 0.3))
    assert (high.check, high.grade) == ("jaccard-off-dice", "not pooled")
    assert (low.check, low.grade) == ("jaccard-off-dice", "impossible")
    assert faults(made(0.5, 0.5, 0.5, 0.333)) == ()


def test_an_unknown_paper_is_refused() -> None:
    with pytest.raises(SettingsError, match="'x' is unknown; expected chs-net or ta-segnet"):
        find_paper("x")
