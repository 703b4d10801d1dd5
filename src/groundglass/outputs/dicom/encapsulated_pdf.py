"""The PDF report as a DICOM object, so that the archive keeps it beside the scan."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage

from groundglass.outputs.dicom.identity import RESEARCH_USE, Identity, plain
from groundglass.outputs.pdf import render_pdf, subject_of
from groundglass.outputs.report.inputs import ReportInputs

_TITLE = ("126000", "DCM", "Imaging Measurement Report")
"""Not LOINC's 'Diagnostic imaging report': archives file that as a radiologist's word."""


def encapsulate_report(inputs: ReportInputs, identity: Identity) -> Dataset:
    """The report with patient and study on every page, as an Encapsulated PDF.

    Raises: OutputError where patient or study cannot be named.
    """
    return encapsulate_pdf(
        render_pdf(inputs, subject=subject_of(inputs.volume)),
        identity,
        title=f"Groundglass chest CT report, {inputs.findings.scan.id}",
        names_patient=True,
    )


def encapsulate_pdf(pdf: bytes, identity: Identity, *, title: str, names_patient: bool) -> Dataset:
    """Any PDF as an Encapsulated PDF of this run; it refers to the source images.

    `title`: for people; characters outside ASCII become '?'. `names_patient`: whether its pages
    tell patient and date.
    """
    dataset = Dataset()
    dataset.Modality = "DOC"
    dataset.ConversionType = "WSD"
    dataset.AcquisitionDateTime = ""
    dataset.BurnedInAnnotation = "YES" if names_patient else "NO"
    dataset.DocumentTitle = plain(f"{title} - {RESEARCH_USE}")[:1024]
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = _TITLE
    dataset.ConceptNameCodeSequence = [code]
    dataset.VerificationFlag = "UNVERIFIED"
    dataset.SourceInstanceSequence = identity.source_items()
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocumentLength = len(pdf)
    dataset.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    identity.put_on(dataset, "pdf", class_uid=EncapsulatedPDFStorage)
    return dataset
