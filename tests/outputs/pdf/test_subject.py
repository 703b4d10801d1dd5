"""Patient and study as the header names them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydicom.dataset import Dataset

from groundglass.outputs.pdf.subject import Subject, subject_of


def with_header(case, **values: str):
    header = Dataset()
    for keyword, value in values.items():
        setattr(header, keyword, value)
    source = replace(case.volume.source, kind="dicom", header={"dataset": header})
    return replace(case.volume, source=source)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("Doe^Jane", "Doe, Jane"),
        ("Doe^Jane^Q^Dr^MD", "Doe, Jane Q Dr MD"),
        ("Wang^XiaoDong=王^小東", "Wang, XiaoDong (王, 小東)"),
        ("=王^小東", "王, 小東"),
        ("Anonymous", "Anonymous"),
        ("^^", ""),
        ("", ""),
    ],
)
def test_names(case, value: str, name: str) -> None:
    subject = subject_of(with_header(case, PatientName=value))
    assert subject is not None
    assert subject.name == name


def test_dates_and_sex_are_for_people(case) -> None:
    volume = with_header(
        case, PatientBirthDate="19640229", PatientSex="F", StudyDate="20200314", PatientID=" A1 "
    )
    assert subject_of(volume) == Subject(
        patient_id="A1", birth_date="1964-02-29", sex="female", study_date="2020-03-14"
    )


def test_what_is_unknown_has_no_row(case) -> None:
    subject = subject_of(with_header(case, PatientID="A1"))
    assert subject is not None
    assert subject.rows() == [("ID", "A1")]


def test_other_scans_have_no_subject(case) -> None:
    assert subject_of(case.volume) is None
