from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from groundglass.io.phantom_mark import (
    MARKER,
    is_phantom_folder,
    is_phantom_header,
    read_marker,
)
from groundglass.io.read import read_scan
from groundglass.phantom.nifti_writer import write_array


def test_the_marker_counts_whatever_it_says(tmp_path: Path) -> None:
    assert not is_phantom_folder(tmp_path)
    assert read_marker(tmp_path) == {}
    for text, found in (('{"a": 1}', {"a": 1}), ("{", {}), ("[1]", {}), ("", {})):
        (tmp_path / MARKER).write_text(text)
        assert is_phantom_folder(tmp_path)
        assert read_marker(tmp_path) == found


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii"])
def test_the_header_of_a_phantom_tells(tmp_path: Path, name: str) -> None:
    hu = np.where(np.arange(4 * 8 * 8).reshape(4, 8, 8) % 2, 40, -900).astype(np.int16)
    write_array(tmp_path / "a.nii.gz", hu, np.eye(4))
    plain = nib.Nifti1Image(hu, np.eye(4))
    nib.save(plain, tmp_path / "patient.nii")
    if name == "a.nii":
        nib.save(nib.load(tmp_path / "a.nii.gz"), tmp_path / name)  # unpacked by another hand
    assert is_phantom_header(read_scan(tmp_path / name).source.header)
    assert not is_phantom_header(read_scan(tmp_path / "patient.nii").source.header)
    assert not is_phantom_header({})  # no NIfTI


def test_a_phantom_in_dicom_tells_too(tmp_path: Path) -> None:
    from groundglass.phantom.chest import make_phantom
    from groundglass.phantom.dicom_writer import write_dicom_series
    from groundglass.phantom.settings import PhantomSettings

    write_dicom_series(make_phantom(PhantomSettings(shape=(4, 32, 32))), tmp_path / "dicom")
    header = read_scan(tmp_path / "dicom").source.header
    assert is_phantom_header(header)
    header["dataset"].ManufacturerModelName = "Scanner"
    assert not is_phantom_header(header)
