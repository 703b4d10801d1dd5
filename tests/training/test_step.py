"""One training step: update, running average, and what a CUDA graph may be asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from groundglass.datasets.index import PreparedScan
from groundglass.losses.build import build_loss
from groundglass.networks.raiu_net import raiu_net
from groundglass.training.loop import Trainer
from groundglass.training.settings import TrainSettings
from groundglass.training.step import TrainingStep


def made(network: nn.Module, **changes: Any) -> TrainingStep:
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    options = {"ema": 0.9, "mixed": False, **changes}
    return TrainingStep(network, optimizer, build_loss("bce-dice"), **options)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(2, 1, 16, 16)
    return x, (x > 0).float()


def test_the_average_lags_by_the_warm_up_and_then_by_ema() -> None:
    torch.manual_seed(0)
    network = raiu_net(base=2)
    step = made(network)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    step(*batch(), rate=0.1, step=0)
    name = "head.weight"
    after = network.state_dict()[name]
    expected = before[name] * 0.1 + after * 0.9  # keep = min(0.9, 1 / 10)
    torch.testing.assert_close(step.average[name], expected)
    last = step.average[name].clone()
    step(*batch(), rate=0.1, step=1000)
    torch.testing.assert_close(step.average[name], last * 0.9 + network.state_dict()[name] * 0.1)
    counters = [k for k in step.average if k.endswith("num_batches_tracked")]
    assert {int(step.average[k]) for k in counters} == {2}


def test_the_rate_is_that_of_the_call() -> None:
    torch.manual_seed(0)
    network = raiu_net(base=2)
    step = made(network)
    before = network.head.weight.detach().clone()
    step(*batch(), rate=0.0, step=0)
    assert torch.equal(network.head.weight, before)
    step(*batch(), rate=0.1, step=1)
    assert not torch.equal(network.head.weight, before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cuda_graph": True}, "cuda_graph needs a GPU, and device is 'cpu'"),
        (
            {"cuda_graph": True, "device": "cuda", "optimizer": "sgd"},
            "cuda_graph needs adamw or adam, and optimizer is 'sgd'",
        ),
    ],
)
def test_a_graph_without_what_it_needs_is_refused(
    values: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        TrainSettings.model_validate({**values, **changes})


@pytest.mark.parametrize(
    ("changes", "on_device", "recorded"),
    [
        ({}, False, False),
        ({"device": "cuda:1"}, True, True),
        ({"device": "cuda", "optimizer": "sgd"}, True, False),
    ],
)
def test_auto_takes_what_the_device_and_the_optimizer_allow(
    values: dict[str, Any], changes: dict[str, Any], on_device: bool, recorded: bool
) -> None:
    made = {**values, "sampler": "auto", "cuda_graph": "auto", **changes}
    settings = TrainSettings.model_validate(made)
    assert (settings.samples_on_device, settings.records_steps) == (on_device, recorded)


def test_a_run_on_batches_of_the_device_goes_on_to_the_same_weights(
    tmp_path: Path, scans: list[PreparedScan], values: dict[str, Any]
) -> None:
    settings = TrainSettings.model_validate({**values, "sampler": "device", "checkpoint_every": 1})
    whole = Trainer(scans, settings, tmp_path / "whole")
    whole.run()

    class _StopError(Exception):
        pass

    def stop(progress: Any) -> None:
        if progress.step == 3:
            raise _StopError

    with pytest.raises(_StopError):
        Trainer(scans, settings, tmp_path / "parts").run(stop)
    again = Trainer(scans, settings, tmp_path / "parts")
    assert again.step == 2
    again.run()
    for name, value in whole.average.items():
        assert torch.equal(value, again.average[name]), name


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_recorded_step_is_the_step(
    tmp_path: Path, scans: list[PreparedScan], values: dict[str, Any]
) -> None:
    runs = []
    for graph in (False, True):
        settings = TrainSettings.model_validate(
            {**values, "device": "cuda", "sampler": "device", "cuda_graph": graph}
        )
        trainer = Trainer(scans, settings, tmp_path / str(graph))
        trainer.run()
        runs.append(trainer.average)
    for name, value in runs[0].items():
        torch.testing.assert_close(value, runs[1][name], atol=1e-4, rtol=1e-3)
