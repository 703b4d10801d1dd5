"""Clean lungs from raw masks: synthetic chests, the small real scan, and reference masks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from groundglass.errors import NoLungError, SettingsError
from groundglass.geometry import (
    LPS_FROM_RAS,
    axial_order,
    axis_spacing_mm,
    reversed_axes_affine,
)
from groundglass.ops.lung_fill import FillSettings
from groundglass.ops.lung_mask import LungSettings, clean_lungs
from groundglass.ops.lung_notes import lung_notes, lungs_cross_check

SPACING_MM = (5.0, 3.0, 3.0)


def test_clean_lungs_stay_as_they_are(chest: SimpleNamespace) -> None:
    labels = chest.lungs()
    result = clean_lungs(labels > 0, SPACING_MM)
    assert result.labels.dtype == np.uint8
    assert chest.dice(result.labels == 1, labels == 1) > 0.995
    assert chest.dice(result.labels == 2, labels == 2) > 0.995
    assert result.notes == ()


def test_probabilities_and_integers_are_masks_too(chest: SimpleNamespace) -> None:
    labels = chest.lungs()
    expected = clean_lungs(labels > 0, SPACING_MM).labels
    probability = np.where(labels > 0, 0.9, 0.4).astype(np.float32)
    assert np.array_equal(clean_lungs(probability, SPACING_MM).labels, expected)
    assert np.array_equal(clean_lungs(labels, SPACING_MM).labels, expected)
    finer = LungSettings(threshold=0.95)
    with pytest.raises(NoLungError):
        clean_lungs(probability, SPACING_MM, settings=finer)


def test_specks_gas_and_trachea_go(chest: SimpleNamespace) -> None:
    labels = chest.lungs()
    extra = chest.trachea() | chest.stomach_gas()
    extra[30, 2:4, 2:4] = True
    raw = (labels > 0) | extra
    without_hu = clean_lungs(raw, SPACING_MM).labels
    with_hu = clean_lungs(raw, SPACING_MM, hu=chest.chest_hu(labels)).labels
    for found in (without_hu, with_hu):
        assert chest.dice(found > 0, labels > 0) > 0.99
        assert not found[chest.trachea() & (labels == 0)].any()
    assert not with_hu[chest.stomach_gas() & (labels == 0)].any()


def test_lesions_are_filled_inside_and_at_the_pleura(chest: SimpleNamespace) -> None:
    labels = chest.lungs()
    inner = chest.ellipsoid((20, 40, 30), (4, 7, 7))
    pleural = chest.ellipsoid((20, 62, 28), (3, 4, 3))
    raw = (labels > 0) & ~inner & ~pleural
    found = clean_lungs(raw, SPACING_MM).labels
    assert (found[inner & (labels == 1)] == 1).all()
    assert (found[pleural & (labels == 1)] == 1).mean() > 0.7
    assert (found[(labels == 0)] > 0).sum() < 0.01 * (labels > 0).sum()


def test_the_dome_of_the_diaphragm_is_not_filled(chest: SimpleNamespace) -> None:
    labels = chest.lungs()
    dome = chest.ellipsoid((4, 40, 28), (15, 11, 11))
    found = clean_lungs((labels > 0) & ~dome, SPACING_MM).labels
    inside = dome & (labels == 1)
    assert (found[inside] > 0).mean() < 0.06


def test_filling_never_bridges_the_lungs(chest: SimpleNamespace) -> None:
    labels = chest.lungs(gap=2.0)
    found = clean_lungs(labels > 0, SPACING_MM).labels
    assert chest.dice(found == 1, labels == 1) > 0.98
    assert chest.dice(found == 2, labels == 2) > 0.98


def test_bone_is_not_filled(chest: SimpleNamespace) -> None:
    labels = chest.lungs()
    rib = chest.ellipsoid((20, 63, 28), (3, 3, 3))
    labels[rib] = 0
    hu = chest.chest_hu(labels)
    hu[rib] = 700
    assert not clean_lungs(labels > 0, SPACING_MM, hu=hu).labels[rib].any()


def test_one_lung_is_said(chest: SimpleNamespace) -> None:
    result = clean_lungs(chest.lungs() == 2, SPACING_MM)
    assert set(np.unique(result.labels)) == {0, 2}
    assert "Only one lung" in result.notes[0]


def test_touching_and_small_lungs_are_said(chest: SimpleNamespace) -> None:
    assert "parted" in clean_lungs(chest.touching_lungs() > 0, SPACING_MM).notes[0]
    result = clean_lungs(chest.lungs(left_scale=0.5) > 0, SPACING_MM)
    assert set(np.unique(result.labels)) == {0, 1, 2}
    assert "The left lung has only" in result.notes[0]


@pytest.mark.parametrize(("stop", "thickness_mm"), [(20, 8.0), (21, 1.0), (24, 2.0)])
def test_few_slices_are_enough(chest: SimpleNamespace, stop: int, thickness_mm: float) -> None:
    start = 20 if stop > 20 else 0
    labels = chest.lungs()[start:stop]
    found = clean_lungs(labels > 0, (thickness_mm, 3.0, 3.0)).labels
    assert chest.dice(found == 1, labels == 1) > 0.98
    assert chest.dice(found == 2, labels == 2) > 0.98


def test_a_field_of_view_that_cuts_a_lung(chest: SimpleNamespace) -> None:
    labels = chest.lungs()
    hu = chest.chest_hu(labels)
    cut = np.ascontiguousarray(labels[:, :, :75])
    result = clean_lungs(cut > 0, SPACING_MM, hu=np.ascontiguousarray(hu[:, :, :75]))
    assert chest.dice(result.labels == 1, cut == 1) > 0.98
    assert chest.dice(result.labels == 2, cut == 2) > 0.98
    assert any("left edge" in note for note in result.notes)


def test_a_fine_grid_keeps_its_outline(chest: SimpleNamespace) -> None:
    labels = np.kron(chest.lungs()[14:26], np.ones((1, 4, 4), dtype=np.uint8))
    found = clean_lungs(labels > 0, (5.0, 0.75, 0.75)).labels
    assert chest.dice(found == 1, labels == 1) > 0.99
    assert chest.dice(found == 2, labels == 2) > 0.99


def test_nothing_there_is_an_error(chest: SimpleNamespace) -> None:
    empty = np.zeros(chest.SHAPE, dtype=bool)
    with pytest.raises(NoLungError, match="at most 0 mm2"):
        clean_lungs(empty, SPACING_MM)
    empty[3, 4:8, 4:8] = True
    with pytest.raises(NoLungError, match="intensities"):
        clean_lungs(empty, SPACING_MM)


def test_settings_are_checked() -> None:
    with pytest.raises(SettingsError, match="threshold"):
        LungSettings(threshold=1.5)
    with pytest.raises(SettingsError, match="radii"):
        FillSettings(pleura_mm=-1)


def test_cut_off_lungs_and_impossible_volumes_are_said(chest: SimpleNamespace) -> None:
    labels = chest.lungs()[15:25]
    notes = lung_notes(labels, (40.0, 5.0, 5.0), parted_mm=0.0, dropped_ml=100.0)
    assert any("lowest slice and the highest slice" in note for note in notes)
    assert any("100 ml apart" in note for note in notes)
    assert any("more than lungs hold" in note for note in notes)


def test_cross_check_is_the_missed_share(chest: SimpleNamespace) -> None:
    labels = chest.lungs()
    assert lungs_cross_check(labels, labels > 0) == 0
    half = np.where(labels == 1, 0, labels)
    assert lungs_cross_check(half, labels > 0) == pytest.approx(0.5, abs=0.01)
    assert lungs_cross_check(labels, np.zeros_like(labels, dtype=bool)) == 0


@pytest.mark.parametrize("with_hu", [False, True])
def test_the_small_real_scan(cip_dir: Path, chest: SimpleNamespace, with_hu: bool) -> None:
    nrrd = pytest.importorskip("nrrd")
    hu, header = nrrd.read(str(cip_dir / "ct-64.nrrd"))
    whole, _ = nrrd.read(str(cip_dir / "wholeLung-64.nrrd"))
    codes, _ = nrrd.read(str(cip_dir / "lm-64.nrrd"))
    d, h, w = (float(np.linalg.norm(v)) for v in header["space directions"][::-1])
    mask, region = whole.T > 0, codes.T % 256
    found = clean_lungs(mask, (d, h, w), hu=hu.T if with_hu else None)
    for side, low in ((1, 12), (2, 9)):
        truth = mask & (region >= low) & (region <= low + 2)
        assert chest.dice(found.labels == side, truth) > 0.99
    assert found.notes == ()


@pytest.mark.data
def test_reference_masks_of_pneumonia_hardly_change(data_dir: Path, chest: SimpleNamespace) -> None:
    nibabel = pytest.importorskip("nibabel")
    files = sorted((data_dir / "covid19-ct-seg" / "Lung_Mask").glob("*.nii.gz"))
    if not files:
        pytest.skip("no lung masks of covid19-ct-seg")
    for file in files:
        image = nibabel.load(file)
        affine = reversed_axes_affine(LPS_FROM_RAS @ image.affine)
        array = np.asarray(image.dataobj).transpose(2, 1, 0) > 0
        order = axial_order(affine)
        mask = np.ascontiguousarray(order.apply(array))
        labels = clean_lungs(
            mask, axis_spacing_mm(order.apply_to_affine(affine, mask.shape))
        ).labels
        assert chest.dice(labels > 0, mask) > 0.98, file.name
        balance = (labels == 1).sum() / max(1, (labels == 2).sum())
        assert 0.9 < balance < 1.6, file.name  # the right lung is the larger one
