"""Headers as they are: names in any script, wrong dates, missing character sets."""

from __future__ import annotations

import io

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from groundglass.outputs.dicom.inherited import REQUIRED, inherited_from


def header(**values: object) -> Dataset:
    out = Dataset()
    out.StudyInstanceUID = "1.2.3"
    for keyword, value in values.items():
        setattr(out, keyword, value)
    return out


def on_disk(dataset: Dataset) -> Dataset:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    stream = io.BytesIO()
    dataset.save_as(stream, implicit_vr=False, little_endian=True)
    stream.seek(0)
    return pydicom.dcmread(stream, force=True)


@pytest.mark.parametrize(
    ("character_set", "name", "kept"),
    [
        ("ISO_IR 100", "Müller^Jörg", True),
        ("ISO_IR 192", "Иванов^Пётр", True),
        ("ISO_IR 144", "Иванов^Иван", True),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎", True),
        ("ISO_IR 192", "王^小东", True),
        (None, "Smith^Anne", False),
        ("NO_SUCH_SET", "Smith^Anne", False),
    ],
)
def test_names_survive_in_the_scans_set_or_in_utf_8(
    character_set: object, name: str, kept: bool
) -> None:
    scan = header(PatientName=name)
    if character_set is not None:
        scan.SpecificCharacterSet = character_set
    source = on_disk(scan) if kept else scan
    out = inherited_from(source, scan_id="x")
    assert out.SpecificCharacterSet == (character_set if kept else "ISO_IR 192")
    assert str(on_disk(out).PatientName) == name


def test_what_the_set_cannot_hold_is_written_as_utf_8() -> None:
    scan = header(PatientName="Müller^Jörg", SpecificCharacterSet="ISO_IR 144")
    out = inherited_from(scan, scan_id="x")
    assert out.SpecificCharacterSet == "ISO_IR 192"
    assert str(on_disk(out).PatientName) == "Müller^Jörg"


@pytest.mark.filterwarnings("ignore:(Invalid value for VR|The value length)")
def test_values_that_are_not_valid_are_emptied_and_text_stays() -> None:
    out = inherited_from(
        header(
            PatientBirthDate="1.2.1950",
            StudyDate="20201301",
            StudyTime="1260",
            PatientSex="m",
            AccessionNumber="LONGER-THAN-16-CHARACTERS",
            PatientComments="gossip",
        ),
        scan_id="x",
    )
    assert not any(
        out[k].value for k in ("PatientBirthDate", "StudyDate", "StudyTime", "PatientSex")
    )
    assert out.AccessionNumber == "LONGER-THAN-16-CHARACTERS"
    assert "PatientComments" not in out
    assert all(keyword in out for keyword in REQUIRED)


def test_valid_dates_and_times_and_marks_of_deidentification_are_kept() -> None:
    code = Dataset()
    code.CodeValue = "113100"
    out = inherited_from(
        header(
            StudyDate="20200229",
            StudyTime="235959.123",
            PatientSex="F",
            PatientIdentityRemoved="YES",
            DeidentificationMethodCodeSequence=[code],
        ),
        scan_id="x",
    )
    assert (out.StudyDate, out.StudyTime, out.PatientSex) == ("20200229", "235959.123", "F")
    assert out.PatientIdentityRemoved == "YES"
    assert out.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    code.CodeValue = "changed"
    assert out.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
