"""DICOM objects of a whole run: by default, asked for, refused before the long work, or undone."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pydicom
import pytest

from groundglass.errors import OutputError, SettingsError
from groundglass.outputs.dicom import write
from groundglass.phantom.chest import Phantom
from groundglass.phantom.dicom_writer import DicomOptions, write_dicom_series
from groundglass.pipeline.analyze import AnalyzeOptions, analyze_scan
from groundglass.predictor.cascade import Cascade


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_dicom_gets_the_default_kinds(
    tmp_path: Path, rule_cascade: Cascade, inputs: dict[str, Path]
) -> None:
    out = tmp_path / "out"
    analysis = analyze_scan(inputs["zip"], out, rule_cascade)
    files = ["dicom/seg.dcm", "dicom/sr.dcm", "dicom/report.dcm"]
    assert json.loads((out / "run.json").read_text())["dicom"] == {"files": files, "left_out": {}}
    assert {"dicom: seg", "dicom: sr", "dicom: pdf"} <= set(analysis.run["seconds"])
    assert [name for name in names(out) if name.startswith("dicom/")] == sorted(files)
    segmentation = pydicom.dcmread(out / "dicom" / "seg.dcm")
    assert segmentation.PatientID == "PHANTOM-5"
    assert segmentation.SoftwareVersions[1:] == ["lungs rule 1", "lesions rule 1"]
    again = analyze_scan(inputs["zip"], out, rule_cascade, options=AnalyzeOptions(dicom=()))
    assert again.run["dicom"] == {"files": [], "left_out": {}}
    assert not (out / "dicom").exists()


def test_other_input_gets_none_and_asking_for_it_is_refused_before_the_work(
    tmp_path: Path,
    rule_cascade: Cascade,
    inputs: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    analysis = analyze_scan(inputs["slice"], tmp_path / "out", rule_cascade)
    assert analysis.run["dicom"] == {"files": [], "left_out": {}}

    def segment(*_: object) -> None:
        raise AssertionError("the long work began")

    monkeypatch.setattr(rule_cascade, "segment", segment)
    with pytest.raises(OutputError, match="is nifti, and DICOM objects refer to DICOM images"):
        analyze_scan(
            inputs["nifti"], tmp_path / "no", rule_cascade, options=AnalyzeOptions(dicom=("seg",))
        )
    with pytest.raises(SettingsError, match="DICOM kinds are"):
        analyze_scan(
            inputs["zip"], tmp_path / "no", rule_cascade, options=AnalyzeOptions(dicom=("rt",))
        )
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_scan_that_objects_cannot_refer_to_is_analyzed_all_the_same(
    tmp_path: Path,
    rule_cascade: Cascade,
    small_chest: Phantom,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write_dicom_series(small_chest, tmp_path / "scan", DicomOptions())
    for path in (tmp_path / "scan").iterdir():
        dataset = pydicom.dcmread(path)
        del dataset.StudyInstanceUID
        dataset.save_as(path)
    with caplog.at_level(logging.WARNING, logger="groundglass"):
        analysis = analyze_scan(tmp_path / "scan", tmp_path / "out", rule_cascade)
    reason = "scan 'scan' has no StudyInstanceUID"
    assert analysis.run["dicom"]["left_out"] == dict.fromkeys(("seg", "sr", "pdf"), reason)
    assert analysis.run["dicom"]["files"] == []
    assert reason in caplog.text
    with pytest.raises(OutputError, match="has no StudyInstanceUID"):
        analyze_scan(
            tmp_path / "scan", tmp_path / "no", rule_cascade, options=AnalyzeOptions(dicom=("sr",))
        )


def test_a_wrong_object_leaves_no_result(
    tmp_path: Path,
    rule_cascade: Cascade,
    inputs: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def differ(*_: object) -> None:
        raise OutputError("seg.dcm differs")

    monkeypatch.setattr(write, "check_segmentation", differ)
    with pytest.raises(OutputError, match="differs"):
        analyze_scan(inputs["zip"], tmp_path / "out", rule_cascade)
    assert list(tmp_path.iterdir()) == []
