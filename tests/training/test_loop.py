"""A run goes on exactly where it stopped, and refuses to go on as another."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from groundglass.datasets.index import PreparedScan
from groundglass.errors import SettingsError, WeightsError
from groundglass.training.checkpoint import STATE_NAME, load_state
from groundglass.training.loop import CURVE, Progress, Trainer, learning_rate
from groundglass.training.settings import Phase, TrainSettings


class KilledError(Exception):
    """Stands for a kill in the middle of a run."""


def kill_after(step: int):
    def watch(progress: Progress) -> None:
        if progress.step == step:
            raise KilledError

    return watch


def assert_equal_states(one: Path, other: Path) -> None:
    a, b = load_state(one / STATE_NAME), load_state(other / STATE_NAME)
    assert a.step == b.step
    for part in ("model", "average", "optimizer"):
        left, right = getattr(a, part), getattr(b, part)
        assert left.keys() == right.keys()
        for name, tensor in left.items():
            assert torch.equal(tensor, right[name]), f"{part} {name}"


@pytest.mark.parametrize(
    ("network", "optimizer", "mixed"),
    [
        ("raiu-net", "adamw", True),
        ("bu", "adam", False),
        ("bu", "sgd", False),
    ],
)
def test_a_killed_run_goes_on_to_the_very_same_weights(
    tmp_path: Path,
    scans: list[PreparedScan],
    values: dict[str, Any],
    network: str,
    optimizer: str,
    mixed: bool,
) -> None:
    settings = TrainSettings.model_validate(
        {**values, "network": network, "optimizer": optimizer, "mixed_precision": mixed}
    )
    Trainer(scans, settings, tmp_path / "whole").run()
    with pytest.raises(KilledError):
        Trainer(scans, settings, tmp_path / "killed").run(kill_after(5))
    resumed = Trainer(scans, settings, tmp_path / "killed")
    assert resumed.step == 3  # the last checkpoint
    resumed.run()
    assert_equal_states(tmp_path / "whole", tmp_path / "killed")
    curves = [(tmp_path / name / CURVE).read_text() for name in ("whole", "killed")]
    assert curves[0] == curves[1]
    assert [line.split(",")[0] for line in curves[0].splitlines()[1:]] == list("123456")


def test_curve_rows_past_the_checkpoint_are_dropped(
    tmp_path: Path, scans: list[PreparedScan], tiny: TrainSettings
) -> None:
    """A kill between writing the curve and the checkpoint must not double rows."""
    with pytest.raises(KilledError):
        Trainer(scans, tiny, tmp_path).run(kill_after(5))
    with (tmp_path / CURVE).open("a") as stream:
        stream.write("4,0.5,1e-3\n5,0.5,1e-3\n")
    Trainer(scans, tiny, tmp_path).run()
    steps = [line.split(",")[0] for line in (tmp_path / CURVE).read_text().splitlines()[1:]]
    assert steps == list("123456")


def test_a_finished_run_stays_finished(
    tmp_path: Path, scans: list[PreparedScan], tiny: TrainSettings
) -> None:
    Trainer(scans, tiny, tmp_path).run()
    seen: list[Progress] = []
    Trainer(scans, tiny, tmp_path).run(seen.append)
    assert seen == []


def test_other_settings_are_refused(
    tmp_path: Path, scans: list[PreparedScan], values: dict[str, Any], tiny: TrainSettings
) -> None:
    Trainer(scans, tiny, tmp_path).run()
    other = TrainSettings.model_validate({**values, "ema": 0.5, "seed": 1})
    with pytest.raises(SettingsError, match="holds a run with other ema, seed"):
        Trainer(scans, other, tmp_path)
    longer = {**values, "phases": [*values["phases"], values["phases"][1]], "threads": 2}
    assert Trainer(scans, TrainSettings.model_validate(longer), tmp_path).step == 6


def test_a_damaged_checkpoint_is_refused(
    tmp_path: Path, scans: list[PreparedScan], tiny: TrainSettings
) -> None:
    (tmp_path / STATE_NAME).write_bytes(b"not a checkpoint")
    with pytest.raises(WeightsError, match="cannot be read"):
        Trainer(scans, tiny, tmp_path)


def test_progress_counts_and_the_average_moves(
    tmp_path: Path, scans: list[PreparedScan], tiny: TrainSettings
) -> None:
    seen: list[Progress] = []
    Trainer(scans, tiny, tmp_path).run(seen.append)
    assert [(one.step, one.total) for one in seen] == [(n, 6) for n in range(1, 7)]
    assert all(math.isfinite(one.loss) and one.slices_per_second > 0 for one in seen)
    assert seen[0].seconds_left > 0
    assert seen[-1].seconds_left == 0
    state = load_state(tmp_path / STATE_NAME)
    assert state.model.keys() == state.average.keys()
    assert any(not torch.equal(state.model[n], state.average[n]) for n in state.model)
    assert TrainSettings.model_validate(state.settings) == tiny
    assert not list(tmp_path.glob(".*partial"))


def test_training_learns(tmp_path: Path, scans: list[PreparedScan], values: dict[str, Any]) -> None:
    phase = {"size": [16, 24], "steps": 40, "batch": 2, "lr": 0.02, "lr_end": 0.005}
    settings = TrainSettings.model_validate({**values, "network": "bu", "phases": [phase]})
    seen: list[Progress] = []
    Trainer(scans, settings, tmp_path).run(seen.append)
    losses = [one.loss for one in seen]
    assert sum(losses[-8:]) < 0.8 * sum(losses[:8])


def test_learning_rate_warms_up_and_decays() -> None:
    phase = Phase(size=(16, 16), steps=12, batch=1, lr=1.0, lr_end=0.1, warmup=2)
    rates = [learning_rate(phase, step) for step in range(12)]
    assert rates[:3] == [0.5, 1.0, 1.0]
    assert rates[7] == pytest.approx(0.55)
    assert all(a >= b for a, b in pairwise(rates[2:]))
    assert 0.1 < rates[-1] < 0.15
