"""`groundglass weights`, on a user's folder of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from groundglass.weights import store
from groundglass.weights.store import Weights

from ..made_weights import write_weights
from .conftest import Groundglass


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDGLASS_WEIGHTS", str(tmp_path / "user"))
    monkeypatch.setattr(store, "_SHIPPED", tmp_path / "shipped")


def test_import_list_show_verify_export(
    groundglass: Groundglass, rule_weights: Weights, tmp_path: Path
) -> None:
    archive = tmp_path / "rule.zip"
    assert groundglass("weights", "export", rule_weights.folder, archive).out == f"{archive}\n"
    answer = groundglass("weights", "import", archive)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == f"rule 1 is now in {tmp_path / 'user' / 'rule'}\n"
    assert groundglass("weights", "list").out.split() == [
        "rule",
        "1",
        "CC0-1.0",
        str(tmp_path / "user" / "rule"),
    ]
    shown = groundglass("weights", "show", "rule").out
    words = ("made for a test", "CC0-1.0", "raiu-net", "clahe_clip", "accuracy", "network's own")
    for word in words:
        assert word in shown
    manifest = json.loads(groundglass("weights", "show", "rule", "--json").out)
    assert manifest == rule_weights.manifest.model_dump(mode="json")
    verified = groundglass("weights", "verify", "rule")
    assert verified.code == 0
    assert verified.out.count("ok  ") == 4
    answer = groundglass("weights", "import", archive)
    assert answer.code == 1
    assert answer.err.startswith("error: weights 'rule' are already imported")
    assert groundglass("weights", "import", archive, "--replace").code == 0


def test_damage_is_exit_code_1(
    groundglass: Groundglass, rule_weights: Weights, tmp_path: Path
) -> None:
    groundglass("weights", "import", rule_weights.folder)
    (tmp_path / "user" / "rule" / "lungs.onnx").write_bytes(b"?")
    answer = groundglass("weights", "verify", "rule")
    assert answer.code == 1
    assert "SHA-256" in answer.err
    assert "Traceback" not in answer.err


def test_names_that_are_not_here(groundglass: Groundglass) -> None:
    answer = groundglass("weights", "show", "nothing")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("error: weights 'nothing' are not here; expected ")


def test_show_says_how_lesions_were_calibrated(groundglass: Groundglass, tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "w")
    path = weights.folder / "manifest.json"
    values = json.loads(path.read_text())
    record = {"before": {"ece": 0.0812}, "after": {"ece": 0.0125}, "cases": 20, "data": "our 20"}
    values["stages"]["lesions"].update(temperature=1.6180, calibration=record)
    path.write_text(json.dumps(values))
    shown = groundglass("weights", "show", weights.folder).out
    line = "temperature 1.618, expected calibration error 0.0812 before, 0.0125 after, 20 cases"
    assert f"  calibration: {line} (our 20)\n" in shown


@pytest.mark.parametrize(
    ("text", "message"), [("[1]", "holds no object"), ("{", "is no JSON file")]
)
def test_a_calibration_that_is_none(
    groundglass: Groundglass, tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "calibration.json"
    file.write_text(text)
    asked = {"name": "n", "version": "1", "title": "t", "license": "l", "data": "d"}
    options = [part for key, value in asked.items() for part in (f"--{key}", value)]
    answer = groundglass(
        "weights", "pack", "--lungs", "a", "--lesions", "b", "-o", tmp_path / "o", *options,
        "--calibration", file,
    )  # fmt: skip
    assert answer.code in (1, 2)
    assert message in answer.err
