from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from groundglass.errors import SettingsError
from groundglass.training.joint_settings import PAPER_RATE, JointSettings

VALUES: dict[str, Any] = {
    "name": "n",
    "index": "prepared",
    "steps": 3,
    "batch": 2,
    "lr": 1e-3,
    "lr_end": 1e-5,
}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"classifier": "vgg-19"}, "vgg-19 reads gray slices, and gray_size is not given"),
        ({"gray_size": [64, 64]}, "gray_size is of no effect: covtanet reads feature maps"),
        (
            {"classifier": "vgg-19", "gray_size": [64, 64], "features": "abc"},
            "features are of no effect",
        ),
        ({"classifier": "vgg-19", "gray_size": [64, 32]}, "vgg-19 needs 64 or more"),
        ({"classifier": "gpt"}, "classifier 'gpt' is unknown"),
        ({"fold": 1}, "fold is 1, without folds"),
        ({"batch": 0}, "batch"),
        ({"steps_": 3}, "steps_"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, values: dict[str, Any], words: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump({**VALUES, **values}))
    with pytest.raises(SettingsError, match=words):
        JointSettings.read(path)


def test_gray_slices_are_whole_ones() -> None:
    settings = JointSettings(**VALUES, classifier="vgg-19", gray_size=(64, 96))
    assert settings.gray_recipe is not None
    assert (settings.gray_recipe.stage, settings.gray_recipe.network_size) == ("direct", (64, 96))
    assert JointSettings(**VALUES).gray_recipe is None


def test_the_papers_rate_can_be_asked_for() -> None:
    settings = JointSettings.model_validate({**VALUES, **PAPER_RATE})
    assert settings.optimizer == "adam"
    assert settings.lr * 0.99**10 == pytest.approx(settings.lr_end, rel=0.01)  # 100 epochs
