"""One data set without its patient: what goes, what stays as it was, and what is written anew."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes
from pydicom.uid import ImplicitVRLittleEndian, RLELossless

from groundglass.deidentification.dataset import deidentify_dataset
from groundglass.deidentification.identity import patient_of
from groundglass.deidentification.profiles import PROFILES
from groundglass.deidentification.secret_key import SecretKey, random_key
from groundglass.errors import UnreadableError

from ..io.dicom_builder import save
from .made_patient import SECRETS, STUDY, find_secrets, patient_slice

KEY = SecretKey(bytes(range(32)))
GEOMETRY = (
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "RescaleSlope",
    "RescaleIntercept",
    "Rows",
    "Columns",
    "BitsStored",
    "PixelRepresentation",
    "PixelData",
    "ConvolutionKernel",
    "InstanceNumber",
    "AcquisitionNumber",
    "BodyPartExamined",
)


def stored(folder: Path, dataset: Dataset, **kinds: str) -> Dataset:
    """The data set as it is read back from a file."""
    save(dataset, folder / "in.dcm", **kinds)
    return pydicom.dcmread(folder / "in.dcm")


@pytest.fixture(params=PROFILES)
def profile(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", ImplicitVRLittleEndian, RLELossless])
def test_nothing_names_the_patient(tmp_path: Path, profile: str, syntax: str) -> None:
    dataset = stored(tmp_path, patient_slice(), syntax=syntax)
    deidentify_dataset(dataset, KEY, PROFILES[profile])
    (tmp_path / "out").mkdir()
    dataset.save_as(tmp_path / "out" / "a.dcm")
    assert find_secrets(tmp_path / "out") == []
    assert len(find_secrets(tmp_path)) > len(SECRETS) - 2  # the input has them


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", ImplicitVRLittleEndian, RLELossless])
def test_what_stays_is_the_same_byte_by_byte(tmp_path: Path, profile: str, syntax: str) -> None:
    before = stored(tmp_path, patient_slice(), syntax=syntax)
    raw = {name: before.get_item(name).value for name in GEOMETRY}
    deidentify_dataset(before, KEY, PROFILES[profile])
    before.save_as(tmp_path / "out.dcm")
    after = pydicom.dcmread(tmp_path / "out.dcm")
    assert after.file_meta.TransferSyntaxUID == syntax
    assert {name: after.get_item(name).value for name in GEOMETRY} == raw


def test_basic_keeps_no_date_and_no_description(tmp_path: Path) -> None:
    dataset = stored(tmp_path, patient_slice())
    deidentify_dataset(dataset, KEY, PROFILES["basic"])
    assert dataset.StudyDate == ""
    assert dataset.ContentDate == "19000101"
    assert "StudyDescription" not in dataset
    assert "SeriesDate" not in dataset or dataset.SeriesDate == "19000101"
    assert "PatientAge" not in dataset
    assert dataset.PatientSex == ""
    assert dataset.LongitudinalTemporalInformationModified == "REMOVED"


def test_research_moves_dates_together_and_keeps_words_of_radiology(tmp_path: Path) -> None:
    dataset = stored(tmp_path, patient_slice())
    days = KEY.shift_days(patient_of(dataset))
    deidentify_dataset(dataset, KEY, PROFILES["research"])
    import datetime

    moved = (datetime.date(2021, 4, 17) + datetime.timedelta(days)).strftime("%Y%m%d")
    assert dataset.StudyDate == dataset.SeriesDate == dataset.ContentDate == moved
    assert dataset.AcquisitionDateTime == f"{moved}083000.5"
    assert dataset.StudyTime == "083000"
    assert dataset.PatientBirthDate == ""
    assert (dataset.PatientSex, dataset.PatientAge) == ("F", "074Y")
    assert dataset.StudyDescription == "CT Thorax 1mm"
    assert dataset.SeriesDescription == "Lung for"
    assert dataset.LongitudinalTemporalInformationModified == "MODIFIED"


def test_names_typed_into_other_fields_are_cut_out(tmp_path: Path) -> None:
    dataset = stored(tmp_path, patient_slice())
    assert deidentify_dataset(dataset, KEY, PROFILES["basic"]) == 3
    assert dataset.FilterType == "REMOVED"
    # "Quarkheim" is a word of the institution's name, the id stands alone.
    assert dataset.ManufacturerModelName == "Scanner of REMOVED REMOVED"


@pytest.mark.parametrize("charset", ["ISO_IR 192", "ISO_IR 100", "ISO 2022 IR 87"])
def test_names_and_texts_in_other_alphabets(tmp_path: Path, charset: str) -> None:
    """A name is found in the bytes of its character set; what stands around it stays whole."""
    name, around = ("山田", "東京") if charset == "ISO 2022 IR 87" else ("Größler", "Gerät")
    given = patient_slice()
    given.SpecificCharacterSet = charset if "2022" not in charset else ["", charset]
    given.PatientName = f"{name}^X"
    given.ManufacturerModelName = f"{around} {name} 2"
    given.FilterType = "FLAT"
    dataset = stored(tmp_path, given)
    deidentify_dataset(dataset, KEY, PROFILES["basic"])
    dataset.save_as(tmp_path / "out.dcm")
    after = pydicom.dcmread(tmp_path / "out.dcm")
    if charset != "ISO 2022 IR 87":  # its names are too short to be looked for
        assert after.ManufacturerModelName == f"{around} REMOVED 2"
    assert after.FilterType == "FLAT"
    assert str(after.PatientName).startswith("P-")


def test_uids_are_new_and_still_linked(tmp_path: Path) -> None:
    one, two = stored(tmp_path, patient_slice(0)), stored(tmp_path, patient_slice(1))
    for dataset in (one, two):
        deidentify_dataset(dataset, KEY, PROFILES["basic"])
    assert one.StudyInstanceUID == two.StudyInstanceUID == KEY.uid(STUDY)
    assert one.SOPInstanceUID != two.SOPInstanceUID
    assert one.SourceImageSequence[0].ReferencedSOPInstanceUID == two.SOPInstanceUID
    assert one.SOPClassUID == "1.2.840.10008.5.1.4.1.1.2"
    assert one.SourceImageSequence[0].ReferencedSOPClassUID == one.SOPClassUID
    assert one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID
    assert one.PatientID == two.PatientID == str(one.PatientName)


def test_another_key_gives_other_names(tmp_path: Path) -> None:
    one, two = stored(tmp_path, patient_slice()), stored(tmp_path, patient_slice())
    deidentify_dataset(one, KEY, PROFILES["basic"])
    deidentify_dataset(two, random_key(), PROFILES["basic"])
    assert one.PatientID != two.PatientID
    assert one.StudyInstanceUID != two.StudyInstanceUID


def test_it_says_what_was_done_in_the_standards_codes(tmp_path: Path) -> None:
    dataset = stored(tmp_path, patient_slice())
    deidentify_dataset(dataset, KEY, PROFILES["research"])
    assert dataset.PatientIdentityRemoved == "YES"
    assert "profile research" in dataset.DeidentificationMethod[0]
    written = {
        (item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning)
        for item in dataset.DeidentificationMethodCodeSequence
    }
    known = codes.cid7050
    asked = (
        known.BasicApplicationConfidentialityProfile,
        known.CleanDescriptorsOption,
        known.RetainLongitudinalTemporalInformationModifiedDatesOption,
        known.RetainPatientCharacteristicsOption,
    )
    assert written == {(code.value, code.scheme_designator, code.meaning) for code in asked}


def test_preamble_and_meta_are_made_anew(tmp_path: Path) -> None:
    save(patient_slice(), tmp_path / "in.dcm")
    data = bytearray((tmp_path / "in.dcm").read_bytes())
    data[:10] = b"Zorngiebel"
    (tmp_path / "in.dcm").write_bytes(data)
    dataset = pydicom.dcmread(tmp_path / "in.dcm")
    dataset.file_meta.SourceApplicationEntityTitle = "QUARKHEIM"
    deidentify_dataset(dataset, KEY, PROFILES["basic"])
    assert dataset.preamble == bytes(128)
    assert "SourceApplicationEntityTitle" not in dataset.file_meta


def test_private_unknown_curves_and_overlays_are_gone(tmp_path: Path) -> None:
    dataset = stored(tmp_path, patient_slice())
    deidentify_dataset(dataset, KEY, PROFILES["research"])
    groups = {tag.group for tag in dataset.keys()}  # noqa: SIM118
    assert not {group for group in groups if group % 2 or group >= 0x5000} - {0x7FE0}
    assert 0x00080FF1 not in dataset


def test_attribute_cut_short_is_refused(tmp_path: Path) -> None:
    save(patient_slice(), tmp_path / "in.dcm")
    whole = (tmp_path / "in.dcm").read_bytes()
    (tmp_path / "in.dcm").write_bytes(whole[:-100])
    dataset = pydicom.dcmread(tmp_path / "in.dcm")
    with pytest.raises(UnreadableError, match=r"860 of 960 bytes"):
        deidentify_dataset(dataset, KEY, PROFILES["basic"])


def test_patients_with_the_same_number_of_other_hospitals_stay_two(tmp_path: Path) -> None:
    one, two = patient_slice(), patient_slice()
    one.IssuerOfPatientID, two.IssuerOfPatientID = "A", "B"
    assert patient_of(one) != patient_of(two)
    del one.PatientID, two.PatientID
    assert patient_of(one) == patient_of(two)  # by name and birthday
    del one.PatientName, two.PatientName
    two.StudyInstanceUID = "1.2.3"
    assert patient_of(one) != patient_of(two)


@pytest.mark.parametrize("keyword", ["PatientID", "PatientName", "PatientBirthDate", "PatientSex"])
def test_what_the_scan_lacked_does_not_keep_it_from_being_whole(
    tmp_path: Path, profile: str, keyword: str
) -> None:
    given = patient_slice()
    delattr(given, keyword)
    dataset = stored(tmp_path, given)
    deidentify_dataset(dataset, KEY, PROFILES[profile])
    assert str(dataset.PatientName) == dataset.PatientID
    assert dataset.PatientID.startswith("P-")
    assert dataset.PatientBirthDate == ""
    assert "PatientSex" in dataset


def test_nested_text_and_empty_sequences(tmp_path: Path) -> None:
    given = patient_slice()
    given.ReferencedImageSequence = Sequence([])
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "T-D3000", "SRT", "Chest"
    item.LongCodeValue = "x"
    given.AnatomicRegionSequence = Sequence([item])
    dataset = stored(tmp_path, given)
    deidentify_dataset(dataset, KEY, PROFILES["basic"])
    assert dataset.AnatomicRegionSequence[0].CodeMeaning == "Chest"
    assert len(dataset.ReferencedImageSequence) == 0
