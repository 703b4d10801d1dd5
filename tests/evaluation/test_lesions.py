"""Lesions counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from groundglass.evaluation.lesions import (
    LesionCounts,
    LesionPairs,
    count_by_size,
    count_lesions,
    pair_lesions,
)

Masks = tuple[np.ndarray, np.ndarray]


def test_detected_missed_and_false(masks: Masks) -> None:
    found = pair_lesions(*masks)
    assert sorted((one.voxels, one.hit) for one in found.reference) == [(2, False), (24, True)]
    assert sorted((one.voxels, one.hit) for one in found.predicted) == [(1, False), (24, True)]
    counts = count_lesions([found, found])
    assert counts == LesionCounts(reference=4, detected=2, predicted=4, false=2)
    assert (counts.missed, counts.recall, counts.precision) == (2, 0.5, 0.5)


def test_corners_join_lesions() -> None:
    mask = np.zeros((2, 2, 2), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True
    assert len(pair_lesions(mask, mask).reference) == 1


def test_nothing_to_count() -> None:
    nothing = np.zeros((2, 2, 2), bool)
    counts = count_lesions([pair_lesions(nothing, nothing)])
    assert (counts.recall, counts.precision) == (None, None)


def test_size_classes(masks: Masks) -> None:
    found = pair_lesions(*masks)
    voxels = count_by_size([found], None)
    assert [(one.low, one.high) for one in voxels] == [
        (0, 10),
        (10, 100),
        (100, 1000),
        (1000, None),
    ]
    assert [one.counts.reference for one in voxels] == [1, 1, 0, 0]
    assert [one.counts.false for one in voxels] == [1, 0, 0, 0]
    ml = count_by_size([found, found], [0.05, 1.0])  # 24 voxels are 1.2 and 24 ml, 2 are 0.1 and 2
    assert [one.counts.reference for one in ml] == [0, 1, 2, 1]
    assert sum(one.counts.predicted for one in ml) == 4


@pytest.mark.parametrize("scale", [None, [0.02]])
def test_every_lesion_is_in_one_class(masks: Masks, scale: list[float] | None) -> None:
    found: LesionPairs = pair_lesions(*masks)
    classes = count_by_size([found], scale)
    assert sum(one.counts.reference for one in classes) == len(found.reference)
