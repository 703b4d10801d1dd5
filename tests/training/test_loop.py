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
from groundglass.losses.build import LOSSES, build_loss
from groundglass.training import loop
from groundglass.training.checkpoint import (
    BEST_NAME,
    RESULT_NAME,
    STATE_NAME,
    load_result,
    load_state,
)
from groundglass.training.curve import LOOKS, read_looks
from groundglass.training.loop import CURVE, Progress, Trainer, learning_rate
from groundglass.training.settings import Phase, TrainSettings


class KilledError(Exception):
    """Stands for a kill in the middle of a run."""


def kill_after(step: int):
    def watch(progress: Progress) -> None:
        if progress.step == step:
            raise KilledError

    return watch


def assert_equal_states(one: Path, other: Path, name: str = STATE_NAME) -> None:
    a, b = load_state(one / name), load_state(other / name)
    assert (a.step, a.validation) == (b.step, b.validation)
    for part in ("model", "average", "optimizer"):
        left, right = getattr(a, part), getattr(b, part)
        assert left.keys() == right.keys()
        for name, tensor in left.items():
            assert torch.equal(tensor, right[name]), f"{part} {name}"


@pytest.mark.parametrize(
    ("network", "optimizer", "mixed"),
    [
        ("raiu-net", "adamw", True),
        ("raiu-net-deep", "adam", False),
        ("bu", "adam", False),
        ("bu", "sgd", False),
        ("bu", "sgd-hypergradient", False),
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
    if network == "bu":
        Trainer(scans, settings, tmp_path / "again").run()
        assert_equal_states(tmp_path / "whole", tmp_path / "again")
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
        stream.write("4,0.5,1e-3\n5,0.5,1e-3\n6,0.")
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


def scripted(monkeypatch: pytest.MonkeyPatch, *dice: float) -> list[int]:
    """Let validation say these; the list fills with the slices that each look was given."""
    given: list[int] = []

    def look(predictor: object, scans: list[PreparedScan], recipe: object, stride: int) -> float:
        given.append(sum(len(scan.image) for scan in scans))
        return dice[len(given) - 1]

    monkeypatch.setattr(loop, "pooled_dice", look)
    return given


def stopping(values: dict[str, Any], **changes: Any) -> TrainSettings:
    return TrainSettings.model_validate(
        {**values, "early_stopping": {"scans": ["three"], "every": 1, "patience": 2, **changes}}
    )


def test_it_stops_early_and_keeps_the_best(
    tmp_path: Path,
    scans: list[PreparedScan],
    values: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = scripted(monkeypatch, 0.1, 0.5, 0.5, 0.4, 0.9)
    averages: list[dict[str, torch.Tensor]] = []
    trainer = Trainer(scans, stopping(values), tmp_path, validation=[scans[1]])
    trainer.run(lambda _: averages.append({k: v.clone() for k, v in trainer.average.items()}))
    assert trainer.step == 4  # two looks after the best
    assert given == [5, 5, 5, 5]
    state, best = load_state(tmp_path / STATE_NAME), load_state(tmp_path / BEST_NAME)
    assert (state.step, best.step) == (4, 2)
    assert state.validation == ((1, 0.1), (2, 0.5), (3, 0.5), (4, 0.4))
    assert best.optimizer == {}
    result = load_result(tmp_path)
    for name, value in result.average.items():  # of step 2, with batch statistics of its own
        own = name.endswith(("running_mean", "running_var", "num_batches_tracked"))
        assert torch.equal(value, averages[1][name]) != own, name
    assert read_looks(tmp_path / LOOKS).tolist() == [list(look) for look in state.validation]
    Trainer(scans, stopping(values), tmp_path, validation=[scans[1]]).run(kill_after(5))
    assert load_state(tmp_path / STATE_NAME).step == 4  # it stays stopped


def test_early_stopping_goes_on_with_its_looks(
    tmp_path: Path, scans: list[PreparedScan], values: dict[str, Any]
) -> None:
    """With the real look: a killed run ends with the very same weights, looks and best."""
    settings = stopping(values, every=2, stride=2, patience=9)
    validation = [scans[1]]
    Trainer(scans, settings, tmp_path / "whole", validation=validation).run()
    with pytest.raises(KilledError):
        Trainer(scans, settings, tmp_path / "killed", validation=validation).run(kill_after(6))
    resumed = Trainer(scans, settings, tmp_path / "killed", validation=validation)
    assert resumed.step == 4  # a look is a checkpoint too
    assert [step for step, _ in resumed.watch.looks] == [2, 4]
    resumed.run()
    for name in (STATE_NAME, BEST_NAME):
        assert_equal_states(tmp_path / "whole", tmp_path / "killed", name)
    assert [step for step, _ in resumed.watch.looks] == [2, 4, 6]
    looks = [(tmp_path / name / LOOKS).read_text() for name in ("whole", "killed")]
    assert looks[0] == looks[1]


def test_a_new_run_forgets_what_an_old_one_left(
    tmp_path: Path,
    scans: list[PreparedScan],
    values: dict[str, Any],
    tiny: TrainSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A best state of a run whose checkpoint was deleted must not become this run's result."""
    scripted(monkeypatch, *[0.5] * 6)
    Trainer(scans, stopping(values), tmp_path, validation=[scans[1]]).run()
    (tmp_path / STATE_NAME).unlink()
    Trainer(scans, tiny, tmp_path).run()
    assert not (tmp_path / BEST_NAME).exists()
    assert not (tmp_path / LOOKS).exists()
    assert load_result(tmp_path).step == 6


def test_a_run_made_longer_has_no_result_until_its_new_end(
    tmp_path: Path, scans: list[PreparedScan], values: dict[str, Any], tiny: TrainSettings
) -> None:
    Trainer(scans, tiny, tmp_path).run()
    assert load_state(tmp_path / RESULT_NAME).step == 6
    phases = [*values["phases"], {**values["phases"][0], "steps": 4}]
    longer = TrainSettings.model_validate({**values, "phases": phases})
    with pytest.raises(KilledError):
        Trainer(scans, longer, tmp_path).run(kill_after(10))
    assert load_result(tmp_path).step == 9
    Trainer(scans, longer, tmp_path).run()
    assert load_state(tmp_path / RESULT_NAME).step == 10


def test_early_stopping_without_a_scan_is_refused(
    tmp_path: Path, scans: list[PreparedScan], values: dict[str, Any]
) -> None:
    with pytest.raises(SettingsError, match="stops early and was given no scan to look at"):
        Trainer(scans, stopping(values), tmp_path)


def direct(values: dict[str, Any], **changes: Any) -> TrainSettings:
    recipe = {**values["recipe"], "stage": "direct", "network_size": [32, 32]}
    phase = {"size": [32, 32], "steps": 2, "batch": 2, "lr": 1e-2, "lr_end": 1e-3}
    changes = {"stage": "direct", "recipe": recipe, "phases": [phase], **changes}
    return TrainSettings.model_validate({**values, **changes})


def test_stage_direct_is_trained_and_looked_at(
    tmp_path: Path, scans: list[PreparedScan], values: dict[str, Any]
) -> None:
    stop = {"scans": ["three"], "every": 1, "stride": 1}
    trainer = Trainer(scans, direct(values, early_stopping=stop), tmp_path, validation=[scans[1]])
    trainer.run()
    assert [step for step, _ in trainer.watch.looks] == [1, 2]


@pytest.mark.parametrize("network", ["raiu-net-deep", "inf-net"])
@pytest.mark.parametrize("mixed", [False, True])
def test_every_side_output_is_trained(
    tmp_path: Path, scans: list[PreparedScan], values: dict[str, Any], network: str, mixed: bool
) -> None:
    settings = direct(
        values, network=network, optimizer="sgd", weight_decay=0.0, mixed_precision=mixed
    )
    trainer = Trainer(scans, settings, tmp_path)
    before = trainer.network.state_dict()
    before = {name: value.clone() for name, value in before.items()}
    trainer.run()
    for name, value in trainer.network.named_parameters():
        assert value.grad is not None, name  # of the side heads too
        assert value.grad.isfinite().all(), name
        assert value.dtype == torch.float32
    now = trainer.network.state_dict()
    heads = [name for name, value in now.items() if "head" in name and value.ndim == 4]
    changed = [name for name in heads if not torch.equal(now[name], before[name])]
    assert len(changed) > 1, heads  # in so narrow a network, one may be dead


@pytest.mark.parametrize("name", [None, *LOSSES])
def test_the_loss_is_chosen_by_name(
    tmp_path: Path, scans: list[PreparedScan], values: dict[str, Any], name: str | None
) -> None:
    trainer = Trainer(scans, TrainSettings.model_validate({**values, "loss": name}), tmp_path)
    logits, target = torch.randn(2, 1, 8, 8), torch.ones(2, 1, 8, 8)
    expected = build_loss(name or "bce-dice")(logits, target)
    assert torch.equal(trainer.loss(logits, target), expected)
    images, targets = trainer.samples.batch(0)
    with torch.no_grad():
        trainer.network.train()
        first = trainer.loss(trainer.network(torch.from_numpy(images)), torch.from_numpy(targets))
    lost = trainer._train(torch.from_numpy(images), torch.from_numpy(targets), rate=1e-3, step=0)
    assert float(lost) == pytest.approx(float(first), rel=1e-5)


def test_left_out_it_is_the_networks_own(
    tmp_path: Path, scans: list[PreparedScan], values: dict[str, Any]
) -> None:
    settings = TrainSettings.model_validate({**values, "network": "attention-unet-ftl"})
    loss = Trainer(scans, settings, tmp_path).loss
    logits, target = torch.randn(2, 1, 8, 8), torch.ones(2, 1, 8, 8)
    assert torch.equal(loss(logits, target), build_loss("focal-tversky")(logits, target))


def test_an_unknown_loss_is_refused(
    tmp_path: Path, scans: list[PreparedScan], values: dict[str, Any]
) -> None:
    with pytest.raises(SettingsError, match="loss 'hinge' is unknown; expected bce-dice, "):
        Trainer(scans, TrainSettings.model_validate({**values, "loss": "hinge"}), tmp_path)


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
