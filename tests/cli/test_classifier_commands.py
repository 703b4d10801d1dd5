"""From a finished run to a classifier's weights by the command line, and what refuses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from groundglass.weights import store
from groundglass.weights.store import find_classifier_weights

from ..made_classifier import MadeClassifier, write_classifier_weights
from ..made_weights import write_rule_weights
from .conftest import Groundglass


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDGLASS_WEIGHTS", str(tmp_path / "user"))
    monkeypatch.setattr(store, "_SHIPPED", tmp_path / "shipped")


def pack(groundglass: Groundglass, run: Path, calibration: Path, out: Path):
    said = {"name": "mine", "version": "2", "title": "t", "license": "CC0-1.0", "data": "made up"}
    options = [part for key, value in said.items() for part in (f"--{key}", value)]
    return groundglass(
        "weights", "pack-classifier", run, "-o", out, "--calibration", calibration, *options
    )


def test_calibrate_pack_import_show(
    groundglass: Groundglass, made_classifier: MadeClassifier, tmp_path: Path
) -> None:
    answer = groundglass("calibrate-classifier", made_classifier.run, "-o", tmp_path / "c")
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    assert lines[0] == ("9 scans of 9 patients (made-up phantoms): 3 normal, 3 mild, 3 severe")
    assert lines[1].startswith("diagnosis: ")
    assert "the best Youden index on 9 held-out scans (6 findings, 3 normal)" in lines[1]
    assert "they are no test of this classifier any more" in lines[3]
    assert lines[-1] == str(tmp_path / "c" / "calibration.json")
    assert (tmp_path / "c" / "reliability.png").read_bytes().startswith(b"\x89PNG")
    written = (tmp_path / "c" / "calibration.json").read_text()
    assert written == made_classifier.calibration.read_text()  # the same, made another day

    answer = pack(groundglass, made_classifier.run, tmp_path / "c" / "calibration.json",
                  tmp_path / "w")  # fmt: skip
    assert answer.code == 0, answer.err
    assert len(answer.out.splitlines()) == 6
    assert "it abstains on every scan that is not one" in answer.err
    assert groundglass("weights", "import", tmp_path / "w").code == 0
    assert find_classifier_weights("mine").manifest.version == "2"
    assert groundglass("weights", "list").out.split()[:3] == ["mine", "2", "CC0-1.0"]
    assert groundglass("weights", "verify", "mine").out.count("ok  ") == 6
    shown = groundglass("weights", "show", "mine").out
    for words in (
        "kind: classifier of whole scans",
        "trained on: made up; made-up phantoms",
        "abstains on every scan that is not one",
        "calibrated on, and no test any more: chest_mild_10, ",
        "segmenter: ta-segnet",
        "at most 6",
        "knows 24 scans",
        "lungs 3",
        "Youden",
    ):
        assert words in shown, words
    manifest = json.loads(groundglass("weights", "show", "mine", "--json").out)
    assert manifest["format"] == "groundglass-classifier-1"
    exported = groundglass("weights", "export", "mine", tmp_path / "mine.zip")
    assert exported.out == f"{tmp_path / 'mine.zip'}\n"


def test_trained_patients_are_refused(
    groundglass: Groundglass, made_classifier: MadeClassifier, tmp_path: Path
) -> None:
    answer = groundglass(
        "calibrate-classifier", made_classifier.run, "-o", tmp_path / "c",
        "--scans", "chest_mild_9,chest_mild_1",
    )  # fmt: skip
    assert answer.code == 2
    assert "the patients of chest_mild_1 taught a phase" in answer.err
    assert not (tmp_path / "c").exists()


def test_a_folder_that_is_no_run(groundglass: Groundglass, tmp_path: Path) -> None:
    answer = groundglass("calibrate-classifier", tmp_path, "-o", tmp_path / "c")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith(f"error: {tmp_path / 'phase-2'} holds no finished run; expected")
    (tmp_path / "bad.json").write_text("{")
    answer = pack(groundglass, tmp_path, tmp_path / "bad.json", tmp_path / "w")
    assert answer.code == 2
    assert "cannot be used" in answer.err
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("option", ["--weights", "--lesion-model"])
def test_a_classifier_does_not_segment(
    groundglass: Groundglass, cip_dir: Path, tmp_path: Path, option: str
) -> None:
    write_rule_weights(tmp_path / "shipped" / "chs-net")
    heads = write_classifier_weights(tmp_path / "heads").folder
    scan = next(path for path in sorted(cip_dir.iterdir()) if path.suffix != ".md")
    weights = [] if option == "--weights" else ["--weights", tmp_path / "shipped" / "chs-net"]
    answer = groundglass("analyze", scan, "-o", tmp_path / "out", *weights, option, heads)
    assert answer.code == 1
    assert "are a classifier's of whole scans: they find no lungs or lesions" in answer.err
    assert "Give them to --classifier instead" in answer.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["weights", "run"])
def test_calibrate_says_where_a_classifier_is_calibrated(
    groundglass: Groundglass, tmp_path: Path, kind: str
) -> None:
    if kind == "weights":
        given, named = write_classifier_weights(tmp_path / "heads").folder, "RUN"
    else:
        given = named = tmp_path / "run"
        for phase in ("phase-1", "phase-2"):
            (given / phase).mkdir(parents=True)
    answer = groundglass("calibrate", given, "--index", tmp_path, "-o", tmp_path / "c")
    assert answer.code == 1
    assert f"groundglass calibrate-classifier {named} -o OUT" in answer.err
    assert not (tmp_path / "c").exists()
