"""The pipeline as the node asks for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from groundglass.classification import ScanClassification
from groundglass.errors import WeightsError
from groundglass.pipeline import load_classifier as loading
from groundglass.pipeline.classify import LoadedClassifier
from groundglass.server.analysis import AnalysisRequest, PipelineAnalysis
from groundglass.server.job import Plan
from groundglass.server.settings import AnalysisSettings

from ..made_classification import MadeClassifier, made_classification
from ..made_classifier import write_classifier_weights
from ..made_weights import RULE_RECIPES, rule_onnx, write_weights

LOADED_AS = {"engine": "onnx", "device": "cpu"}


@pytest.fixture(autouse=True)
def quick_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule in place of the networks that find lungs and lesions."""
    monkeypatch.setenv("GROUNDGLASS_WEIGHTS", str(tmp_path / "weights"))
    files = {f"{stage}.onnx": rule_onnx(stage) for stage in RULE_RECIPES}
    for name in ("chs-net", "ta-segnet"):
        write_weights(tmp_path / "weights" / name, name=name, files=files)


def answer(slices: Sequence[int]) -> ScanClassification:
    even = np.full(len(slices), 1 / len(slices))
    return made_classification(0.9, 0.1, slices=slices, weights=even.tolist())


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


def test_a_classifier_that_is_not_here_is_no_silent_nothing(tmp_path: Path) -> None:
    request = AnalysisRequest(tmp_path, tmp_path / "out", "scan", Plan("all", classifier="head"))
    with pytest.raises(WeightsError, match="'head'"):
        PipelineAnalysis(AnalysisSettings(**LOADED_AS))(request)
    assert not (tmp_path / "out").exists()


def test_the_files_of_a_classifier_are_checked(tmp_path: Path) -> None:
    write_classifier_weights(tmp_path / "weights" / "heads")
    (tmp_path / "weights" / "heads" / "segmenter.onnx").write_bytes(b"other")
    request = AnalysisRequest(tmp_path, tmp_path / "out", "scan", Plan("all", classifier="heads"))
    with pytest.raises(WeightsError, match="SHA-256"):
        PipelineAnalysis(AnalysisSettings(**LOADED_AS))(request)


def test_a_classifier_gives_the_learned_route_and_is_loaded_once(
    tmp_path: Path, chest_series: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = []

    def load(name: str, **how: str) -> LoadedClassifier:
        loads.append((name, how))
        return LoadedClassifier(MadeClassifier(answer), {"head": "ab" * 32}, False)

    monkeypatch.setattr(loading, "load_classifier", load)
    analyze = PipelineAnalysis(AnalysisSettings(**LOADED_AS))
    for scan, name in (("a", "heads"), ("b", "heads"), ("c", None)):
        plan = Plan("all", dicom=(), classifier=name)
        analyze(AnalysisRequest(chest_series[0].parent, tmp_path / scan, scan, plan))
    records = [read(tmp_path / scan, "run.json")["classifier"] for scan in "abc"]
    assert [record and record["name"] for record in records] == ["made", "made", None]
    learned = [read(tmp_path / scan, "findings.json")["routes"]["learned"] for scan in "ac"]
    assert learned[0]["answer"] == "mild"
    assert learned[1] is None
    assert loads == [("heads", LOADED_AS)]
