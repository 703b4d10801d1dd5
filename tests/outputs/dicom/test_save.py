"""A DICOM file is whole or absent."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from groundglass.errors import OutputError
from groundglass.outputs.dicom.save import save_dicom

from .made_objects import made_axial


def test_a_saved_object_is_read_as_dicom(tmp_path: Path) -> None:
    one = made_axial(tmp_path / "scan")
    dataset = Dataset()
    one.identity.put_on(dataset, "pdf", class_uid="1.2.840.10008.5.1.4.1.1.104.1")
    save_dicom(dataset, tmp_path / "a.dcm")
    assert pydicom.dcmread(tmp_path / "a.dcm").PatientID == "SECRET-ID"


def test_nothing_is_left_of_a_failure(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="could not be encoded"):
        save_dicom(Dataset(), tmp_path / "a.dcm")
    one = made_axial(tmp_path / "scan")
    dataset = Dataset()
    one.identity.put_on(dataset, "pdf", class_uid="1.2.840.10008.5.1.4.1.1.104.1")
    with pytest.raises(OutputError, match="could not be written"):
        save_dicom(dataset, tmp_path / "missing" / "a.dcm")
    assert [path.name for path in tmp_path.iterdir()] == ["scan"]
