"""Right and left, apart and touching."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundglass.errors import SettingsError
from groundglass.ops.lung_sides import SideSettings, nearest_labels, split_sides

SPACING_MM = (5.0, 3.0, 3.0)


@pytest.mark.parametrize("gap", [14.0, 4.0])
def test_separate_lungs_need_no_cut(chest: SimpleNamespace, gap: float) -> None:
    labels = chest.lungs(gap)
    split = split_sides(labels > 0, SPACING_MM)
    assert np.array_equal(split.labels, labels)
    assert split.erosion_mm == 0


@pytest.mark.parametrize("thickness", [1, 4, 8])
def test_touching_lungs_are_cut_at_the_waist(chest: SimpleNamespace, thickness: int) -> None:
    labels = chest.touching_lungs(thickness)
    split = split_sides(labels > 0, SPACING_MM)
    assert split.erosion_mm is not None
    assert 0 < split.erosion_mm < 24
    assert np.array_equal(split.labels > 0, labels > 0)
    assert np.mean(split.labels != labels) < 0.002


@pytest.mark.parametrize("gap", [0.0, -3.0, -8.0])
def test_a_broad_contact_is_cut_straight(chest: SimpleNamespace, gap: float) -> None:
    labels = chest.lungs(gap)
    split = split_sides(labels > 0, SPACING_MM)
    assert split.erosion_mm is not None
    assert np.mean(split.labels != labels) < 0.02


@given(flips=st.tuples(st.booleans(), st.booleans(), st.booleans()), gap=st.sampled_from([14, 0]))
@settings(max_examples=8, deadline=None)
def test_flips_move_the_labels_along(flips: tuple[bool, bool, bool], gap: int) -> None:
    d, h, w = np.ogrid[:12, :50, :90]
    body = ((d - 6) / 9) ** 2 + ((h - 25) / 18) ** 2
    right = body + ((w - 44.5 + gap / 2 + 16) / 16) ** 2 <= 1
    left = body + ((w - 44.5 - gap / 2 - 16) / 16) ** 2 <= 1
    mask = right | left
    step = tuple(slice(None, None, -1 if flip else None) for flip in flips)
    expected = split_sides(mask, SPACING_MM).labels[step]
    found = split_sides(mask[step], SPACING_MM).labels
    if flips[2]:
        expected = np.where(expected > 0, 3 - expected, 0)
    assert np.mean(found != expected) < 0.002  # voxels just on the cut may change hands


def test_a_small_second_lung_survives(chest: SimpleNamespace) -> None:
    labels = chest.lungs(left_scale=0.45)
    share = (labels == 2).sum() / (labels == 1).sum()
    assert 0.07 < share < 0.12
    assert np.array_equal(split_sides(labels > 0, SPACING_MM).labels, labels)


@pytest.mark.parametrize("side", [1, 2])
def test_one_lung_only(chest: SimpleNamespace, side: int) -> None:
    mask = chest.lungs() == side
    split = split_sides(mask, SPACING_MM)
    assert split.erosion_mm is None
    assert set(np.unique(split.labels)) == {0, side}


def test_a_lung_in_two_pieces_keeps_its_side(chest: SimpleNamespace) -> None:
    labels = chest.lungs()
    labels[18:23] = np.where(labels[18:23] == 1, 0, labels[18:23])
    assert np.array_equal(split_sides(labels > 0, SPACING_MM).labels, labels)


def test_a_bent_lung_is_not_cut(chest: SimpleNamespace) -> None:
    mask = chest.lungs() == 1
    mask &= ~chest.ellipsoid((20, 70, 35), (20, 35, 6))  # a deep notch from behind
    split = split_sides(mask, SPACING_MM)
    assert set(np.unique(split.labels)) == {0, 1}


def test_a_single_slice(chest: SimpleNamespace) -> None:
    labels = chest.touching_lungs()[20:21]
    split = split_sides(labels > 0, SPACING_MM)
    assert np.mean(split.labels != labels) < 0.005


def test_empty_in_empty_out() -> None:
    split = split_sides(np.zeros((2, 8, 8), dtype=bool), SPACING_MM)
    assert not split.labels.any()
    assert split.erosion_mm is None
    assert not nearest_labels(np.zeros((1, 2, 2), dtype=np.uint8), SPACING_MM).any()


def test_settings_are_checked() -> None:
    with pytest.raises(SettingsError, match="0 < step_mm"):
        SideSettings(step_mm=0)


def test_true_sides_of_a_real_scan(cip_dir) -> None:
    nrrd = pytest.importorskip("nrrd")
    codes, header = nrrd.read(str(cip_dir / "lm-64.nrrd"))
    whole, _ = nrrd.read(str(cip_dir / "wholeLung-64.nrrd"))
    spacing = tuple(float(np.linalg.norm(v)) for v in header["space directions"][::-1])
    region = codes.T % 256  # 9..11 thirds of the left lung, 12..14 of the right one
    mask = whole.T > 0
    split = split_sides(mask, (spacing[0], spacing[1], spacing[2]))
    for side, low in ((1, 12), (2, 9)):
        truth = mask & (region >= low) & (region <= low + 2)
        assert np.array_equal(split.labels == side, truth)
