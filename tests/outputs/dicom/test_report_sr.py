"""The measurement report: groups, references, codes, and what it says where nothing was found."""

from __future__ import annotations

import uuid
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from groundglass.findings import Findings
from groundglass.outputs.dicom.report_routes import conclusion
from groundglass.outputs.dicom.report_sr import make_report

from .made_objects import Made, made_axial
from .report_items import groups, name, texts, values


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_axial(tmp_path_factory.mktemp("report") / "scan")


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_axial(tmp_path_factory.mktemp("healthy") / "scan", ill=False)


def references(group: Dataset) -> list[tuple[str, object]]:
    return [
        (i.ReferencedSOPSequence[0].ReferencedSOPInstanceUID,
         i.ReferencedSOPSequence[0].get("ReferencedSegmentNumber"))
        for i in group.ContentSequence
        if i.ValueType == "IMAGE"
    ]  # fmt: skip


def test_each_segment_has_a_group_that_refers_to_it(one: Made) -> None:
    segmentation = one.segmentation()
    report = make_report(one.findings, identity=one.identity, segmentation=segmentation)
    found = groups(report)
    assert list(found) == ["right_lung", "left_lung", "lesion", "both_lungs"]
    by_number = {s.SegmentNumber: s for s in segmentation.SegmentSequence}
    for key in ("right_lung", "left_lung", "lesion"):
        [(uid, number)] = references(found[key])
        assert uid == segmentation.SOPInstanceUID
        assert by_number[number].TrackingID == key
        [tracked] = [
            i.UID for i in found[key].ContentSequence if name(i) == "Tracking Unique Identifier"
        ]
        assert by_number[number].TrackingUID == tracked
    assert [uid for uid, _ in references(found["both_lungs"])] == list(one.volume.source.slice_uids)
    assert values(found["lesion"]) == {"Volume": one.findings.lesions.volume_ml}


def test_all_that_is_referred_to_is_listed_as_evidence(one: Made) -> None:
    segmentation = one.segmentation()
    report = make_report(one.findings, identity=one.identity, segmentation=segmentation)
    [study] = report.CurrentRequestedProcedureEvidenceSequence
    assert study.StudyInstanceUID == "1.2.3.4"
    listed = {
        item.ReferencedSOPInstanceUID
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    assert listed == {*one.volume.source.slice_uids, segmentation.SOPInstanceUID}
    assert study.ReferencedSeriesSequence[1].SeriesInstanceUID == segmentation.SeriesInstanceUID


def test_a_healthy_scan_gives_a_negative_report_that_is_whole(healthy: Made) -> None:
    report = make_report(
        healthy.findings, identity=healthy.identity, segmentation=healthy.segmentation()
    )
    found = groups(report)
    assert values(found["lesion"]) == {"Volume": 0}
    assert references(found["lesion"]) == []
    assert values(found["both_lungs"])["Lesion share of lung volume"] == 0
    assert any("No findings" in text for text in texts(report))


def test_without_a_segmentation_the_numbers_stand_alone(one: Made) -> None:
    report = make_report(one.findings, identity=one.identity, segmentation=None)
    found = groups(report)
    assert all(references(found[key]) == [] for key in ("right_lung", "left_lung", "lesion"))
    assert values(found["right_lung"])["Volume"] == one.findings.lungs.right.volume_ml
    [study] = report.CurrentRequestedProcedureEvidenceSequence
    assert len(study.ReferencedSeriesSequence) == 1


def without_units(findings: Findings) -> Findings:
    """As `measure` gives them where the spacing is not real: every ml null."""

    def strip(value: object) -> object:
        if isinstance(value, dict):
            return {k: None if k.endswith("_ml") else strip(v) for k, v in value.items()}
        return [strip(v) for v in value] if isinstance(value, list) else value

    document = findings.model_dump()
    document["lungs"], document["lesions"] = strip(document["lungs"]), strip(document["lesions"])
    return Findings.model_validate(document)


def test_without_physical_units_there_is_no_volume_and_no_group_without_numbers(one: Made) -> None:
    report = make_report(
        without_units(one.findings), identity=one.identity, segmentation=one.segmentation()
    )
    found = groups(report)
    assert list(found) == ["right_lung", "left_lung", "both_lungs"]
    assert all("Volume" not in values(group) for group in found.values())


def test_conclusion_notice_warnings_and_definitions_are_in_words(one: Made) -> None:
    findings = one.findings.model_copy(update={"warnings": ["Schicht fehlt \u2013 pr\u00fcfen"]})
    report = make_report(findings, identity=one.identity, segmentation=None)
    assert conclusion(findings) in texts(report)
    assert "Research use only. Not a medical device." in texts(report)
    assert "Schicht fehlt - pr?fen" in texts(report)  # ASCII: the scan's set may hold no more
    whole = groups(report)["both_lungs"]
    said = " ".join(str(i.TextValue) for i in whole.ContentSequence if i.ValueType == "TEXT")
    assert findings.severity.mosmed.definition in said
    assert "Not the lobar CT severity score" in said
    [grade] = [i for i in whole.ContentSequence if name(i).startswith("MosMed CT grade")]
    assert grade.ConceptCodeSequence[0].CodeValue == f"MOSMED-{findings.severity.mosmed.name}"


def test_nobody_has_signed_it(one: Made, tmp_path: Path) -> None:
    _, path = one.save(tmp_path)
    report = pydicom.dcmread(path)
    assert (report.CompletionFlag, report.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    assert report.PreliminaryFlag == "PRELIMINARY"
    assert report.Modality == "SR"
    assert report.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == "99GROUNDGLASS"
    assert uuid.UUID(int=int(str(report.SOPInstanceUID).removeprefix("2.25."))).version == 5
