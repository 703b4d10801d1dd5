"""Both phases in one folder: one map of folds, nothing done twice, no leak from masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from groundglass.errors import SettingsError
from groundglass.training.checkpoint import RESULT_NAME, load_state
from groundglass.training.joint_loop import JointTrainer
from groundglass.training.joint_predict import JointPredictor
from groundglass.training.loop import Trainer
from groundglass.training.seen_masks import seen_groups
from groundglass.training.settings import TrainSettings
from groundglass.training.slice_sources import FeatureSlices
from groundglass.training.two_phase_settings import TwoPhaseSettings
from groundglass.training.two_phases import TwoPhases

from .made_cohort import write_cohort_index, write_folds

SEGMENTATION: dict[str, Any] = {
    "stage": "direct",
    "network": "ta-segnet",
    "base": 2,
    "recipe": {
        "stage": "direct",
        "network_size": [32, 32],
        "frame_size": 64,
        "clahe_tiles": 4,
    },
    "phases": [{"size": [32, 32], "steps": 2, "batch": 2, "lr": 1e-3, "lr_end": 1e-4}],
    "checkpoint_every": 1,
}
CLASSIFICATION: dict[str, Any] = {
    "base": 1,
    "slices": 3,
    "steps": 2,
    "batch": 2,
    "lr": 1e-3,
    "lr_end": 1e-4,
    "checkpoint_every": 1,
}


@pytest.fixture
def values(tmp_path: Path) -> dict[str, Any]:
    rows = write_cohort_index(tmp_path / "prepared", each=2)
    return {
        "name": "both",
        "index": str(tmp_path / "prepared"),
        "folds": str(write_folds(tmp_path / "folds.json", rows)),
        "fold": 0,
        "threads": 1,
        "segmentation": SEGMENTATION,
        "features": {"grid": [16, 16]},
        "classification": CLASSIFICATION,
    }


def test_both_phases_run_once_and_answer_for_the_held_out(
    tmp_path: Path, values: dict[str, Any]
) -> None:
    told: list[str] = []

    def drive(trainer: Trainer | JointTrainer, what: str) -> None:
        told.append(what)
        trainer.run(lambda progress: told.append(f"{what} {progress.step}"))

    settings = TwoPhaseSettings.model_validate(values)
    run = TwoPhases(settings, tmp_path / "run")
    run.run(drive, on_features=lambda scan_id, made: told.append(f"{scan_id} {made}"))
    assert told[:4] == ["phase 1", "phase 1 1", "phase 1 2", "mild_0 True"]
    assert [row.scan_id for row in run.sides.held_out] == ["mild_1", "normal_1", "severe_1"]
    assert told[-3:] == ["phase 2", "phase 2 1", "phase 2 2"]
    state = load_state(tmp_path / "run" / "phase-2" / RESULT_NAME)
    (folder,) = (tmp_path / "run" / "features").iterdir()
    assert state.settings["features"].startswith(folder.name)
    assert len(list(folder.iterdir())) == 6  # of both sides
    told.clear()
    TwoPhases(settings, tmp_path / "run").run(drive)
    assert told == ["phase 2"]  # asked, and found finished
    said = JointPredictor.of_run(tmp_path / "run" / "phase-2", FeatureSlices(folder))
    assert said.predict("severe_1").slices.tolist() == [1, 2, 3, 4, 5]


def test_another_segmenter_is_not_gone_on_with(tmp_path: Path, values: dict[str, Any]) -> None:
    settings = TwoPhaseSettings.model_validate(values)
    run = TwoPhases(settings, tmp_path / "run")
    run.run()
    network = run.segmenter().network()
    with torch.no_grad():
        next(network.parameters()).add_(1.0)
    from groundglass.training.fusion_features import FusionFeatures

    other = FusionFeatures(network, run.segmenter().recipe, settings.feature_settings)
    cache = run.fill_features(other)
    with pytest.raises(SettingsError, match="holds a run with other features"):
        run.train_classifier(lambda trainer, what: None, cache, other)


def test_masks_of_the_test_side_may_not_have_taught_phase_1(
    tmp_path: Path, values: dict[str, Any]
) -> None:
    """Fold 0 tests the scans 1. A segmenter of fold 1, or of no fold, has seen mild_1's mask."""
    shared = {k: values[k] for k in ("index", "folds", "threads")}
    settings = TrainSettings.model_validate({**SEGMENTATION, **shared, "name": "a", "fold": 1})
    assert seen_groups(settings, index=Path("x")) == {"mild_1", "normal_1"}  # severe: no mask
    from groundglass.training.select import select_scans

    Trainer(select_scans(settings).train, settings, tmp_path / "other").run()
    given = {k: v for k, v in values.items() if k != "segmentation"}
    given["segmenter"] = str(tmp_path / "other")
    both = TwoPhaseSettings.model_validate(given)
    with pytest.raises(SettingsError, match=r"masks of mild_1, normal_1 taught phase 1 \(a\)"):
        TwoPhases(both, tmp_path / "run")
    fits = TwoPhases(both.model_copy(update={"fold": 1}), tmp_path / "run")
    fits.run()
    assert not (tmp_path / "run" / "phase-1").exists()
    later = {**SEGMENTATION, **shared, "name": "b", "start_from": str(tmp_path / "other")}
    begun = TrainSettings.model_validate({**later, "fold": 0})
    assert seen_groups(begun, index=Path("x")) == {"mild_0", "normal_0", "mild_1", "normal_1"}
    unknown = begun.model_copy(update={"start_from": str(tmp_path / "weights.safetensors")})
    with pytest.raises(SettingsError, match="what that was trained on is not known"):
        seen_groups(unknown, index=Path("x"))
    gone = settings.model_copy(update={"index": "gone"})
    with pytest.raises(SettingsError, match="cannot be looked up"):
        seen_groups(gone, index=Path("x"))
    moved = settings.model_copy(update={"index": "elsewhere/prepared"})
    found = seen_groups(moved, index=tmp_path / "prepared")
    assert found == {"mild_1", "normal_1"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"segmenter": "runs/x"}, "either segmentation or segmenter"),
        ({"segmentation": {**SEGMENTATION, "fold": 1}}, "segmentation has fold"),
        ({"classification": {**CLASSIFICATION, "index": "x"}}, "classification has index"),
        (
            {"classification": {**CLASSIFICATION, "classifier": "vgg-19", "gray_size": [64, 64]}},
            "reads no features",
        ),
        ({"features": {"gird": [8, 8]}}, "features has gird"),
        ({"segmentation": {**SEGMENTATION, "stage": "heart"}}, "stage"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, values: dict[str, Any], change: dict[str, Any], words: str
) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump({**values, **change}))
    with pytest.raises(SettingsError, match=words):
        TwoPhaseSettings.read(path)


def test_the_recipe_is_whole() -> None:
    path = Path(__file__).parents[2] / "recipes" / "covtanet.yaml"
    settings = TwoPhaseSettings.read(path, {"device": "cpu"})
    phase_1 = settings.segmentation_settings()
    assert phase_1 is not None
    assert (phase_1.folds, phase_1.fold) == (settings.joint().folds, settings.joint().fold)
