"""Whose report it is, for a PDF that travels with the patient's other objects."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from groundglass.volume import Volume


@dataclass(frozen=True)
class Subject:
    """Patient and study as the scan names them; '' where it does not."""

    name: str = ""
    patient_id: str = ""
    birth_date: str = ""
    sex: str = ""
    study_date: str = ""
    accession_number: str = ""

    def rows(self) -> list[tuple[str, str]]:
        """Name and value of all that is known."""
        known = [
            ("Patient", self.name),
            ("ID", self.patient_id),
            ("Born", self.birth_date),
            ("Sex", self.sex),
            ("Study of", self.study_date),
            ("Accession", self.accession_number),
        ]
        return [(name, value) for name, value in known if value]


def subject_of(volume: Volume) -> Subject | None:
    """Patient and study from the scan's DICOM header; None for scans that are no DICOM.

    A name's alphabetic form comes first, and its ideographic or phonetic one in brackets.
    """
    header: Mapping[str, Any] | None = volume.source.header.get("dataset")
    if header is None:
        return None
    return Subject(
        name=_name(header.get("PatientName")),
        patient_id=_text(header.get("PatientID")),
        birth_date=_date(header.get("PatientBirthDate")),
        sex={"M": "male", "F": "female", "O": "other"}.get(_text(header.get("PatientSex")), ""),
        study_date=_date(header.get("StudyDate")),
        accession_number=_text(header.get("AccessionNumber")),
    )


def _name(value: Any) -> str:
    """'Family, Given' from a person name's components, as DICOM orders them."""
    groups = []
    for group in _text(value).split("="):
        family, *rest = [part.strip() for part in group.split("^")]
        given = " ".join(part for part in rest if part)
        whole = ", ".join(part for part in (family, given) if part)
        if whole:
            groups.append(whole)
    if not groups:
        return ""
    return groups[0] + (f" ({'; '.join(groups[1:])})" if len(groups) > 1 else "")


def _date(value: Any) -> str:
    """'2020-03-14' from '20200314'; as it stands where it is no date."""
    text = _text(value)
    try:
        return datetime.datetime.strptime(text, "%Y%m%d").date().isoformat()
    except ValueError:
        return text


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()
