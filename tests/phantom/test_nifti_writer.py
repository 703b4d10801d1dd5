from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from groundglass.errors import OutputError, SettingsError
from groundglass.geometry import LPS_FROM_RAS, reversed_axes_affine
from groundglass.phantom.chest import Phantom
from groundglass.phantom.nifti_writer import write_nifti, write_reference


def read(path: Path) -> tuple[np.ndarray, np.ndarray, nib.Nifti1Image]:
    """Array (D, H, W) and affine to LPS."""
    image = nib.load(path)
    assert isinstance(image, nib.Nifti1Image)
    affine = reversed_axes_affine(LPS_FROM_RAS @ np.asarray(image.affine))
    return np.asarray(image.dataobj).transpose(2, 1, 0), affine, image


@pytest.mark.parametrize("name", ["chest", "tilted"])
def test_hu_and_grid_come_back(tmp_path: Path, name: str, request: pytest.FixtureRequest) -> None:
    phantom: Phantom = request.getfixturevalue(name)
    write_nifti(phantom, tmp_path / "ct.nii.gz")
    array, affine, image = read(tmp_path / "ct.nii.gz")
    np.testing.assert_array_equal(array, phantom.volume.array)
    assert array.dtype == np.int16
    np.testing.assert_allclose(affine, phantom.volume.affine, atol=1e-4)
    assert int(image.header["sform_code"]) == 1
    assert int(image.header["qform_code"]) == (0 if name == "tilted" else 1)


def test_other_domains(tmp_path: Path, chest: Phantom) -> None:
    write_nifti(chest, tmp_path / "a.nii.gz", "hu+1024")
    write_nifti(chest, tmp_path / "b.nii.gz", "uint8")
    shifted = read(tmp_path / "a.nii.gz")[0]
    np.testing.assert_array_equal(shifted - 1024, chest.volume.array)
    assert shifted.min() >= 0
    windowed = read(tmp_path / "b.nii.gz")[0]
    assert windowed.dtype == np.uint8
    expected = np.clip((chest.volume.array + 1350.0) / 1500 * 255, 0, 255)
    np.testing.assert_allclose(windowed, expected, atol=0.51)
    with pytest.raises(SettingsError, match="domain"):
        write_nifti(chest, tmp_path / "c.nii.gz", "float")


def test_reference_is_complete(tmp_path: Path, chest: Phantom) -> None:
    write_reference(chest, tmp_path, written={"format": "dicom"})
    for name in ("lungs", "lesions"):
        array, affine, _ = read(tmp_path / f"{name}.nii.gz")
        np.testing.assert_array_equal(array, getattr(chest, name))
        np.testing.assert_allclose(affine, chest.volume.affine, atol=1e-4)
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert truth["lesions"] == chest.truth["lesions"]
    assert truth["labels"]["lungs.nii.gz"] == {"right_lung": 1, "left_lung": 2}
    assert truth["written"] == {"format": "dicom"}
    with pytest.raises(OutputError, match="written"):
        write_reference(chest, tmp_path / "absent")
