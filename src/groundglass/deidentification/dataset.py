"""A DICOM data set without the patient: every attribute by its action, marked as de-identified."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement, empty_value_for_VR
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

import groundglass
from groundglass.deidentification.actions import Action, action_for
from groundglass.deidentification.identity import identity_pattern, patient_of, redact
from groundglass.deidentification.profiles import TABLE, Profile
from groundglass.deidentification.secret_key import SecretKey
from groundglass.deidentification.values import cap_age, clean_words, dummy_value, shift_date
from groundglass.errors import UnreadableError

_UNBOUND = frozenset(("LT", "PN", "ST", "UR", "UT"))
"""Names, links and free text: removed also where the table does not know the attribute."""
_BYTES = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "OB or OW", "UN"))
_IMAGE_GROUPS = (0x0028, 0x7FE0)
"""Where bytes are pixels and their lookup tables; elsewhere nobody knows what they hold."""
_STANDARD_UIDS = "1.2.840.10008."
_UNDEFINED = 0xFFFFFFFF
_PATIENT_AGE = 0x00101010


@dataclass(frozen=True)
class _Job:
    key: SecretKey
    profile: Profile
    pseudonym: str
    days: int


def _patient_pseudonym(key: SecretKey, patient: str) -> str:
    """The name and id that stand for a patient (`identity.patient_of`)."""
    return f"P-{key.pseudonym('patient', patient)}"


def deidentify_dataset(dataset: Dataset, key: SecretKey, profile: Profile) -> int:
    """De-identify a data set and its file meta information in place.

    What stays, stays as stored, byte by byte: geometry, rescale and pixels are not decoded.
    Private attributes, curves, overlays, unknown attributes and free text are removed. Returns
    how many attributes that stay held a name or number of the patient, which was cut out.
    Source: DICOM PS3.15, annex E. Raises: UnreadableError where an attribute is cut short.
    """
    patient = patient_of(dataset)
    traces = identity_pattern(dataset)
    days = key.shift_days(patient)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd values in what is to be removed
        pseudonym = _patient_pseudonym(key, patient)
        _clean(dataset, _Job(key, profile, pseudonym, days))
        _name(dataset, pseudonym)
        changed = redact(dataset, traces) if traces else 0
        _mark(dataset, profile)
        _new_meta(dataset)
    return changed


def _clean(dataset: Dataset, job: _Job) -> None:
    for tag in list(dataset.keys()):
        # Unknown are curves and overlays (groups of their own, 50xx and 60xx) and whatever a
        # later standard adds; group lengths (element 0) no longer hold.
        if tag.is_private or tag.element == 0 or not dictionary_has_tag(tag):
            del dataset[tag]
            continue
        _check_whole(dataset, tag)
        vr = _representation(dataset, tag)
        action = action_for(tag, vr, job.profile)
        if action is None and vr == "SQ":
            if dataset[tag].VR == "SQ":
                for item in dataset[tag].value or ():
                    _clean(item, job)
                continue
            action = Action.REMOVE  # bytes that pydicom cannot take apart
        if action is None:
            unknown = vr in _UNBOUND or (vr in _BYTES and tag.group not in _IMAGE_GROUPS)
            action = Action.REMOVE if unknown else Action.KEEP
        _apply(dataset, tag, vr, action, job)


def _check_whole(dataset: Dataset, tag: BaseTag) -> None:
    """An attribute cut short by the file's end may have swallowed all that came after it."""
    item = dataset.get_item(tag)
    if not (isinstance(item, RawDataElement) and isinstance(item.value, bytes)):
        return
    if len(item.value) < item.length != _UNDEFINED:
        raise UnreadableError(f"attribute {tag} has {len(item.value)} of {item.length} bytes")


def _representation(dataset: Dataset, tag: BaseTag) -> str:
    """The value representation as stored, or the dictionary's where none is."""
    stored = dataset.get_item(tag).VR
    return dictionary_VR(tag) if stored in (None, "UN") else str(stored)


def _apply(dataset: Dataset, tag: BaseTag, vr: str, action: Action, job: _Job) -> None:
    if action is Action.KEEP:
        if tag == _PATIENT_AGE:
            dataset[tag] = DataElement(tag, vr, cap_age(str(dataset[tag].value or "")))
        return
    if action is Action.REMOVE:
        del dataset[tag]
        return
    if action is Action.EMPTY:
        value = [] if vr == "SQ" else empty_value_for_VR(vr)
    elif action is Action.PATIENT:
        value = job.pseudonym
    elif action is Action.UID:
        value = _mapped(_values(dataset, tag), job.key)
    elif action is Action.SHIFT:
        value = [shift_date(text, vr, job.days) for text in _values(dataset, tag)]
    elif action is Action.WORDS:
        value = clean_words(" ".join(_values(dataset, tag)))
    else:
        value = _mapped(_values(dataset, tag), job.key) if vr == "UI" else dummy_value(vr)
        if value is None:
            del dataset[tag]
            return
    dataset[tag] = DataElement(tag, vr, value)


def _values(dataset: Dataset, tag: BaseTag) -> list[str]:
    value = dataset[tag].value
    if value is None or value == "":
        return []
    return [str(value)] if isinstance(value, str) else [str(part) for part in _listed(value)]


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple | MultiValue) else [value]


def _mapped(uids: list[str], key: SecretKey) -> list[str]:
    """New UIDs; those that DICOM itself gives a meaning stay."""
    return [uid if uid.startswith(_STANDARD_UIDS) else key.uid(uid) for uid in uids if uid]


def _name(dataset: Dataset, pseudonym: str) -> None:
    """The pseudonym also where the scan had no id or name, and what else each image must have."""
    dataset.PatientID = dataset.PatientName = pseudonym
    for keyword in ("PatientBirthDate", "PatientSex"):
        if keyword not in dataset:
            setattr(dataset, keyword, "")


def _mark(dataset: Dataset, profile: Profile) -> None:
    """Say that, by which profile and with what done to dates it was de-identified (PS3.15 E.1)."""
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = [
        f"Groundglass {groundglass.__version__}, profile {profile.name}",
        f"DICOM PS3.15 table E.1-1, {TABLE}",
    ]
    codes = []
    for value, meaning in profile.codes:
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
        codes.append(code)
    dataset.DeidentificationMethodCodeSequence = Sequence(codes)
    dataset.LongitudinalTemporalInformationModified = (
        "MODIFIED" if profile.shift_dates else "REMOVED"
    )


def _new_meta(dataset: Dataset) -> None:
    """File meta information anew: the old one names machines; its preamble may hold anything."""
    old = getattr(dataset, "file_meta", None) or FileMetaDataset()
    syntax = old.get("TransferSyntaxUID")
    if not syntax:
        implicit = dataset.original_encoding[0]
        syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(str(syntax))
    meta.MediaStorageSOPClassUID = UID(
        str(dataset.get("SOPClassUID") or old.get("MediaStorageSOPClassUID", ""))
    )
    meta.MediaStorageSOPInstanceUID = UID(str(dataset.get("SOPInstanceUID", "")))
    dataset.file_meta = meta
    dataset.preamble = b"\0" * 128
