"""`groundglass train`: a tiny run, stopped, gone on with, and refused where it does not fit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
import yaml
from typer.testing import CliRunner

import groundglass
from groundglass.cli.train_command import train
from groundglass.datasets.folds import Fold, Folds
from groundglass.datasets.index import IndexRow, PreparedScan, save_prepared, write_index
from groundglass.errors import SettingsError
from groundglass.training.checkpoint import load_state

from ..made_encoder import write_encoder

app = typer.Typer()
app.command("train")(train)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A run file and, beside it, a prepared folder with two made-up scans."""
    rows = []
    for scan_id in ("kept", "held"):
        lungs = np.zeros((2, 32, 32), np.uint8)
        lungs[:, 8:24, 6:26] = 1
        row = IndexRow(scan_id, scan_id, scan_id, f"{scan_id}.npz", "uint8", 2, 640, 8, "", "", "")
        lesions = np.zeros_like(lungs)
        lesions[0, 10:12, 10:14] = 1
        save_prepared(tmp_path / "prepared", PreparedScan(row, lungs * 90, lungs, lesions))
        rows.append(row)
    write_index(tmp_path / "prepared", rows)
    values = {
        "name": "tiny",
        "stage": "lungs",
        "index": "nowhere",
        "hold_out": ["held"],
        "network": "bu",
        "base": 2,
        "phases": [{"size": [16, 16], "steps": 4, "batch": 2, "lr": 1e-3, "lr_end": 1e-4}],
        "recipe": {"stage": "lungs", "network_size": [16, 16], "frame_size": 32},
        "checkpoint_every": 2,
        "device": "cuda:9",
    }
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def run(recipe: Path, *arguments: object, stage: str = "lungs"):
    folder = recipe.parent
    options = ["--recipe", recipe, "--out", folder / "run", "--index", folder / "prepared"]
    options += ["--device", "cpu", "--threads", 1, *arguments]
    return CliRunner().invoke(app, [stage, *(str(option) for option in options)])


def test_a_run_tells_what_it_does_and_draws_its_curve(recipe: Path) -> None:
    pytest.importorskip("matplotlib")
    result = run(recipe)
    assert result.exit_code == 0, result.output
    for words in ("tiny: 1 scans, 2 slices", "held out: held", "4/4  loss", "slices/s", "0:00:00"):
        assert words in result.stderr
    assert result.stdout == ""
    folder = recipe.parent / "run"
    assert load_state(folder / "state.safetensors").step == 4
    assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_a_fold_and_a_seed_replace_the_recipes(recipe: Path) -> None:
    folder = recipe.parent
    folds = Folds(
        "patients", 0, ("held", "kept"), (Fold(0, {"held": None}), Fold(1, {"kept": None}))
    )
    folds.save(folder / "folds.json")
    recipe.write_text(yaml.safe_dump({**yaml.safe_load(recipe.read_text()), "hold_out": []}))
    options = ("--folds", folder / "folds.json", "--seed", 7)
    result = run(recipe, *options, "--fold", 1)
    assert result.exit_code == 0, result.output
    assert "held out: kept" in result.stderr
    settings = load_state(folder / "run" / "state.safetensors").settings
    assert (settings["fold"], settings["seed"]) == (1, 7)
    assert settings["folds"] == str(folder / "folds.json")
    refused = run(recipe, *options, "--fold", 0)
    assert "holds a run with other fold" in str(refused.exception)
    assert "fold is 1, without folds" in str(run(recipe, "--fold", 1).exception)


def test_early_stopping_is_told(recipe: Path) -> None:
    values = {**yaml.safe_load(recipe.read_text()), "hold_out": []}
    values["early_stopping"] = {"scans": ["held"], "every": 2, "stride": 1}
    recipe.write_text(yaml.safe_dump(values))
    result = run(recipe)
    assert result.exit_code == 0, result.output
    assert "validation: held" in result.stderr
    assert "ended at step 4; best validation Dice " in result.stderr
    assert len((recipe.parent / "run" / "validation.csv").read_text().splitlines()) == 3


def test_the_recipes_device_is_checked_too(recipe: Path) -> None:
    result = CliRunner().invoke(
        app, ["lungs", "--recipe", str(recipe), "--out", str(recipe.parent / "run")]
    )
    assert isinstance(result.exception, SettingsError)
    assert "device is 'cuda:9'" in str(result.exception)


def test_python_m_groundglass_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "groundglass", "--version"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, f"groundglass {groundglass.__version__}\n")


def test_it_stops_at_a_checkpoint_and_goes_on(recipe: Path) -> None:
    stopped = run(recipe, "--stop-after", 0)
    assert stopped.exit_code == 0, stopped.output
    assert "stopped at a checkpoint" in stopped.stderr
    assert load_state(recipe.parent / "run" / "state.safetensors").step == 2
    assert "going on from step 2" in run(recipe).stderr
    assert load_state(recipe.parent / "run" / "state.safetensors").step == 4


def test_the_encoder_begins_with_a_file(recipe: Path) -> None:
    file = write_encoder(recipe.parent / "b0.pth", base=2)
    refused = run(recipe, "--encoder-weights", file).exception
    assert isinstance(refused, SettingsError)
    assert "network 'bu' has no encoder that begins with any" in str(refused)
    values = yaml.safe_load(recipe.read_text())
    recipe.write_text(yaml.safe_dump({**values, "network": "ta-segnet-v8"}))
    missing = run(recipe, "--encoder-weights", "none.pth").exception
    assert isinstance(missing, SettingsError)
    assert "encoder weights none.pth are not there" in str(missing)
    result = run(recipe, "--encoder-weights", file)
    assert result.exit_code == 0, result.output
    settings = load_state(recipe.parent / "run" / "state.safetensors").settings
    assert settings["encoder_weights"] == str(file)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ("heart", "stage 'heart' is unknown; expected lungs, lesions, direct"),
        ("lesions", "is for stage 'lungs', and 'lesions' was asked for"),
    ],
)
def test_a_stage_that_does_not_fit_is_refused(recipe: Path, stage: str, message: str) -> None:
    result = run(recipe, stage=stage)
    assert isinstance(result.exception, SettingsError)
    assert message in str(result.exception)


def test_an_unknown_device_is_refused(recipe: Path) -> None:
    result = run(recipe, "--device", "toaster")
    assert isinstance(result.exception, SettingsError)
    assert "device is 'toaster'" in str(result.exception)
