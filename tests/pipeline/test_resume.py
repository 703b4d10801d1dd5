"""What `--resume` leaves as it is, and why it makes another result again."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from groundglass.deidentification.profiles import find_profile
from groundglass.deidentification.scan import Deidentification
from groundglass.deidentification.secret_key import SecretKey
from groundglass.intensity import IntensityChoice
from groundglass.pipeline.analyze import AnalyzeOptions, analyze_scan
from groundglass.pipeline.resume import AskedModels, result_to_keep
from groundglass.predictor.cascade import Cascade

PLAIN = AnalyzeOptions()
BASIC = Deidentification(find_profile("basic"), SecretKey(bytes(32)))


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, inputs: dict[str, Path], rule_cascade: Cascade
) -> tuple[Path, Path]:
    """A DICOM scan and its result."""
    out = tmp_path_factory.mktemp("resume") / "study"
    analyze_scan(inputs["dicom"], out, rule_cascade, options=PLAIN)
    return inputs["dicom"], out


@pytest.fixture
def models(rule_cascade: Cascade) -> AskedModels:
    lungs, lesions = (rule_cascade.weights[name].manifest for name in ("lungs", "lesions"))
    return AskedModels((lungs.name, lungs.version), (lesions.name, lesions.version))


def test_the_same_call_keeps_it(finished: tuple[Path, Path], models: AskedModels) -> None:
    scan, out = finished
    old = result_to_keep(out, scan, PLAIN, models)
    assert old is not None
    run = json.loads((out / "run.json").read_text())
    assert old.seconds == run["seconds_total"]
    assert old.findings.scan.id == "study"


@pytest.mark.parametrize(
    "options",
    [
        replace(PLAIN, allow_gaps=True),
        replace(PLAIN, dicom=()),
        replace(PLAIN, dicom=("sr",)),
        replace(PLAIN, intensity=IntensityChoice("hu")),
    ],
)
def test_what_changes_nothing_keeps_it(
    finished: tuple[Path, Path], models: AskedModels, options: AnalyzeOptions
) -> None:
    scan, out = finished
    assert result_to_keep(out, scan, options, models) is not None


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (replace(PLAIN, pdf=True), "it lacks report.pdf"),
        (replace(PLAIN, probability=True), "it lacks lesion_probability.nii.gz"),
        (replace(PLAIN, dicom=("seg", "sc")), "it lacks the DICOM object sc"),
        (replace(PLAIN, nominal_spacing=True), "--nominal-spacing differs"),
        (replace(PLAIN, intensity=IntensityChoice("uint8")), "asked for is --intensity uint8"),
        (replace(PLAIN, series="77777"), "it is of series 1."),
        (replace(PLAIN, deidentification=BASIC), "was off, asked for is basic"),
    ],
)
def test_another_call_makes_it_again(
    finished: tuple[Path, Path],
    models: AskedModels,
    options: AnalyzeOptions,
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    scan, out = finished
    with caplog.at_level(logging.WARNING, "groundglass"):
        assert result_to_keep(out, scan, options, models) is None
    assert reason in caplog.text


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"lesions": ("other", "2")}, "weights for lesions were"),
        ({"lungs": ("other", "2")}, "asked for is other 2"),
        ({"classifier": ("heads", "1")}, "the classifier were none, asked for is heads 1"),
        ({"lung_step_mm": 0.0}, "--exact-lungs differs"),
        ({"flips": True}, "--flips differs"),
    ],
)
def test_other_models_make_it_again(
    finished: tuple[Path, Path],
    models: AskedModels,
    change: dict[str, object],
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    scan, out = finished
    with caplog.at_level(logging.WARNING, "groundglass"):
        assert result_to_keep(out, scan, PLAIN, replace(models, **change)) is None
    assert reason in caplog.text


def test_another_input_makes_it_again(
    finished: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "groundglass"):
        assert result_to_keep(finished[1], Path("elsewhere/other"), PLAIN) is None
    assert "it is of study" in caplog.text


def test_gaps_once_allowed_are_not_kept_without_leave(
    finished: tuple[Path, Path], tmp_path: Path
) -> None:
    scan, out = finished
    copy = tmp_path / "study"
    shutil.copytree(out, copy)
    findings = json.loads((copy / "findings.json").read_text())
    findings["quality"]["gaps"]["flag"] = True
    (copy / "findings.json").write_text(json.dumps(findings))
    assert result_to_keep(copy, scan, PLAIN) is None
    assert result_to_keep(copy, scan, replace(PLAIN, allow_gaps=True)) is not None


def test_no_result_is_no_reason_to_speak(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert result_to_keep(tmp_path / "none", Path("scan"), PLAIN) is None
    assert not caplog.text
