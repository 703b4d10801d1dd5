from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from groundglass.geometry import voxel_volume_ml
from groundglass.intensity import resolve_intensity
from groundglass.phantom.chest import Phantom, make_phantom
from groundglass.phantom.settings import PhantomSettings


def center_mm(mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    return affine[:3, :3] @ np.argwhere(mask).mean(axis=0) + affine[:3, 3]


def test_same_settings_same_voxels_other_seed_other_patient() -> None:
    settings = PhantomSettings(shape=(12, 32, 32), seed=3)
    first, again = make_phantom(settings), make_phantom(settings)
    for name in ("lungs", "lesions"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    np.testing.assert_array_equal(first.volume.array, again.volume.array)
    assert first.truth == again.truth
    other = make_phantom(replace(settings, seed=4))
    assert (other.lungs != first.lungs).any()


def test_types_and_labels(chest: Phantom) -> None:
    assert chest.volume.array.dtype == np.int16
    assert chest.lungs.dtype == chest.lesions.dtype == np.uint8
    assert chest.volume.shape == chest.lungs.shape == chest.lesions.shape == (44, 80, 88)
    assert set(np.unique(chest.lungs)) == {0, 1, 2}
    assert set(np.unique(chest.lesions)) == {0, 1}
    assert not chest.lesions[chest.lungs == 0].any()


def test_truth_is_what_the_masks_say(chest: Phantom) -> None:
    ml = voxel_volume_ml(chest.volume.affine)
    truth = chest.truth
    right, left = chest.lungs == 1, chest.lungs == 2
    assert truth["lungs"]["right"]["volume_ml"] == pytest.approx(right.sum() * ml)
    assert truth["lungs"]["left"]["volume_ml"] == pytest.approx(left.sum() * ml)
    ill = chest.lesions == 1
    shares = truth["lesions"]
    assert shares["volume_ml"] == pytest.approx(ill.sum() * ml)
    assert shares["involvement_percent"] == pytest.approx(100 * ill.sum() / (right | left).sum())
    assert shares["left_involvement_percent"] == pytest.approx(
        100 * (ill & left).sum() / left.sum()
    )
    parts = shares["consolidation_percent_of_lesions"] + shares["ground_glass_percent_of_lesions"]
    assert parts == pytest.approx(100)


def test_shares_come_near_those_asked_for(chest: Phantom) -> None:
    assert chest.truth["lesions"]["involvement_percent"] == pytest.approx(25, abs=1.5)
    assert chest.truth["lesions"]["consolidation_percent_of_lesions"] == pytest.approx(30, abs=3)


def test_lungs_are_of_human_size_and_on_their_sides(chest: Phantom) -> None:
    right, left = (center_mm(chest.lungs == n, chest.volume.affine) for n in (1, 2))
    assert left[0] - right[0] > 100  # the patient's left is +x
    volumes = {k: v["volume_ml"] for k, v in chest.truth["lungs"].items()}
    assert 1500 < volumes["left"] < volumes["right"] < 4000


def test_each_lung_is_in_one_piece_and_closed(chest: Phantom) -> None:
    for side in (1, 2):
        mask = chest.lungs == side
        labels, _ = ndimage.label(mask)
        assert np.bincount(labels.ravel())[1:].max() > 0.99 * mask.sum()
    for axis in range(3):
        assert not chest.lungs.take([0, -1], axis=axis).any()


def test_hu_are_plausible(chest: Phantom) -> None:
    hu = chest.volume.array
    healthy = (chest.lungs > 0) & (chest.lesions == 0)
    assert -890 < np.median(hu[healthy]) < -820
    core = ndimage.binary_erosion(chest.lesions == 1)
    ill = hu[core]
    assert np.mean((ill > -720) & (ill < -280)) > 0.5
    assert np.mean((ill > -110) & (ill < 100)) > 0.1
    assert -1010 < np.median(hu[0, :4]) < -990  # air around the patient
    assert hu.min() >= -1024
    assert (hu > 300).mean() > 0.001  # bone
    assert resolve_intensity(hu)[1].domain == "hu"


def test_lesions_prefer_the_base_and_the_periphery(chest: Phantom) -> None:
    affine = chest.volume.affine
    lungs, ill = chest.lungs > 0, chest.lesions > 0
    assert center_mm(ill, affine)[2] < center_mm(lungs, affine)[2] - 5
    depth = ndimage.distance_transform_edt(lungs, sampling=chest.volume.spacing_mm)
    assert depth[ill].mean() < 0.9 * depth[lungs & ~ill].mean()


@pytest.fixture(scope="module")
def straight() -> Phantom:
    return make_phantom(PhantomSettings(shape=(16, 28, 36), spacing_mm=(16, 12, 11), seed=1))


@pytest.mark.parametrize("code", ["IAR", "LPS", "PIR"])
def test_orientations_hold_the_same_voxels(code: str, straight: Phantom) -> None:
    """Shape and spacing permuted with the axes: the same places, so the same numbers."""
    base = straight.settings
    axis = {"S": 0, "I": 0, "P": 1, "A": 1, "L": 2, "R": 2}
    source = [axis[c] for c in code]
    sizes = [base.shape[a] for a in source]
    steps = [base.step_mm()[a] for a in source]
    turned = make_phantom(
        replace(
            base, shape=(sizes[0], sizes[1], sizes[2]), orientation=code,
            spacing_mm=(steps[0], steps[1], steps[2]),
        )
    )  # fmt: skip
    axial, order = turned.volume.to_axial()
    np.testing.assert_allclose(axial.affine, straight.volume.affine, atol=1e-9)
    np.testing.assert_array_equal(axial.array, straight.volume.array)
    np.testing.assert_array_equal(order.apply(turned.lungs), straight.lungs)
    np.testing.assert_array_equal(order.apply(turned.lesions), straight.lesions)


@pytest.mark.parametrize("kind", ["tilted", "oblique"])
def test_sheared_and_oblique_grids_show_the_same_patient(
    kind: str, chest: Phantom, tilted: Phantom
) -> None:
    """Masks looked up through world positions agree but for the voxels at the edges."""
    other = tilted
    if kind == "oblique":
        other = make_phantom(
            PhantomSettings(
                shape=(60, 80, 88), spacing_mm=(5.0, 4.5, 4.5), seed=5, involvement=0.25,
                rotation_degrees=(8, -12, 20), orientation="IPR",
            )
        )  # fmt: skip
    to_chest = np.linalg.inv(chest.volume.affine) @ other.volume.affine
    index = np.einsum("ij,jdhw->idhw", to_chest[:3, :3], np.indices(other.volume.shape))
    index += to_chest[:3, 3].reshape(3, 1, 1, 1)
    there = (index > 0).all(axis=0)
    there &= (index < np.array(chest.volume.shape).reshape(3, 1, 1, 1) - 1).all(axis=0)
    for name, least in (("lungs", 0.95), ("lesions", 0.8)):
        looked_up = ndimage.map_coordinates(getattr(chest, name), index, order=0)[there]
        own = getattr(other, name)[there]
        dice = (
            2 * ((own == looked_up) & (own > 0)).sum() / ((own > 0).sum() + (looked_up > 0).sum())
        )
        assert dice > least
    assert other.truth["lungs"]["total"]["volume_ml"] == pytest.approx(
        chest.truth["lungs"]["total"]["volume_ml"], rel=0.03
    )


@pytest.mark.parametrize("shape", [(1, 48, 48), (5, 1, 1)])
def test_tiny_grids_and_empty_truths(shape: tuple[int, int, int]) -> None:
    phantom = make_phantom(PhantomSettings(shape=shape, involvement=0.0, noise_hu=30))
    assert phantom.volume.shape == shape
    assert not phantom.lesions.any()
    assert phantom.truth["lesions"]["consolidation_percent_of_lesions"] is None
    if shape[1] == 48:
        assert phantom.truth["lesions"]["involvement_percent"] == 0
        assert set(np.unique(phantom.lungs)) == {0, 1, 2}


def test_noise_is_as_strong_as_asked() -> None:
    settings = PhantomSettings(shape=(3, 64, 64), spacing_mm=(8.0, 3.0, 3.0))
    noisy = make_phantom(replace(settings, noise_hu=25)).volume.array.astype(float)
    still = make_phantom(replace(settings, noise_hu=0)).volume.array
    inside = still > -900  # lower values are clipped at -1024
    assert np.std((noisy - still)[inside]) == pytest.approx(25, rel=0.1)
