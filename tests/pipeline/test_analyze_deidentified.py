"""`analyze --deidentify`: not one byte of a result says who the patient is."""

from __future__ import annotations

import csv
import datetime
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from groundglass.deidentification.profiles import PROFILES
from groundglass.deidentification.scan import Deidentification, deidentified, scan_pseudonym
from groundglass.deidentification.secret_key import SecretKey
from groundglass.io.read import read_scan
from groundglass.phantom.chest import Phantom
from groundglass.phantom.nifti_writer import write_nifti
from groundglass.pipeline.analyze import AnalyzeOptions, analyze_scan
from groundglass.pipeline.cohort import analyze_cohort, plan_cohort
from groundglass.predictor.cascade import Cascade

from ..deidentification.made_patient import SECRETS, find_secrets, patient_slice

KEY = SecretKey(bytes(range(32)))
OLD = (*SECRETS, "1.2.826.0.1.3680043.8.498.")
"""Secrets, and the root of the phantom's own UIDs."""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, inputs: dict[str, Path]) -> Path:
    """The phantom's series as if it were the patient's, in a folder with her name."""
    folder = tmp_path_factory.mktemp("given") / "Zorngiebel_Adalberta"
    folder.mkdir()
    given = patient_slice()
    for path in inputs["dicom"].glob("*.dcm"):
        dataset = pydicom.dcmread(path)
        for name in ("PatientName", "PatientID", "StudyDescription", "SeriesDescription",
                     "StudyDate", "AccessionNumber", "InstitutionName"):  # fmt: skip
            setattr(dataset, name, getattr(given, name))
        dataset.save_as(folder / f"Zorngiebel_{path.name}")
    return folder


@pytest.fixture(params=PROFILES)
def options(request: pytest.FixtureRequest) -> AnalyzeOptions:
    how = Deidentification(PROFILES[request.param], KEY)
    return AnalyzeOptions(probability=True, pdf=True, deidentification=how)


def test_dicom(study: Path, tmp_path: Path, rule_cascade: Cascade, options: AnalyzeOptions) -> None:
    options = replace(options, dicom=("seg", "sr", "pdf", "sc"))
    analyze_scan(study, tmp_path / "out", rule_cascade, options=options)
    assert find_secrets(tmp_path / "out", OLD) == []
    for name in ("seg", "sr", "report", "sc-001"):
        made = pydicom.dcmread(tmp_path / "out" / "dicom" / f"{name}.dcm")
        assert made.PatientIdentityRemoved == "YES"
        assert made.PatientID.startswith("P-")
    assert dates_in(tmp_path / "out" / "dicom") <= {"", "19000101", study_date(study, options)}
    name = scan_pseudonym(KEY, "Zorngiebel_Adalberta")
    findings = json.loads((tmp_path / "out" / "findings.json").read_text())
    uid = pydicom.dcmread(next(study.glob("*.dcm"))).SeriesInstanceUID
    assert findings["scan"]["id"] == name
    assert findings["scan"]["series_uid"] == KEY.uid(uid)
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    profile = options.deidentification.profile.name  # type: ignore[union-attr]
    assert run["input"] == name
    assert run["finished"] is None
    assert run["deidentification"]["profile"] == profile
    report = (tmp_path / "out" / "report.html").read_text()
    assert "De-identification" in report
    assert profile in report
    assert "chin" in report


def dates_in(folder: Path) -> set[str]:
    """Every date in the DICOM objects of a folder, at any depth."""
    found = set()
    for path in folder.glob("*.dcm"):
        for element in pydicom.dcmread(path).iterall():
            if element.VR in ("DA", "DT"):
                found.add(str(element.value or "")[:8])
    return found


def study_date(study: Path, options: AnalyzeOptions) -> str:
    """As the profile gives it: moved, or none."""
    how = options.deidentification
    assert how is not None
    header = deidentified(read_scan(study), how).source.header["dataset"]
    assert bool(header.StudyDate) == how.profile.shift_dates
    return str(header.StudyDate)


