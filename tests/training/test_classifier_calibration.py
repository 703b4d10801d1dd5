"""Temperatures and thresholds of a run's held-out scans, against the parts they are made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from groundglass.errors import SettingsError
from groundglass.metrics.scored_cases import ScoredCases
from groundglass.metrics.threshold_choice import choose_by_sensitivity, choose_by_youden
from groundglass.training.classifier_calibration import (
    ClassifierCalibration,
    calibrate_classifier,
)
from groundglass.training.finished_classifier import FinishedClassifier
from groundglass.training.joint_predict import JointPredictor
from groundglass.training.slice_sources import FeatureSlices

from ..made_classifier import MadeClassifier


@pytest.fixture(scope="module")
def run(made_classifier: MadeClassifier) -> FinishedClassifier:
    return FinishedClassifier.of(made_classifier.run)


def logits(run: FinishedClassifier, names: list[str], most: int = 6) -> dict[str, list[float]]:
    predictor = JointPredictor(run.network(), FeatureSlices(run.features))
    said = [predictor.predict(name, most=most) for name in names]
    return {"diagnosis": [s.diagnosis for s in said], "severity": [s.severity for s in said]}


def test_the_record_is_that_of_its_parts(
    made_classifier: MadeClassifier, run: FinishedClassifier
) -> None:
    record = ClassifierCalibration.read(made_classifier.calibration)
    rows = run.test_rows()
    assert record.scans == tuple(row.scan_id for row in rows)
    assert record.counts == {"normal": 3, "mild": 3, "severe": 3}
    assert (record.patients, record.slices, record.phantoms) == (9, 6, True)
    assert "no test of this classifier any more" in record.note
    sick = [row.scan_id for row in rows if row.diagnosis == "findings"]
    for name, ids, truth in (
        ("diagnosis", [r.scan_id for r in rows], [r.diagnosis == "findings" for r in rows]),
        ("severity", sick, ["severe" in scan for scan in sick]),
    ):
        cases = ScoredCases.of(logits(run, ids)[name], truth)
        head = getattr(record, name)
        chosen = choose_by_youden(cases)
        scaled = chosen.threshold / (head.temperature or 1.0)
        assert head.threshold == pytest.approx(1 / (1 + np.exp(-scaled)))
        # The threshold on the probability calls the same scans as the one on the logit.
        chances = 1 / (1 + np.exp(-cases.scores / (head.temperature or 1.0)))
        assert ((chances >= head.threshold) == (cases.scores >= chosen.threshold)).all()
        assert head.measured["where_chosen"]["sensitivity"] == chosen.sensitivity
        assert head.measured["before"]["cases"] == len(ids)
    rule = record.severity.threshold_rule
    assert rule.startswith("the best Youden index on 6 held-out scans (3 severe, 3 mild)")


def test_sensitivity_and_slices_can_be_asked_for(run: FinishedClassifier) -> None:
    rows = run.test_rows()
    record, curves = calibrate_classifier(run, rows, sensitivity=0.99, slices=3)
    assert record.slices == 3
    cases = ScoredCases.of(
        logits(run, [r.scan_id for r in rows], most=3)["diagnosis"],
        [r.diagnosis == "findings" for r in rows],
    )
    chosen = choose_by_sensitivity(cases, 0.99)
    scaled = chosen.threshold / (record.diagnosis.temperature or 1.0)
    assert record.diagnosis.threshold == pytest.approx(1 / (1 + np.exp(-scaled)))
    assert record.diagnosis.threshold_rule.startswith("a sensitivity of 0.99 or more on 9 held-out")
    assert "diagnosis, as trained" in curves
    with pytest.raises(SettingsError, match=r"wanted sensitivity is 2\.0"):
        calibrate_classifier(run, rows, sensitivity=2.0)
    with pytest.raises(SettingsError, match="0 slices at offset"):
        calibrate_classifier(run, rows, slices=0)


def test_a_missing_label_leaves_one_half_and_says_so(run: FinishedClassifier) -> None:
    rows = [row for row in run.test_rows() if row.severity != "severe"]
    record, _ = calibrate_classifier(run, rows)
    assert record.severity.threshold == 0.5
    assert record.severity.threshold_rule.startswith("one half, as none can be chosen: 0 of 3")
    assert record.severity.temperature is None
    assert "a temperature needs both labels" in record.severity.measured["no_temperature"]
    healthy = [row for row in rows if row.diagnosis == "normal"]
    record, curves = calibrate_classifier(run, healthy)
    missing = "no scan with findings was held out"
    assert record.severity.measured == {"cases": 0, "no_temperature": missing}
    assert list(curves) == ["diagnosis, as trained"]


def test_patients_are_counted_not_scans(run: FinishedClassifier) -> None:
    rows = [replace(row, group=row.severity or "well") for row in run.test_rows()]
    record, _ = calibrate_classifier(run, rows)
    assert record.patients == 3
    assert record.diagnosis.measured["patients"] == 3


@pytest.mark.parametrize("text", ["{", "{}", '{"format": "groundglass-classifier-calibration-2"}'])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"cannot be used: .*expected calibration\.json"):
        ClassifierCalibration.read(path)
    with pytest.raises(SettingsError, match="cannot be used"):
        ClassifierCalibration.read(tmp_path / "nothing.json")
