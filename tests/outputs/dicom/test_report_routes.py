"""The two routes to a class in the measurement report: codes for answers, words for the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset

from groundglass.errors import OutputError
from groundglass.findings import Findings
from groundglass.measurement.learned_route import PHANTOM_NOTE, with_learned
from groundglass.outputs.dicom.read_back import check_report
from groundglass.outputs.dicom.report_numbers import LEARNED, WHOLE
from groundglass.outputs.dicom.report_routes import conclusion, route_contents
from groundglass.outputs.dicom.report_sr import make_report
from groundglass.outputs.dicom.save import save_dicom

from ...made_classification import made_classification
from .made_objects import Made, made_axial
from .report_items import code_values, groups, texts, values


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_axial(tmp_path_factory.mktemp("routes") / "scan")


def measured(findings: Findings, **changes: Any) -> Findings:
    """The same findings with another measured route."""
    routes = findings.routes
    route = routes.measured.model_copy(update=changes)
    return findings.model_copy(update={"routes": routes.model_copy(update={"measured": route})})


def report_of(findings: Findings, one: Made) -> Dataset:
    return make_report(findings, identity=one.identity, segmentation=None)


def test_a_reliable_share_has_its_class_as_a_code(one: Made) -> None:
    findings = measured(one.findings, answer="mild", not_reliable=[], statement="It is mild.")
    report = report_of(findings, one)
    whole = groups(report)[WHOLE]
    assert code_values(whole)["Class by measured lesion share"] == ("255604002", "SCT")
    assert findings.routes.measured.definition in texts(whole)
    assert conclusion(findings) == findings.diagnosis.statement
    assert findings.diagnosis.statement in texts(report)
    assert LEARNED not in groups(report)


def test_an_unreliable_share_has_no_class_and_says_why(one: Made) -> None:
    findings = measured(
        one.findings, answer=None, statement="Not reliable: a part of the lungs.", caveats=["Hm."]
    )
    report = report_of(findings, one)
    whole = groups(report)[WHOLE]
    assert set(code_values(whole)) == {"MosMed CT grade of measured involvement"}
    assert "Not reliable: a part of the lungs. Hm." in texts(whole)
    [said] = [text for text in texts(report) if findings.diagnosis.statement in text]
    assert said.startswith("NOT RELIABLE")


def test_a_learned_answer_has_code_chances_and_notice(one: Made) -> None:
    findings = with_learned(one.findings, made_classification(0.9, 0.2))
    group = groups(report_of(findings, one))[LEARNED]
    assert code_values(group) == {"Class by learned classifier": ("255604002", "SCT")}
    assert values(group) == {
        "Probability of findings by classifier": 0.9,
        "Probability of severe by classifier": 0.2,
    }
    said = texts(group)
    assert said[1:3] == ["made", "3"]
    assert any(
        text.startswith("Research use only. The learned head says mild: findings 0.90")
        for text in said
    )
    assert findings.routes.agreement.statement in said


def test_severe_is_not_asked_of_a_normal_scan(one: Made) -> None:
    findings = with_learned(one.findings, made_classification(0.1, 0.8))
    group = groups(report_of(findings, one))[LEARNED]
    assert values(group) == {"Probability of findings by classifier": 0.1}
    assert code_values(group) == {"Class by learned classifier": ("17621005", "SCT")}


@pytest.mark.parametrize(
    ("changes", "is_phantom_trained", "words"),
    [
        ({"abstained": ("The scan is unlike any it has seen.",)}, False, "abstains. The scan is"),
        ({}, True, PHANTOM_NOTE),
    ],
)
def test_an_answer_that_must_not_be_used_is_in_words_alone(
    one: Made, changes: dict[str, Any], is_phantom_trained: bool, words: str
) -> None:
    findings = with_learned(
        one.findings, made_classification(**changes), is_phantom_trained=is_phantom_trained
    )
    group = groups(report_of(findings, one))[LEARNED]
    assert values(group) == {}
    assert code_values(group) == {}
    assert any(words in text for text in texts(group))


def test_a_class_that_was_changed_on_disk_is_found(one: Made, tmp_path: Path) -> None:
    findings = with_learned(one.findings, made_classification(0.9, 0.2))
    path = tmp_path / "sr.dcm"
    save_dicom(report_of(findings, one), path)
    check_report(path, findings)
    dataset = pydicom.dcmread(path)
    [item] = [
        item
        for item in groups(dataset)[LEARNED].ContentSequence
        if item.ConceptNameCodeSequence[0].CodeValue == "LEARNED-CLASS"
    ]
    item.ConceptCodeSequence[0].CodeValue = "24484000"
    dataset.save_as(path)
    with pytest.raises(OutputError, match=r"has the evaluations .*24484000.*expected .*255604002"):
        check_report(path, findings)


def test_code_meanings_fit_into_a_long_string(one: Made) -> None:
    """LO holds 64 characters."""
    findings = with_learned(one.findings, made_classification())
    for route in route_contents(findings):
        codes = [route.question, *(code for code, _ in route.texts)]
        assert all(len(value) <= 16 and len(meaning) <= 64 for value, _, meaning in codes)
