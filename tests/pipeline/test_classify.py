"""The learned route in an analysis: its stage, its record, and both routes in the output."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from groundglass.classification import ScanClassification
from groundglass.errors import WeightsError
from groundglass.findings import findings_schema
from groundglass.pipeline.analyze import AnalyzeOptions, analyze_scan
from groundglass.pipeline.classify import LoadedClassifier
from groundglass.pipeline.cohort import analyze_cohort, plan_cohort
from groundglass.predictor.cascade import Cascade

from ..made_classification import MadeClassifier, made_classification

HASHES = {"head": "ab" * 32, "segmenter": "cd" * 32}


def loaded(severe: float, *, is_phantom_trained: bool = False, **changes: Any) -> LoadedClassifier:
    def answer(slices: Sequence[int]) -> ScanClassification:
        even = np.full(len(slices), 1 / len(slices))
        return made_classification(0.9, severe, slices=slices, weights=even.tolist(), **changes)

    return LoadedClassifier(MadeClassifier(answer), HASHES, is_phantom_trained)


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


def test_both_routes_and_the_record(
    tmp_path: Path, inputs: dict[str, Path], rule_cascade: Cascade
) -> None:
    classifier = loaded(0.1, is_phantom_trained=True)
    analysis = analyze_scan(inputs["nifti"], tmp_path / "out", rule_cascade, classifier=classifier)
    findings, run = read(tmp_path / "out", "findings.json"), read(tmp_path / "out", "run.json")
    jsonschema.validate(findings, findings_schema())
    assert findings == analysis.findings.model_dump(mode="json")
    learned = findings["routes"]["learned"]
    assert (learned["answer"], learned["is_phantom_trained"]) == ("mild", True)
    assert run["classifier"] == {
        "name": "made",
        "version": "3",
        "license": "CC0-1.0",
        "trained_on": "9 scans",
        "phantoms": True,
        "sha256": HASHES,
        "slices_read": learned["slices_read"],
    }
    assert run["seconds"]["classify"] >= 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "class mild of made-up scans" in page
    assert "ab" * 32 in page


def test_without_a_classifier_there_is_no_stage(
    tmp_path: Path, inputs: dict[str, Path], rule_cascade: Cascade
) -> None:
    analyze_scan(inputs["slice"], tmp_path / "out", rule_cascade)
    run = read(tmp_path / "out", "run.json")
    assert run["classifier"] is None
    assert "classify" not in run["seconds"]
    routes = read(tmp_path / "out", "findings.json")["routes"]
    assert routes["learned"] is None
    assert routes["agreement"]["statement"].startswith("No classifier was given")
    assert "Only 1 slice shows lung" in routes["measured"]["not_reliable"][0]


def test_a_classifier_that_fails_leaves_nothing(
    tmp_path: Path, inputs: dict[str, Path], rule_cascade: Cascade
) -> None:
    def broken(slices: Sequence[int]) -> ScanClassification:
        raise WeightsError("the logits are nan")

    classifier = LoadedClassifier(MadeClassifier(broken), HASHES, False)
    with pytest.raises(WeightsError, match="nan"):
        analyze_scan(inputs["slice"], tmp_path / "out", rule_cascade, classifier=classifier)
    assert list(tmp_path.iterdir()) == []


class TestCohort:
    """Nominal spacing: in mm the pixels of these scans are too coarse for a measured answer."""

    def run(self, inputs: list[Path], out: Path, cascade: Cascade, load: Any, **more: Any) -> list:
        return analyze_cohort(
            plan_cohort(inputs, out),
            out,
            lambda: cascade,
            options=AnalyzeOptions(nominal_spacing=True),
            load_classifier=load,
            **more,
        )

    def test_it_is_loaded_once_and_differences_are_in_the_table(
        self, tmp_path: Path, inputs: dict[str, Path], rule_cascade: Cascade
    ) -> None:
        classifier = loaded(0.9)
        loads = []

        def load() -> LoadedClassifier:
            loads.append(1)
            return classifier

        scans = [inputs["nifti"], inputs["zip"]]
        rows = self.run(scans, tmp_path / "out", rule_cascade, load)
        assert [row.status for row in rows] == ["done", "done"]
        assert len(loads) == 1
        assert isinstance(classifier.classifier, MadeClassifier)
        assert classifier.classifier.count == 2
        with (tmp_path / "out" / "cohort.csv").open(newline="", encoding="utf-8") as stream:
            table = list(csv.DictReader(stream))
        assert {row["learned_class"] for row in table} == {"severe"}
        assert {row["routes"] for row in table} == {"differ"}
        assert {row["measured_class"] for row in table} == {"mild"}
        self.run(scans, tmp_path / "out", rule_cascade, load, resume=True)
        assert len(loads) == 1

    def test_without_the_model_asked_for_there_is_no_run(
        self, tmp_path: Path, inputs: dict[str, Path], rule_cascade: Cascade
    ) -> None:
        def gone() -> LoadedClassifier:
            raise WeightsError("classifier is gone")

        with pytest.raises(WeightsError, match="gone"):
            self.run([inputs["slice"]] * 2, tmp_path / "out", rule_cascade, gone)
