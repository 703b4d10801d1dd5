"""NIfTI, NRRD, MetaImage: every orientation there and back, and what is refused."""

from __future__ import annotations

from itertools import permutations, product

import nibabel
import nrrd
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundglass.errors import (
    GeometryError,
    InputError,
    IntensityError,
    MissingExtraError,
    UnreadableError,
)
from groundglass.geometry import LPS_FROM_RAS, reversed_axes_affine
from groundglass.io.read import read_mask, read_scan

from .dicom_builder import chest, rotation

ORIENTATIONS = [
    np.eye(3)[:, list(order)] * np.array(signs)
    for order in permutations(range(3))
    for signs in product((1.0, -1.0), repeat=3)
]
QUICK = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
GRIDS = {
    "turn": st.sampled_from(ORIENTATIONS),
    "angles": st.tuples(*[st.floats(-40, 40)] * 3),
    "steps": st.tuples(*[st.floats(0.3, 6.0)] * 3),
    "shape": st.tuples(*[st.integers(1, 7)] * 3),
}
HU = chest((9, 14, 12)).T  # (i, j, k), as files have it


def ras_affine(turn, angles, steps) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = rotation(angles) @ turn @ np.diag(steps)
    affine[:3, 3] = (31.0, -17.0, 240.0)
    return affine


def write_nifti(path, array_dhw, affine_lps) -> None:
    """What a writer of masks has to do: the input's index order and frame again."""
    affine = LPS_FROM_RAS @ reversed_axes_affine(affine_lps)
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(array_dhw.T), affine), path)


@QUICK
@given(**GRIDS)
def test_nifti_grid_survives_the_way_there_and_back(tmp_path, turn, angles, steps, shape):
    affine = ras_affine(turn, angles, steps)
    labels = np.random.default_rng(0).integers(0, 3, shape).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(labels, affine), tmp_path / "in.nii")
    array, lps = read_mask(tmp_path / "in.nii")
    assert array.shape == shape[::-1]
    write_nifti(tmp_path / "out.nii", array, lps)
    one, two = nibabel.load(tmp_path / "in.nii"), nibabel.load(tmp_path / "out.nii")
    np.testing.assert_array_equal(np.asarray(one.dataobj), np.asarray(two.dataobj))
    np.testing.assert_allclose(one.affine, two.affine, atol=1e-4)


@pytest.mark.parametrize("number", range(48))
def test_all_orientations_become_axial_the_same(tmp_path, number):
    """A scan stored along any axes is the same scan once it stands axial."""
    turn = ORIENTATIONS[number]
    reference = ras_affine(np.diag([-1.0, -1, 1]), (0, 0, 0), (0.7, 0.8, 2.0))
    to_axes = np.eye(4)
    to_axes[:3, :3] = np.linalg.inv(reference[:3, :3] / (0.7, 0.8, 2.0)) @ turn
    order = np.abs(to_axes[:3, :3]).argmax(axis=0)
    data = np.transpose(HU, order)
    for axis in range(3):
        sign = to_axes[order[axis], axis]
        to_axes[order[axis], 3] = HU.shape[order[axis]] - 1 if sign < 0 else 0
        data = np.flip(data, axis) if sign < 0 else data
    nibabel.save(nibabel.Nifti1Image(data, reference @ to_axes), tmp_path / "a.nii")
    volume, order = read_scan(tmp_path / "a.nii").to_axial()
    np.testing.assert_array_equal(volume.array, HU.T)
    np.testing.assert_allclose(
        volume.affine, reversed_axes_affine(LPS_FROM_RAS @ reference), atol=1e-4
    )


