"""What a run leaves on disk, and what can be begun with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from groundglass.errors import WeightsError
from groundglass.training.checkpoint import (
    BEST_NAME,
    STATE_NAME,
    TrainingState,
    flatten_optimizer,
    load_result,
    load_start,
    load_state,
    restore_optimizer,
    save_state,
)


def state(value: float, step: int = 3) -> TrainingState:
    weights = {"a.weight": torch.full((2, 3), value)}
    average = {"a.weight": torch.full((2, 3), value / 2)}
    return TrainingState(step, 1.5, {"name": "tiny"}, weights, average, {}, ((2, 0.25), (3, 0.5)))


def test_a_state_comes_back(tmp_path: Path) -> None:
    save_state(tmp_path / STATE_NAME, state(4.0))
    found = load_state(tmp_path / STATE_NAME)
    assert (found.step, found.seconds, found.settings) == (3, 1.5, {"name": "tiny"})
    assert found.validation == ((2, 0.25), (3, 0.5))
    assert torch.equal(found.model["a.weight"], torch.full((2, 3), 4.0))
    assert torch.equal(found.average["a.weight"], torch.full((2, 3), 2.0))


def test_a_kill_while_writing_leaves_the_last_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_state(tmp_path / STATE_NAME, state(4.0))

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        save_state(tmp_path / STATE_NAME, state(8.0, step=6))
    assert load_state(tmp_path / STATE_NAME).step == 3


def test_the_best_is_the_result_where_there_is_one(tmp_path: Path) -> None:
    save_state(tmp_path / STATE_NAME, state(4.0))
    assert load_result(tmp_path).step == 3
    save_state(tmp_path / BEST_NAME, state(8.0, step=2))
    assert load_result(tmp_path).step == 2
    assert torch.equal(load_start(tmp_path)["a.weight"], torch.full((2, 3), 4.0))


def test_a_run_begins_with_a_checkpoint_or_with_weights(tmp_path: Path) -> None:
    save_state(tmp_path / STATE_NAME, state(4.0))
    assert torch.equal(load_start(tmp_path / STATE_NAME)["a.weight"], torch.full((2, 3), 2.0))
    half = {"a.weight": torch.full((2, 3), 0.5).half(), "count": torch.tensor(7)}
    save_file(half, tmp_path / "weights.safetensors")
    found = load_start(tmp_path / "weights.safetensors")
    assert found["a.weight"].dtype == torch.float32
    assert found["count"] == 7


@pytest.mark.parametrize("name", ["nothing.safetensors", "text.safetensors", "empty"])
def test_what_is_no_start_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.safetensors").write_text("words")
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError, match="cannot be read"):
        load_start(tmp_path / name)


def test_another_programs_file_is_no_checkpoint(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / STATE_NAME)
    with pytest.raises(WeightsError, match="has format None; expected groundglass-training-1"):
        load_state(tmp_path / STATE_NAME)


def test_the_optimizers_memory_comes_back_in_the_format_of_its_weights(tmp_path: Path) -> None:
    """Sums over another memory format would round in another order."""

    def made() -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        network = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        return network, torch.optim.Adam(network.parameters())

    network, optimizer = made()
    network(torch.ones(1, 3, 4, 4)).sum().backward()
    optimizer.step()
    flat = {k: v.contiguous().clone() for k, v in flatten_optimizer(optimizer).items()}
    _, other = made()
    restore_optimizer(other, flat)
    for one, two in zip(
        optimizer.state_dict()["state"].values(), other.state_dict()["state"].values(), strict=True
    ):
        for name, value in one.items():
            assert torch.equal(value, two[name])
            assert value.stride() == two[name].stride()
