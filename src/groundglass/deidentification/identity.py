"""Who the patient is, as far as a header says, and traces of that in attributes that stay."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from groundglass.deidentification.values import DUMMY_TEXT, WORDS

_NAMES = (
    "PatientName",
    "OtherPatientNames",
    "PatientBirthName",
    "PatientMotherBirthName",
    "ResponsiblePerson",
    "ReferringPhysicianName",
    "PerformingPhysicianName",
    "NameOfPhysiciansReadingStudy",
    "RequestingPhysician",
    "OperatorsName",
    "InstitutionName",
    "InstitutionalDepartmentName",
)
_IDS = (
    "PatientID",
    "OtherPatientIDs",
    "AccessionNumber",
    "PatientBirthDate",
    "PatientTelephoneNumbers",
    "PatientAddress",
    "AdmissionID",
)
_SHORTEST_NAME, _SHORTEST_ID = 3, 4
"""Shorter ones are found in half of all headers by chance."""
_SEARCHED = frozenset(("AE", "CS", "LO", "SH", "UC", "UR", "UN"))
_NOT_SEARCHED = (0x0028,)
"""Image pixel attributes: fixed terms, and without them nobody can read the pixels."""
_CHARACTER_SET = 0x00080005


def patient_of(dataset: Dataset) -> str:
    """What a patient's pseudonym and date shift are made from: the id with its issuer.

    Without an id: name and birthday; without these the study, so that strangers are never
    taken for one patient.
    """
    who = [_text(dataset, "PatientID"), _text(dataset, "IssuerOfPatientID")]
    if not who[0]:
        who = [_text(dataset, "PatientName"), _text(dataset, "PatientBirthDate")]
    if not who[0]:
        who = [_text(dataset, "StudyInstanceUID"), "study"]
    return "\n".join(who)


def _text(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    return "" if value is None else str(value).strip()


def identity_pattern(dataset: Dataset) -> re.Pattern[str] | None:
    """What finds the patient's, the physicians' and the hospital's names and numbers in a text.

    Names are found as whole words, numbers anywhere; short ones are not looked for, nor words of
    radiology (a clinic for the chest). None where the header has nothing to look for.
    """
    names = {
        word
        for text in _texts(dataset, _NAMES)
        for word in re.split(r"[\\^=\s.,]+", text)
        if len(word) >= _SHORTEST_NAME and word.lower() not in WORDS
    }
    ids = {
        part.strip()
        for text in _texts(dataset, _IDS)
        for part in text.split("\\")
        if len(part.strip()) >= _SHORTEST_ID
    }
    parts = [rf"(?<![^\W_]){re.escape(name)}(?![^\W_])" for name in sorted(names)]
    parts += [re.escape(number) for number in sorted(ids)]
    return re.compile("|".join(parts), re.IGNORECASE) if parts else None


def _texts(dataset: Dataset, keywords: tuple[str, ...]) -> Iterator[str]:
    """Values as they lie in the file, so that no character set can hide them."""
    for keyword in keywords:
        tag = tag_for_keyword(keyword)
        if tag is not None and tag in dataset:
            yield _raw_text(dataset.get_item(tag).value)


def _raw_text(value: object) -> str:
    """A stored value as text, one letter a byte; made-up headers hold values instead of bytes."""
    if isinstance(value, bytes):
        return value.decode("latin-1").strip("\0 ")
    if isinstance(value, list | tuple) or hasattr(value, "append"):
        return "\\".join(str(part) for part in value)  # type: ignore[union-attr]
    return "" if value is None else str(value)


def redact(dataset: Dataset, pattern: re.Pattern[str]) -> int:
    """Replace what `pattern` finds in the text attributes that are left; how many were changed."""
    changed = 0
    for tag in list(dataset.keys()):
        item = dataset.get_item(tag)
        vr = item.VR or dictionary_VR(tag)
        if vr == "SQ":
            changed += sum(redact(part, pattern) for part in dataset[tag].value)
        elif vr in _SEARCHED and tag.group not in _NOT_SEARCHED and tag != _CHARACTER_SET:
            text = _raw_text(item.value)
            if pattern.search(text):
                _put(dataset, tag, vr, pattern.sub(DUMMY_TEXT, text))
                changed += 1
    return changed


def _put(dataset: Dataset, tag: BaseTag, vr: str, text: str) -> None:
    """A new text in place of a stored one, in the bytes of whatever character set it is in."""
    item = dataset.get_item(tag)
    if vr == "UN":
        del dataset[tag]
    elif isinstance(item, RawDataElement) and isinstance(item.value, bytes):
        value = text.encode("latin-1")
        value += b" " * (len(value) % 2)
        dataset[tag] = item._replace(value=value, length=len(value))
    else:
        dataset[tag] = DataElement(tag, vr, text)