@QUICK
@given(**GRIDS, frame=st.sampled_from(["RAS", "LPS", "LAS"]))
def test_nrrd_is_where_its_header_says(tmp_path, turn, angles, steps, shape, frame):
    affine = ras_affine(turn, angles, steps)
    signs = {"RAS": (1, 1, 1), "LPS": (-1, -1, 1), "LAS": (-1, 1, 1)}[frame]
    names = {
        "RAS": "right-anterior-superior",
        "LPS": "left-posterior-superior",
        "LAS": "left-anterior-superior",
    }
    own = np.diag([*signs, 1.0]) @ affine
    labels = np.random.default_rng(0).integers(0, 3, shape).astype(np.uint8)
    header = {"space": names[frame], "space directions": own[:3, :3].T, "space origin": own[:3, 3]}
    nrrd.write(str(tmp_path / "a.nrrd"), labels, header)
    array, lps = read_mask(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(array, labels.T)
    np.testing.assert_allclose(lps, reversed_axes_affine(LPS_FROM_RAS @ affine), atol=1e-6)


def test_metaimage_and_nrrd_agree_with_simpleitk(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    image = sitk.GetImageFromArray(HU.T)
    image.SetSpacing((0.7, 0.8, 2.0))
    image.SetOrigin((5.0, 6.0, 7.0))
    image.SetDirection(rotation((10.0, 20.0, 30.0)).reshape(-1).tolist())
    volumes = []
    for name in ("a.mha", "a.mhd", "a.nrrd", "a.nii.gz"):
        sitk.WriteImage(image, str(tmp_path / name))
        volumes.append(read_scan(tmp_path / name))
    place = image.TransformIndexToPhysicalPoint((3, 4, 5))
    for volume in volumes:
        np.testing.assert_array_equal(volume.array, HU.T)
        np.testing.assert_allclose(volume.affine @ (5, 4, 3, 1), (*place, 1), atol=1e-4)
    (tmp_path / "b.mha").write_text("no")
    with pytest.raises(UnreadableError):
        read_scan(tmp_path / "b.mha")


def test_metaimage_without_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "SimpleITK", None)
    (tmp_path / "a.mha").write_text("x")
    with pytest.raises(MissingExtraError, match=r"groundglass\[formats\]"):
        read_scan(tmp_path / "a.mha")


def nifti(path, data, **codes):
    image = nibabel.Nifti1Image(data, np.diag([1.5, 1.5, 2.0, 1.0]))
    if codes:
        image.header.set_sform(None, code=codes["sform"])
        image.header.set_qform(None, code=codes["qform"])
        image._affine = None
    nibabel.save(image, path)
    return path


def test_trailing_axis_of_one_is_dropped_and_time_refused(tmp_path):
    assert read_scan(nifti(tmp_path / "a.nii", HU[..., None])).shape == HU.shape[::-1]
    with pytest.raises(UnreadableError, match="three axes"):
        read_scan(nifti(tmp_path / "b.nii", np.stack([HU, HU], axis=-1)))
    colors = np.zeros(HU.shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colors, np.eye(4)), tmp_path / "c.nii")
    with pytest.raises(UnreadableError, match="colors"):
        read_scan(tmp_path / "c.nii")


def test_no_orientation_is_said(tmp_path):
    image = nibabel.Nifti1Image(HU, None)
    image.header.set_zooms((0.7, 0.7, 3.0))
    nibabel.save(image, tmp_path / "a.nii.gz")
    volume = read_scan(tmp_path / "a.nii.gz")
    assert [finding.code for finding in volume.source.findings] == ["no_affine"]
    assert volume.spacing_mm == pytest.approx((3.0, 0.7, 0.7))
    assert volume.spacing_is_real
    nrrd.write(str(tmp_path / "b.nrrd"), HU)
    volume = read_scan(tmp_path / "b.nrrd")
    assert volume.source.findings[0].code == "no_affine"
    assert not volume.spacing_is_real


def test_scaled_nifti_is_unscaled(tmp_path):
    image = nibabel.Nifti1Image((HU + 10) * 2, np.eye(4))
    image.header.set_slope_inter(0.5, -10)
    nibabel.save(image, tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read_scan(tmp_path / "a.nii.gz").array, HU.T)


def test_bad_files(tmp_path):
    nan = HU.astype(np.float32)
    nan[0, 0, 0] = np.nan
    with pytest.raises(IntensityError, match="NaN"):
        read_scan(nifti(tmp_path / "nan.nii", nan))
    whole = nifti(tmp_path / "a.nii.gz", HU).read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.nii").write_text("hello")
    (tmp_path / "empty.nrrd").write_bytes(b"")
    nrrd.write(str(tmp_path / "c.nhdr"), HU)
    next(path for path in tmp_path.iterdir() if path.name.startswith("c.raw")).unlink()
    for name in ("cut.nii.gz", "text.nii", "empty.nrrd", "c.nhdr"):
        with pytest.raises(UnreadableError, match=name):
            read_scan(tmp_path / name)
    header = {"space": "LPS", "space directions": np.zeros((3, 3)), "space origin": [0, 0, 0]}
    nrrd.write(str(tmp_path / "zero.nrrd"), HU, header)
    with pytest.raises(GeometryError):
        read_scan(tmp_path / "zero.nrrd")


def test_masks_must_be_whole_labels(tmp_path):
    with pytest.raises(InputError, match="fractions"):
        read_mask(nifti(tmp_path / "a.nii", HU.astype(np.float32) / 3))
    array, _ = read_mask(nifti(tmp_path / "b.nii", (HU > 0).astype(np.float64)))
    assert array.dtype == np.uint8
    assert read_mask(nifti(tmp_path / "c.nii", HU.astype(np.int16)))[0].dtype == np.int32
