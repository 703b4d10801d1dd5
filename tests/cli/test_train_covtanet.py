"""`groundglass train covtanet`: stopped, gone on with through both phases, and refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from groundglass.cli.app import app
from groundglass.errors import SettingsError
from groundglass.training.checkpoint import load_state

from ..training.made_cohort import write_cohort_index, write_folds
from ..training.test_two_phases import CLASSIFICATION, SEGMENTATION


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    rows = write_cohort_index(tmp_path / "prepared", each=2)
    write_folds(tmp_path / "folds.json", rows)
    values = {
        "name": "both",
        "index": "nowhere",
        "segmentation": SEGMENTATION,
        "features": {"grid": [16, 16]},
        "classification": CLASSIFICATION,
    }
    path = tmp_path / "covtanet.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def arguments(recipe: Path, *more: object) -> list[str]:
    folder = recipe.parent
    options = ["--recipe", recipe, "--out", folder / "run", "--index", folder / "prepared"]
    options += ["--folds", folder / "folds.json", "--device", "cpu", "--threads", 1, *more]
    return ["train", "covtanet", *map(str, options)]


def run(recipe: Path, *more: object):
    return CliRunner().invoke(app, arguments(recipe, *more))


def test_it_stops_and_goes_on_through_both_phases(recipe: Path) -> None:
    pytest.importorskip("matplotlib")
    folder = recipe.parent / "run"
    stopped = run(recipe, "--stop-after", 0)
    assert stopped.exit_code == 0, stopped.output
    assert "held out of both phases: mild_1, normal_1, severe_1" in stopped.stderr
    assert "stopped at a checkpoint" in stopped.stderr
    assert load_state(folder / "phase-1" / "state.safetensors").step == 1
    assert not (folder / "phase-2").exists()
    whole = run(recipe)
    assert whole.exit_code == 0, whole.output
    for words in ("phase 2: both-phase-2", "features 6: severe_1", "2/2  loss"):
        assert words in whole.stderr
    assert load_state(folder / "phase-2" / "result.safetensors").step == 2
    assert (folder / "phase-2" / "curve.png").read_bytes().startswith(b"\x89PNG")
    for name in ("features", "phase-2"):
        shutil.rmtree(folder / name)
    between = run(recipe, "--stop-after", 0)  # phase 1 is finished: a first scan
    assert "features 1: mild_0" in between.stderr
    assert "stopped between scans" in between.stderr
    assert len(list((folder / "features").glob("*/*.safetensors"))) == 1


def test_two_processes_under_torchrun_train_one_run(recipe: Path) -> None:
    """Both phases and the features between them: each process computes half of the scans."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    start += ["--nproc-per-node", "2", "-m", "groundglass"]
    done = subprocess.run(
        [*start, *arguments(recipe)],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    folder = recipe.parent / "run"
    for phase in ("phase-1", "phase-2"):
        assert load_state(folder / phase / "result.safetensors").step == 2
    made = sorted(path.stem for path in (folder / "features").glob("*/*"))
    assert made == ["mild_0", "mild_1", "normal_0", "normal_1", "severe_0", "severe_1"]
    assert done.stderr.count("held out of both phases") == 1  # the first process alone tells


def test_a_recipe_of_one_stage_is_refused(recipe: Path) -> None:
    recipe.write_text(yaml.safe_dump({"name": "x", "stage": "lungs", "index": "y"}))
    refused = run(recipe).exception
    assert isinstance(refused, SettingsError)
    assert "stage: Extra inputs are not permitted" in str(refused)
    assert "classification: Field required" in str(refused)
