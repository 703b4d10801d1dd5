"""Which voxels a segment is, and where it is present."""

from __future__ import annotations

import numpy as np

from groundglass.outputs.dicom.segments import SEGMENTS, present_in

LUNGS = np.array([[[0, 1]], [[1, 2]], [[0, 0]]], np.uint8)
LESIONS = np.array([[[0, 1]], [[0, 0]], [[0, 0]]], np.uint8)


def test_segments_are_the_labels_of_the_masks() -> None:
    right, left, lesion = (segment.of(LUNGS, LESIONS) for segment in SEGMENTS)
    assert right.tolist() == [[[False, True]], [[True, False]], [[False, False]]]
    assert left.tolist() == [[[False, False]], [[False, True]], [[False, False]]]
    assert lesion.tolist() == [[[False, True]], [[False, False]], [[False, False]]]


def test_presence_counts_only_the_planes_that_have_a_source() -> None:
    assert {name: found.tolist() for name, found in present_in(LUNGS, LESIONS, [0, 2]).items()} == {
        "right_lung": [True, False],
        "lesion": [True, False],
    }
    assert present_in(LUNGS, LESIONS, [2]) == {}
