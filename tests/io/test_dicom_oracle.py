"""Independent readers and real scans: the same values at the same place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from groundglass.io.read import read_scan
from groundglass.volume import Volume

from .dicom_builder import chest, grid, write_series


def _same_at_physical_points(volume: Volume, array: np.ndarray, affine: np.ndarray) -> None:
    """Every voxel of ours has the value of the other's voxel at its place, in LPS mm."""
    index = np.indices(volume.shape).reshape(3, -1)
    index = np.vstack([index, np.ones((1, index.shape[1]))])
    other = np.linalg.solve(affine, volume.affine @ index)[:3]
    rounded = np.rint(other).astype(int)
    assert np.abs(other - rounded).max() < 1e-2
    np.testing.assert_array_equal(array[tuple(rounded)], volume.array.reshape(-1))


ORACLE_GRIDS = {
    "axial": grid(),
    "coronal": grid(order=(1, 2, 0)),
    "sagittal": grid(order=(0, 2, 1)),
    "oblique": grid((12.0, -25.0, 8.0)),
    "feet first": grid((0.0, 180.0, 0.0)),
}


@pytest.mark.parametrize("name", ORACLE_GRIDS)
def test_simpleitk_sees_the_same_at_the_same_place(tmp_path, name):
    sitk = pytest.importorskip("SimpleITK")
    write_series(tmp_path, chest(), ORACLE_GRIDS[name])
    image = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path)))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) @ np.diag(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    array = sitk.GetArrayFromImage(image).T
    _same_at_physical_points(read_scan(tmp_path), array, affine)


@pytest.mark.parametrize("name", ["axial", "coronal", "oblique"])
def test_dcm2niix_sees_the_same_at_the_same_place(tmp_path, name):
    import nibabel

    program = Path(sys.executable).with_name("dcm2niix")
    if not program.exists():
        pytest.skip("dcm2niix is not installed")
    source, out = tmp_path / "in", tmp_path / "out"
    out.mkdir()
    write_series(source, chest(), ORACLE_GRIDS[name])
    subprocess.run([program, "-b", "n", "-o", out, source], check=True, capture_output=True)
    image = nibabel.load(next(out.glob("*.nii")))
    affine = np.diag([-1.0, -1, 1, 1]) @ image.affine
    _same_at_physical_points(read_scan(source), np.asarray(image.dataobj), affine)


def test_real_series_equals_the_nrrd_of_it(cip_dir):
    series, nrrd = read_scan(cip_dir / "ct-64Dicom"), read_scan(cip_dir / "ct-64.nrrd")
    np.testing.assert_array_equal(series.array, nrrd.array)
    np.testing.assert_allclose(series.affine, nrrd.affine, atol=1e-3)


@pytest.mark.data
def test_real_jpeg_lossless_series(data_dir):
    folder = data_dir / "covid-ct-md" / "normal001"
    if not folder.is_dir():
        pytest.skip("covid-ct-md/normal001 is absent")
    volume = read_scan(folder)
    assert volume.shape == (154, 512, 512)
    assert volume.spacing_mm == pytest.approx((2.0, 0.634765625, 0.634765625))
    assert volume.intensity.found == "header"
    assert volume.source.findings == ()
