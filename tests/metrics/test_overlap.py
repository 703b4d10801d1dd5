"""Overlap measures on masks counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundglass.errors import InputError, SettingsError
from groundglass.metrics.overlap import MEASURES, Confusion, confusion, slice_confusions

PREDICTION = np.array([[1, 1, 0, 0], [1, 0, 0, 0]])
REFERENCE = np.array([[1, 0, 0, 0], [1, 1, 1, 0]])
COUNTS = Confusion(tp=2, fp=1, fn=2, tn=3)


def test_counts_by_hand() -> None:
    assert confusion(PREDICTION, REFERENCE) == COUNTS
    assert (COUNTS.voxels, COUNTS.reference_voxels, COUNTS.predicted_voxels) == (8, 4, 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("accuracy", 5 / 8),
        ("precision", 2 / 3),
        ("recall", 2 / 4),
        ("specificity", 3 / 4),
        ("dice", 4 / 7),
        ("jaccard", 2 / 5),
        ("mean_iou", (2 / 5 + 3 / 6) / 2),
    ],
)
def test_measures_by_hand(name: str, value: float) -> None:
    assert COUNTS.measure(name) == pytest.approx(value, abs=1e-15)


def test_every_measure_has_a_name() -> None:
    properties = {name for name, kind in vars(Confusion).items() if isinstance(kind, property)}
    assert properties - {"voxels", "reference_voxels", "predicted_voxels"} == set(MEASURES)
    with pytest.raises(SettingsError, match="'f2' is unknown; expected accuracy"):
        COUNTS.measure("f2")


def test_confusions_add_up() -> None:
    assert Confusion(1, 2, 3, 4) + Confusion(10, 20, 30, 40) == Confusion(11, 22, 33, 44)
    parts = slice_confusions(PREDICTION, REFERENCE)
    assert parts == (Confusion(1, 1, 0, 2), Confusion(1, 0, 2, 1))
    assert sum(parts, Confusion()) == COUNTS


def defined(one: Confusion) -> set[str]:
    return {name for name in MEASURES if one.measure(name) is not None}


@pytest.mark.parametrize("false_positives", [0, 3])
def test_an_empty_reference_has_no_dice_with_or_without_false_positives(
    false_positives: int,
) -> None:
    one = Confusion(fp=false_positives, tn=10)
    assert defined(one) & {"recall", "dice", "jaccard", "mean_iou"} == set()
    assert one.specificity == pytest.approx(10 / (10 + false_positives))


def test_an_empty_prediction_has_dice_zero_and_no_precision() -> None:
    one = Confusion(fn=4, tn=4)
    assert (one.dice, one.jaccard, one.recall, one.precision) == (0, 0, 0, None)


def test_a_full_reference_has_no_specificity() -> None:
    one = Confusion(tp=3, fn=1)
    assert defined(one) == set(MEASURES) - {"specificity", "mean_iou"}


def test_no_voxel_at_all_has_nothing() -> None:
    assert defined(Confusion()) == set()


def test_perfect() -> None:
    mask = np.array([[True, False]])
    assert {confusion(mask, mask).measure(name) for name in MEASURES} == {1.0}


def test_masks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(2, 3\) and reference \(3, 2\)"):
        confusion(np.zeros((2, 3)), np.zeros((3, 2)))
    with pytest.raises(InputError, match="reference has values 0 to 2"):
        confusion(np.zeros(3), np.arange(3))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_jaccard_follows_from_dice(pairs: list[tuple[bool, bool]]) -> None:
    one = confusion(np.array([a for a, _ in pairs]), np.array([b for _, b in pairs]))
    assert one.voxels == len(pairs)
    if one.dice is None:
        assert one.jaccard is None
    else:
        assert one.jaccard == pytest.approx(one.dice / (2 - one.dice))
        assert one.jaccard <= one.dice
