"""Settings of a run: read, checked, named when wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from groundglass.errors import SettingsError
from groundglass.recipe import SliceRecipe
from groundglass.training.settings import TrainSettings

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
SEGMENTERS = sorted(path for path in RECIPES.glob("*.yaml") if path.stem != "covtanet")
"""That of CovTANet has both phases, and tests of its own."""


@pytest.mark.parametrize("path", SEGMENTERS, ids=lambda path: path.stem)
def test_the_recipes_that_ship_are_valid(path: Path) -> None:
    settings = TrainSettings.read(path)
    assert SliceRecipe.from_dict(settings.recipe).stage == settings.stage
    assert settings.hold_out or settings.name == "chs-net-lungs"  # it sees all there is


def test_overrides_replace(run_file: Path) -> None:
    settings = TrainSettings.read(run_file, {"threads": 3, "index": "elsewhere"})
    assert (settings.threads, settings.index, settings.base) == (3, "elsewhere", 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stage": "heart"}, "stage: Input should be 'lungs', 'lesions' or 'direct'"),
        ({"batch_size": 4}, "batch_size: Extra inputs are not permitted"),
        ({"healthy_share": 2}, "healthy_share: Input should be less than or equal to 1"),
        ({"phases": [{"size": [16, 16], "steps": 0}]}, r"phases\.0\.steps.*phases\.0\.batch"),
        ({"ema": 1.0}, "ema"),
        ({"phases": []}, "phases: .*at least 1 item"),
        ({"early_stopping": {"scans": []}}, r"early_stopping\.scans: .*at least 1 item"),
        ({"fold": 2}, "valid: Value error, fold is 2, without folds"),
        ({"stage": "direct"}, "recipe.stage is 'lesions', not 'direct'"),
    ],
)
def test_each_wrong_field_is_named(
    tmp_path: Path, values: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump({**values, **changes}))
    with pytest.raises(SettingsError, match=message):
        TrainSettings.read(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lungs": "maps"}, "lungs are for stage 'lesions', not 'lungs'"),
        ({"soft_targets": "maps"}, "soft_targets are for lesions, not stage 'lungs'"),
    ],
)
def test_a_setting_without_effect_is_refused(
    lungs_values: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        TrainSettings.model_validate({**lungs_values, **changes})


def test_encoder_weights_are_of_an_encoder_and_not_overwritten(values: dict[str, Any]) -> None:
    given = {**values, "encoder_weights": "b0.pth"}
    assert TrainSettings.model_validate({**given, "network": "ta-segnet-v8"}).encoder_weights
    with pytest.raises(SettingsError, match=r"b0\.pth, and network 'bu' has no encoder .*-v8"):
        TrainSettings.model_validate(given)
    with pytest.raises(ValidationError, match="start_from gives all weights, so encoder_weights"):
        TrainSettings.model_validate({**given, "network": "ta-segnet-v8", "start_from": "run"})


@pytest.mark.parametrize("text", ["[1, 2]", "", "a: [", "just words"])
def test_a_file_without_settings_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"run\.yaml (cannot be read|holds no settings)"):
        TrainSettings.read(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.yaml cannot be read"):
        TrainSettings.read(tmp_path / "none.yaml")


def test_phases_follow_each_other(tiny: TrainSettings) -> None:
    found = [tiny.phase_at(step) for step in range(tiny.total_steps)]
    assert [phase.size for phase, _ in found] == [(16, 24)] * 2 + [(32, 48)] * 4
    assert [within for _, within in found] == [0, 1, 0, 1, 2, 3]
    with pytest.raises(SettingsError, match="lies past the last phase of run 'tiny'"):
        tiny.phase_at(6)


def test_settings_are_frozen(tiny: TrainSettings) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        tiny.seed = 3  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("name", ["paste", "opacity"])
def test_made_lesions_are_for_lesion_stages_on_the_host(
    values: dict[str, Any], lungs_values: dict[str, Any], name: str
) -> None:
    made = {"augment": {name: 0.5}}
    on_gpu = {**values, **made, "device": "cuda", "sampler": "auto"}
    assert not TrainSettings.model_validate(on_gpu).samples_on_device
    with pytest.raises(ValidationError, match=r"paste and opacity need batches of the host"):
        TrainSettings.model_validate({**on_gpu, "sampler": "device"})
    with pytest.raises(ValidationError, match=r"paste and opacity are for lesions, not stage 'lun"):
        TrainSettings.model_validate({**lungs_values, **made})
