"""Two processes under torchrun train as one: same samples, averaged gradients, one writer."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from groundglass.training import first_network, loop
from groundglass.training.checkpoint import BEST_NAME, STATE_NAME, load_state
from groundglass.training.curve import CURVE, LOOKS, read_curve, read_looks
from groundglass.training.loop import Trainer
from groundglass.training.select import select_scans
from groundglass.training.settings import TrainSettings

from .two_processes import plain_network

WORKER = Path(__file__).with_name("two_processes.py")


@dataclass(frozen=True)
class Two:
    """What two processes left behind."""

    work: Path
    said: str


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("torchrun")


@pytest.fixture
def plain(values: dict[str, Any], prepared: Path) -> dict[str, Any]:
    """Four steps of plain SGD on binary cross entropy, the same in one process and in two."""
    phase = {"size": [16, 24], "steps": 4, "batch": 4, "lr": 0.5, "lr_end": 0.1}
    return {
        **values,
        "index": str(prepared),
        "loss": "miniseg",  # on a network with one output: binary cross entropy alone
        "optimizer": "sgd",
        "phases": [phase],
        "checkpoint_every": 2,
    }


@pytest.fixture
def two(plain: dict[str, Any], work: Path) -> Two:
    """Started once for all tests of this file."""
    said = work / "said"
    if not said.exists():
        (work / "plain.yaml").write_text(yaml.safe_dump(plain))
        early = {"scans": ["three"], "every": 2, "stride": 2}
        command = {**plain, "loss": None, "early_stopping": early}
        (work / "command.yaml").write_text(yaml.safe_dump(command))
        start = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        start += ["--nproc-per-node", "2", str(WORKER), str(work)]
        done = subprocess.run(
            start,
            capture_output=True,
            text=True,
            timeout=600,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr[-4000:]
        said.write_text(done.stdout + done.stderr)
    return Two(work, said.read_text())


def test_two_processes_have_equal_weights_and_go_on_exactly(two: Two) -> None:
    ends = [
        load_file(two.work / f"{name}-{r}.safetensors")
        for name in ("whole", "killed")
        for r in (0, 1)
    ]
    for name, tensor in ends[0].items():
        assert all(torch.equal(tensor, other[name]) for other in ends[1:]), name
    assert load_state(two.work / "killed" / STATE_NAME).step == 4


def test_two_processes_equal_one(
    two: Two, plain: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (loop, first_network):
        monkeypatch.setattr(module, "build_network", plain_network)
    settings = TrainSettings.model_validate(plain)
    start = plain_network("", base=2)
    Trainer(select_scans(settings).train, settings, tmp_path / "one").run()
    one = load_state(tmp_path / "one" / STATE_NAME).model
    together = load_state(two.work / "whole" / STATE_NAME).model
    for name, tensor in one.items():
        torch.testing.assert_close(together[name], tensor, rtol=1e-4, atol=1e-6)
        assert not torch.allclose(tensor, start.state_dict()[name], atol=1e-3)


def test_only_the_first_process_speaks_and_writes(two: Two) -> None:
    for words in ("tiny: 3 scans", "going on from step 2", "4/4  loss", "best validation Dice"):
        assert two.said.count(words) == 1, two.said
    folder = two.work / "command"
    files = {path.name for path in folder.iterdir()}
    assert {STATE_NAME, BEST_NAME, CURVE, LOOKS} <= files
    assert not any(name.endswith(".partial") for name in files)
    assert read_curve(folder / CURVE)[:, 0].tolist() == [1, 2, 3, 4]
    assert read_looks(folder / LOOKS)[:, 0].tolist() == [2, 4]
