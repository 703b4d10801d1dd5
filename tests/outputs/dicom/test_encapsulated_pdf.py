"""The PDF report as a DICOM object."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from groundglass.outputs.dicom.encapsulated_pdf import encapsulate_pdf, encapsulate_report
from groundglass.outputs.dicom.save import save_dicom

from .derived import Derived, dciodvfy_errors, derive


@pytest.fixture(scope="module")
def derived(case, tmp_path_factory: pytest.TempPathFactory) -> Derived:
    return derive(tmp_path_factory.mktemp("scan") / "series", case)


@pytest.fixture(scope="module")
def file(derived: Derived, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("object") / "report.dcm"
    save_dicom(encapsulate_report(derived.inputs, derived.identity), path)
    return path


def test_dciodvfy_has_no_errors(file: Path) -> None:
    assert dciodvfy_errors(file) == []


def test_the_pdf_comes_out_as_it_went_in(file: Path) -> None:
    dataset = pydicom.dcmread(file)
    data = dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength]
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")
    assert dataset.MIMETypeOfEncapsulatedDocument == "application/pdf"


def test_odd_length_is_padded(derived: Derived) -> None:
    for pdf in (b"%PDF-odd!", b"%PDF-even."):
        dataset = encapsulate_pdf(pdf, derived.identity, title="t", names_patient=False)
        assert len(dataset.EncapsulatedDocument) == 10
        assert dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength] == pdf
        assert dataset.BurnedInAnnotation == "NO"


def test_it_belongs_to_the_patient_and_names_its_sources(file: Path, derived: Derived) -> None:
    dataset = pydicom.dcmread(file)
    assert str(dataset.PatientName) == "Secret^Name"
    assert dataset.StudyInstanceUID == "1.2.3.4"
    assert dataset.SeriesInstanceUID != derived.inputs.volume.source.series_uid
    named = {item.ReferencedSOPInstanceUID for item in dataset.SourceInstanceSequence}
    assert named == set(derived.inputs.volume.source.slice_uids)
    assert dataset.BurnedInAnnotation == "YES"
    assert dataset.VerificationFlag == "UNVERIFIED"


def test_the_title_is_coded_and_says_what_it_is_not_for(file: Path) -> None:
    dataset = pydicom.dcmread(file)
    code: Dataset = dataset.ConceptNameCodeSequence[0]
    assert (code.CodeValue, code.CodingSchemeDesignator) == ("126000", "DCM")
    assert dataset.DocumentTitle.endswith("Research use only")


def test_the_pages_name_the_patient(file: Path) -> None:
    pdfium = pytest.importorskip("pypdfium2", reason="text of a PDF is read by pypdfium2")
    document = pdfium.PdfDocument(pydicom.dcmread(file).EncapsulatedDocument)
    for page in document:
        assert "Secret, Name · ID SECRET-ID" in page.get_textpage().get_text_range()
    document.close()