def test_pages_name_neither_patient_nor_date(
    study: Path, tmp_path: Path, rule_cascade: Cascade, options: AnalyzeOptions
) -> None:
    """Their text is packed and by glyph numbers, so that a search in bytes finds nothing."""
    pdfium = pytest.importorskip("pypdfium2", reason="text of a PDF is read by pypdfium2")
    said = {}
    for name, how in (("clean", options), ("given", AnalyzeOptions(pdf=True))):
        analyze_scan(study, tmp_path / name, rule_cascade, options=replace(how, dicom=("pdf",)))
        made = pydicom.dcmread(tmp_path / name / "dicom" / "report.dcm")
        for source in (made.EncapsulatedDocument, tmp_path / name / "report.pdf"):
            document = pdfium.PdfDocument(source)
            pages = [page.get_textpage().get_text_range() for page in document]
            texts = (*document.get_metadata_dict().values(), *pages)
            said[name] = said.get(name, "") + "\n".join(texts)
            document.close()
    assert [secret for secret in OLD if secret in said["clean"]] == []
    assert "Adalberta" in said["given"]  # or the line above proves nothing
    assert datetime.date.today().isoformat() not in said["clean"]


def test_without_it_the_names_are_there(study: Path, tmp_path: Path, rule_cascade: Cascade) -> None:
    """The test above would find them."""
    analyze_scan(study, tmp_path / "out", rule_cascade)
    found = {secret for _, secret in find_secrets(tmp_path / "out", OLD)}
    assert found > {"Zorngiebel", "Adalberta", "1.2.826.0.1.3680043.8.498."}


def test_cohort(
    study: Path, tmp_path: Path, rule_cascade: Cascade, small_chest: Phantom, no_lung: Path,
    options: AnalyzeOptions, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """Several inputs: folders, table, and the reasons of a failure."""
    write_nifti(small_chest, tmp_path / "Adalberta.nii.gz")
    wall = Path(shutil.copy(no_lung, tmp_path / "Feldwebel.png"))
    given = [study, tmp_path / "Adalberta.nii.gz", wall]
    out = tmp_path / "out"
    jobs = plan_cohort(given, out, KEY)
    rows = analyze_cohort(jobs, out, lambda: rule_cascade, options=options)
    assert [row.status for row in rows] == ["done", "done", "failed"]
    assert find_secrets(out, OLD) == []
    with (out / "cohort.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    assert [row["scan_id"] for row in table] == [
        scan_pseudonym(KEY, name) for name in ("Zorngiebel_Adalberta", "Adalberta", "Feldwebel")
    ]
    assert [row["input"] for row in table] == [row["scan_id"] for row in table]
    assert "withheld" in table[2]["error"]
    assert "Feldwebel" in caplog.text  # the user is told what failed; a log is no result
    again = analyze_cohort(
        plan_cohort(given[:2], out, KEY), out, lambda: rule_cascade, options=options, resume=True
    )
    assert [row.status for row in again] == ["skipped", "skipped"]
    assert find_secrets(out, OLD) == []


@pytest.mark.parametrize("kind", ["dicom", "zip", "nifti", "png"])
def test_scan_keeps_values_and_grid_and_loses_the_rest(inputs: dict[str, Path], kind: str) -> None:
    volume = read_scan(inputs[kind])
    how = Deidentification(PROFILES["basic"], KEY)
    clean = deidentified(volume, how)
    assert clean.array is volume.array
    assert clean.affine.tolist() == volume.affine.tolist()
    assert clean.spacing_is_real == volume.spacing_is_real
    old, new = volume.source, clean.source
    assert new.path == ""
    assert new.description == ""
    assert new.scan_id == scan_pseudonym(KEY, old.scan_id)
    assert [bool(uid) for uid in new.slice_uids] == [bool(uid) for uid in old.slice_uids]
    assert not set(new.slice_uids) & set(old.slice_uids)
    assert not set(map(str, new.header.get("paths", ()))) - {""}
    if kind == "dicom":
        assert new.header["dataset"].PatientIdentityRemoved == "YES"
        assert new.header["dataset"].SeriesInstanceUID == new.series_uid
        assert old.header["dataset"].PatientID != new.header["dataset"].PatientID
        assert "PatientIdentityRemoved" not in old.header["dataset"]


def test_uids_in_sentences_are_replaced(inputs: dict[str, Path]) -> None:
    volume = read_scan(inputs["dicom"])
    said = replace(volume.source, choice="the next is series 1.2.840.99.5#2")
    how = Deidentification(PROFILES["basic"], KEY)
    clean = deidentified(replace(volume, source=said), how, scan_id="S-1")
    assert clean.source.choice == f"the next is series {KEY.uid('1.2.840.99.5')}#2"
    assert clean.source.scan_id == "S-1"
