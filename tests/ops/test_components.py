"""Components, holes and closing, on shapes counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from groundglass.ops.coarse import CoarseGrid
from groundglass.ops.components import (
    ball_dilate,
    ball_erode,
    bounding_box,
    disk_close,
    fill_holes,
    fill_holes_in_plane,
    grow_in_plane,
    label_components,
    shrink_in_plane,
)

UNIT = (1.0, 1.0, 1.0)


def test_components_come_largest_first_with_their_boxes() -> None:
    mask = np.zeros((4, 8, 8), dtype=bool)
    mask[0, 0, 0] = True
    mask[1:3, 2:5, 2:5] = True
    labels, parts = label_components(mask)
    assert [part.voxels for part in parts] == [18, 1]
    assert parts[0].box == (slice(1, 3), slice(2, 5), slice(2, 5))
    assert (labels[parts[0].box] == parts[0].number).all()


def test_components_in_plane_do_not_cross_slices() -> None:
    mask = np.ones((3, 2, 2), dtype=bool)
    assert len(label_components(mask)[1]) == 1
    assert len(label_components(mask, in_plane=True)[1]) == 3


def test_an_empty_mask_has_no_component_and_no_box() -> None:
    empty = np.zeros((2, 3, 4), dtype=bool)
    assert label_components(empty)[1] == []
    assert bounding_box(empty) is None
    for filled in (fill_holes(empty), fill_holes_in_plane(empty), disk_close(empty, 3, UNIT)):
        assert not filled.any()


def test_fill_holes_needs_a_shell_in_three_dimensions() -> None:
    shell = np.ones((5, 5, 5), dtype=bool)
    shell[2, 2, 2] = False
    assert fill_holes(shell).all()
    shell[:, 2, 2] = False  # a tunnel through all slices
    assert not fill_holes(shell)[:, 2, 2].any()
    assert fill_holes_in_plane(shell).all()


def test_large_holes_in_plane_are_filled_only_where_they_rest_on_mask() -> None:
    mask = np.zeros((6, 12, 12), dtype=bool)
    mask[1:, 1:11, 1:11] = True
    lesion = mask.copy()
    lesion[3:, 3:9, 3:9] = False  # lung under it
    assert fill_holes_in_plane(lesion, max_voxels=4, max_supported=50)[3:, 3:9, 3:9].all()
    assert not fill_holes_in_plane(lesion, max_voxels=4, max_supported=20)[3:, 3:9, 3:9].any()
    dome = mask.copy()
    dome[:5, 3:9, 3:9] = False  # liver up to slice 4
    assert not fill_holes_in_plane(dome, max_voxels=4, max_supported=50)[:5, 3:9, 3:9].any()


def test_balls_are_measured_in_mm() -> None:
    mask = np.zeros((7, 15, 15), dtype=bool)
    mask[3, 7, 7] = True
    grown = ball_dilate(mask, 2.0, (5.0, 1.0, 2.0))
    assert grown.sum() == 7  # 5 along rows, 3 along columns, none along slices
    assert grown[3, 5:10, 7].all()
    assert grown[3, 7, 6:9].all()
    assert (ball_erode(ball_dilate(mask, 3.0, UNIT), 2.9, UNIT) & mask).any()
    assert np.array_equal(ball_dilate(mask, 0.0, UNIT), mask)


def test_disk_closing_fills_a_notch_but_keeps_slices_apart() -> None:
    mask = np.zeros((3, 20, 20), dtype=bool)
    mask[0, 5:15, 5:15] = mask[2, 5:15, 5:15] = True
    mask[0, 5:10, 9:11] = False
    closed = disk_close(mask, 2.0, (0.1, 1.0, 1.0))
    assert closed[0, 7:10, 9:11].all()
    assert not closed[1].any()
    assert (closed & mask).sum() == mask.sum()


def test_growing_labels_by_a_pixel_and_back() -> None:
    labels = np.zeros((1, 6, 6), dtype=np.uint8)
    labels[0, 2:4, 2:4] = 2
    assert grow_in_plane(labels).sum() == 2 * 16
    assert shrink_in_plane(grow_in_plane(labels) > 0).sum() == 4


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 7, 10), (2, 64, 65)])
def test_coarse_grid_comes_back_to_the_full_shape(shape: tuple[int, int, int]) -> None:
    grid = CoarseGrid.near(shape, (5.0, 0.7, 0.7), step_mm=2.0)
    assert grid.strides == (1, 3, 3)
    array = np.arange(np.prod(shape)).reshape(shape)
    coarse = grid.down(array)
    back = grid.up(coarse)
    assert back.shape == shape
    assert np.array_equal(grid.down(back), coarse)
