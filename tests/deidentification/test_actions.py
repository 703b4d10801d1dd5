"""The action of an attribute, as table E.1-1 of PS3.15 says, and as the options change it."""

from __future__ import annotations

import pytest
from pydicom.datadict import dictionary_VR, tag_for_keyword

from groundglass.deidentification.actions import Action, action_for
from groundglass.deidentification.profiles import PROFILES, find_profile
from groundglass.errors import SettingsError


def action(keyword: str, profile: str = "basic") -> Action | None:
    tag = tag_for_keyword(keyword)
    assert tag is not None
    return action_for(tag, dictionary_VR(tag), PROFILES[profile])


@pytest.mark.parametrize(
    ("keyword", "expected"),
    [  # with the letters of the standard's table
        ("AccessionNumber", Action.EMPTY),  # Z
        ("AcquisitionComments", Action.REMOVE),  # X
        ("AcquisitionDate", Action.EMPTY),  # X/Z
        ("AcquisitionDateTime", Action.DUMMY),  # X/Z/D
        ("AcquisitionDeviceProcessingDescription", Action.DUMMY),  # X/D
        ("ClinicalTrialProtocolID", Action.DUMMY),  # D
        ("ContentDate", Action.DUMMY),  # Z/D
        ("ConcatenationUID", Action.UID),  # U
        ("PatientAge", Action.REMOVE),
        ("PatientBirthDate", Action.EMPTY),
        ("DigitalSignaturesSequence", Action.REMOVE),
        ("IconImageSequence", Action.REMOVE),
        ("SourceImageSequence", None),  # X/Z/U*: cleaned inside
        ("DateOfGainCalibration", Action.EMPTY),  # not in the table, and yet a date
        ("PixelSpacing", None),
        ("ConvolutionKernel", None),
        ("ImagePositionPatient", None),
    ],
)
def test_basic(keyword: str, expected: Action | None) -> None:
    assert action(keyword) is expected


@pytest.mark.parametrize(
    ("keyword", "profile", "expected"),
    [
        ("StudyDate", "longitudinal", Action.SHIFT),
        ("AcquisitionDateTime", "longitudinal", Action.SHIFT),
        ("PatientBirthDate", "research", Action.EMPTY),
        ("PatientAge", "longitudinal", Action.REMOVE),
        ("PatientAge", "research", Action.KEEP),
        ("EthnicGroup", "research", Action.REMOVE),
        ("SeriesDescription", "longitudinal", Action.REMOVE),
        ("SeriesDescription", "research", Action.WORDS),
        ("ImageComments", "research", Action.REMOVE),
        ("DeviceSerialNumber", "research", Action.DUMMY),
        ("StudyInstanceUID", "research", Action.UID),
        ("PatientID", "research", Action.PATIENT),
    ],
)
def test_options(keyword: str, profile: str, expected: Action) -> None:
    assert action(keyword, profile) is expected


def test_no_option_loosens_what_names_the_patient() -> None:
    named = ("PatientName", "PatientID", "OtherPatientIDs", "PatientAddress", "OperatorsName",
             "InstitutionName", "AccessionNumber", "PatientComments", "StationName")  # fmt: skip
    for keyword in named:
        assert action(keyword, "research") is action(keyword, "basic") is not Action.KEEP


def test_unknown_profile_is_named_with_those_there_are() -> None:
    with pytest.raises(SettingsError, match=r"'hipaa' is unknown; expected one of basic, long"):
        find_profile("hipaa")
