"""What a run begins with: its seed's draws, a network's weights, or an encoder's file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from groundglass.datasets.index import PreparedScan
from groundglass.errors import SettingsError, WeightsError
from groundglass.networks.build import build_network
from groundglass.training.checkpoint import STATE_NAME, load_state
from groundglass.training.first_network import first_network
from groundglass.training.loop import Progress, Trainer
from groundglass.training.settings import TrainSettings

from ..made_encoder import write_encoder

STEM = "encoder.stem.1.weight"


class KilledError(Exception):
    """Stands for a kill in the middle of a run."""


def killed_after(step: int, trainer: Trainer) -> None:
    def watch(progress: Progress) -> None:
        if progress.step == step:
            raise KilledError

    with pytest.raises(KilledError):
        trainer.run(watch)


@pytest.fixture
def v8(tmp_path: Path, values: dict[str, Any]) -> dict[str, Any]:
    """Four steps of TA-SegNet V8, whose encoder begins with a file."""
    file = write_encoder(tmp_path / "b0.pth", base=2)
    phase = {"size": [32, 32], "steps": 4, "batch": 2, "lr": 1e-3, "lr_end": 1e-4}
    return {
        **values,
        "network": "ta-segnet-v8",
        "phases": [phase],
        "checkpoint_every": 2,
        "encoder_weights": str(file),
    }


def test_draws_are_the_seeds(tiny: TrainSettings) -> None:
    one, same = (first_network(tiny, goes_on=False).state_dict() for _ in range(2))
    seed = tiny.model_copy(update={"seed": 1})
    other = first_network(seed, goes_on=False).state_dict()
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_weights_of_the_same_network_and_of_another(tmp_path: Path, tiny: TrainSettings) -> None:
    given = build_network("bu", base=2).state_dict()
    save_file(given, tmp_path / "given.safetensors")
    settings = tiny.model_copy(update={"start_from": str(tmp_path / "given.safetensors")})
    found = first_network(settings, goes_on=False).state_dict()
    assert all(torch.equal(found[name], given[name]) for name in given)
    with pytest.raises(WeightsError, match=r"given\.safetensors holds another network; expected"):
        first_network(settings.model_copy(update={"base": 4}), goes_on=False)


def test_the_encoder_begins_with_its_file_and_all_else_with_the_seeds_draws(
    v8: dict[str, Any],
) -> None:
    with_file = TrainSettings.model_validate(v8)
    scratch = TrainSettings.model_validate({**v8, "encoder_weights": None})
    one, other = (first_network(s, goes_on=False).state_dict() for s in (with_file, scratch))
    same = {name for name in one if torch.equal(one[name], other[name])}
    assert {name for name in one if not name.startswith("encoder.")} <= same
    assert STEM not in same
    kernel = torch.load(v8["encoder_weights"])["_conv_stem.weight"].sum(dim=1, keepdim=True)
    assert torch.equal(one[STEM], kernel)


def test_a_run_that_goes_on_needs_the_file_no_more(
    tmp_path: Path, scans: list[PreparedScan], v8: dict[str, Any]
) -> None:
    """And ends with the very weights of an uninterrupted one, wherever the file is said to be."""
    settings = TrainSettings.model_validate(v8)
    Trainer(scans, settings, tmp_path / "whole").run()
    killed_after(3, Trainer(scans, settings, tmp_path / "killed"))
    Path(v8["encoder_weights"]).unlink()
    moved = TrainSettings.model_validate({**v8, "encoder_weights": "elsewhere/b0.pth"})
    resumed = Trainer(scans, moved, tmp_path / "killed")
    assert resumed.step == 2
    resumed.run()
    whole, killed = (load_state(tmp_path / name / STATE_NAME) for name in ("whole", "killed"))
    assert all(torch.equal(tensor, killed.model[name]) for name, tensor in whole.model.items())
    assert whole.settings["encoder_weights"] == v8["encoder_weights"]


def test_a_run_does_not_go_on_as_one_that_began_otherwise(
    tmp_path: Path, scans: list[PreparedScan], v8: dict[str, Any]
) -> None:
    scratch = TrainSettings.model_validate({**v8, "encoder_weights": None})
    killed_after(3, Trainer(scans, scratch, tmp_path / "run"))
    with pytest.raises(SettingsError, match="holds a run with other encoder_weights"):
        Trainer(scans, TrainSettings.model_validate(v8), tmp_path / "run")


def test_a_run_does_not_begin_without_the_file(
    tmp_path: Path, scans: list[PreparedScan], v8: dict[str, Any]
) -> None:
    Path(v8["encoder_weights"]).unlink()
    with pytest.raises(SettingsError, match=r"encoder weights .*b0\.pth are not there"):
        Trainer(scans, TrainSettings.model_validate(v8), tmp_path / "run")
    assert not (tmp_path / "run" / STATE_NAME).exists()


def test_a_run_that_goes_on_needs_what_it_started_from_no_more(
    tmp_path: Path, scans: list[PreparedScan], tiny: TrainSettings
) -> None:
    file = tmp_path / "given.safetensors"
    save_file(build_network("bu", base=2).state_dict(), file)
    settings = tiny.model_copy(update={"start_from": str(file)})
    killed_after(4, Trainer(scans, settings, tmp_path / "run"))
    file.unlink()
    assert Trainer(scans, settings, tmp_path / "run").step == 3
