"""What a derived object takes over from the scan: patient, study, frame of reference.

Text is taken as it is. Dates, times and the sex are emptied where they are not valid: writers
refuse them, and an object must not fail because of a birth date nobody needs.
"""

from __future__ import annotations

import copy
import datetime
import io
import re
import warnings
from typing import Any

from pydicom import dcmread
from pydicom.charset import convert_encodings
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from groundglass.errors import OutputError

REQUIRED = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
"""Always there, empty where the scan has none (type 2 in every object)."""
FRAME_OF_REFERENCE = ("FrameOfReferenceUID", "PositionReferenceIndicator")
OPTIONAL = (
    "IssuerOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "OtherPatientIDs",
    "OtherPatientIDsSequence",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "LongitudinalTemporalInformationModified",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "PatientSpeciesDescription",
    "StudyDescription",
    "IssuerOfAccessionNumberSequence",
    "AdmissionID",
    "ClinicalTrialSponsorName",
    "ClinicalTrialProtocolID",
    "ClinicalTrialProtocolName",
    "ClinicalTrialSiteID",
    "ClinicalTrialSiteName",
    "ClinicalTrialSubjectID",
    "ClinicalTrialSubjectReadingID",
    "ClinicalTrialTimePointID",
    "ClinicalTrialTimePointDescription",
    "TimezoneOffsetFromUTC",
    *FRAME_OF_REFERENCE,
)
"""Taken over where the scan has them."""
UTF8 = "ISO_IR 192"


def inherited_from(header: Dataset, *, scan_id: str) -> Dataset:
    """Patient, study and frame of reference of a scan whose first image has this header.

    The character set is the scan's, or UTF-8 where that cannot hold what the scan says (a header
    whose set is missing or wrong). Raises: OutputError without a StudyInstanceUID.
    """
    out = Dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd values were met when the scan was read
        study_uid = str(header.get("StudyInstanceUID") or "")
        if not study_uid:
            raise OutputError(
                f"scan {scan_id!r} has no StudyInstanceUID",
                expected="a study that objects can be added to",
                remedy="Ask for --dicom none, or export the series again",
            )
        out.StudyInstanceUID = study_uid
        for keyword in (*REQUIRED, *OPTIONAL):
            element = _taken(header, keyword)
            if element is not None:
                out.add(element)
            elif keyword in REQUIRED:
                setattr(out, keyword, "")
        if out.get("FrameOfReferenceUID") and "PositionReferenceIndicator" not in out:
            out.PositionReferenceIndicator = ""
        _set_character_set(out, header)
    return out


def _taken(header: Dataset, keyword: str) -> DataElement | None:
    """A copy of the element, None where it is absent or cannot be used."""
    try:
        element = header[keyword]
        value = element.value
    except Exception:  # absent, or so damaged that it cannot be decoded
        return None
    if element.VR == "SQ":
        return copy.deepcopy(element)
    if element.VR == "PN":  # as text: a name keeps its bytes in the old character set otherwise
        value = str(value)
    elif (
        (element.VR == "DA" and not _is_date(value))
        or (element.VR == "TM" and not _is_time(value))
        or (keyword == "PatientSex" and value not in ("M", "F", "O"))
        or value is None
    ):
        value = ""
    return DataElement(element.tag, element.VR, value)


def _is_date(value: object) -> bool:
    try:
        datetime.datetime.strptime(str(value), "%Y%m%d")
    except ValueError:
        return False
    return True


def _is_time(value: object) -> bool:
    valid = r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?"
    return re.fullmatch(valid, str(value)) is not None


def _set_character_set(out: Dataset, header: Dataset) -> None:
    """The scan's own set where a file in it gives back the same texts."""
    declared = header.get("SpecificCharacterSet")
    if declared and _survives(out, declared):
        out.SpecificCharacterSet = declared
        return
    out.SpecificCharacterSet = UTF8


def _survives(out: Dataset, character_set: Any) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # an unknown set is taken for ASCII with a warning
            convert_encodings(character_set)
    except Exception:
        return False
    trial = copy.deepcopy(out)
    trial.SpecificCharacterSet = character_set
    trial.file_meta = FileMetaDataset()
    trial.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    stream = io.BytesIO()
    try:
        trial.save_as(stream, implicit_vr=False, little_endian=True)
        stream.seek(0)
        back = dcmread(stream, force=True)
        return all(str(back[element.tag].value) == str(element.value) for element in out)
    except Exception:  # the set cannot hold the text
        return False
