from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundglass.geometry import axis_codes, axis_spacing_mm, shear_degrees, slice_distance_mm
from groundglass.phantom.grid import WORLD_FROM_ANATOMY_MM, CoarseGrid, Grid, make_grid
from groundglass.phantom.settings import PhantomSettings

CODES = [
    "".join(letters)
    for pairs in permutations(("LR", "PA", "SI"))
    for letters in product(*pairs)
]  # fmt: skip


def anatomy_mm(grid: Grid) -> np.ndarray:
    """x, y, z of every voxel, (3, D, H, W)."""
    d, h, w = (np.arange(n) for n in grid.shape)
    return np.stack(np.broadcast_arrays(*grid.coordinates_mm((d, h, w))))


@pytest.mark.parametrize("code", CODES)
def test_every_orientation_samples_the_same_places(code: str) -> None:
    settings = PhantomSettings(shape=(3, 4, 5), spacing_mm=(3.0, 2.0, 1.5), orientation=code)
    grid, order, world = make_grid(settings)
    assert axis_codes(world) == code
    assert axis_spacing_mm(world) == pytest.approx((3.0, 2.0, 1.5))
    written = np.stack([order.undo(c) for c in anatomy_mm(grid)])
    assert written.shape[1:] == settings.shape
    expected = np.einsum("ij,jdhw->idhw", world[:3, :3], np.indices(settings.shape))
    expected += (world[:3, 3] - WORLD_FROM_ANATOMY_MM).reshape(3, 1, 1, 1)
    np.testing.assert_allclose(written, expected, atol=1e-4)


@given(
    code=st.sampled_from([c for c in CODES if c[0] in "SI"]),
    turn=st.tuples(*[st.floats(-60, 60)] * 3),
    tilt=st.floats(-30, 30),
)
def test_oblique_and_tilted_grids_keep_spacing_and_center(
    code: str, turn: tuple[float, float, float], tilt: float
) -> None:
    steps = (2.0, 1.0, 1.5)
    settings = PhantomSettings(
        shape=(5, 7, 9), spacing_mm=steps, orientation=code, rotation_degrees=turn,
        tilt_degrees=tilt,
    )  # fmt: skip
    grid, order, world = make_grid(settings)
    assert axis_spacing_mm(world) == pytest.approx(steps)
    assert shear_degrees(world) == pytest.approx(abs(tilt), abs=1e-3)
    assert slice_distance_mm(world) == pytest.approx(2.0 * np.cos(np.radians(tilt)))
    middle = world @ np.array([2, 3, 4, 1])
    center = np.array([0.0, 5.0, -5.0]) + WORLD_FROM_ANATOMY_MM
    np.testing.assert_allclose(middle[:3], center, atol=1e-9)
    corner = order.undo(anatomy_mm(grid)[0])[0, 0, 0]
    assert corner == pytest.approx(world[0, 3] - WORLD_FROM_ANATOMY_MM[0], abs=1e-3)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 40, 33), (9, 2, 31), (30, 30, 30)])
def test_linear_fields_survive_thinning_and_enlarging(shape: tuple[int, int, int]) -> None:
    grid = Grid(shape, np.diag([1.0, 1.0, 1.0, 1.0]))
    coarse = CoarseGrid.of(grid, 4.0)
    x, y, z = coarse.coordinates_mm()
    field = (2 * x - y + 0.5 * z).astype(np.float32)
    out = np.stack([f[0].copy() for f in coarse.fine_slices(field[None])])
    fx, fy, fz = anatomy_mm(grid)
    # Positions within a plane are rounded to 1/32 of a coarse step.
    np.testing.assert_allclose(out, 2 * fx - fy + 0.5 * fz, atol=4 / 32 * 3)


def test_a_box_outside_the_grid_is_none() -> None:
    grid = Grid((4, 4, 4), np.eye(4))
    assert grid.box_around(np.array([10.0, 0, 0]), np.array([12.0, 1, 1])) is None
    box = grid.box_around(np.array([0.5, 0.5, 0.5]), np.array([2.5, 9, 9]))
    assert box == (slice(1, 3), slice(1, 4), slice(1, 4))
