"""One process alone, and environments that are none of torchrun's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from groundglass.errors import SettingsError
from groundglass.training.ranks import Ranks


def test_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    ranks = Ranks.join("cpu")
    assert (ranks, ranks.is_first) == (Ranks(0, 1, 0), True)
    network = nn.Conv2d(1, 1, 1)
    assert ranks.wrap(network, torch.device("cpu")) is network
    assert ranks.agree(0.25) == 0.25
    assert ranks.device("cuda:3") == torch.device("cuda", 3)
    ranks.check_batch(7)
    ranks.check_shared(tmp_path / "nothing")
    ranks.wait()
    ranks.leave()


def test_half_an_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    for name in ("LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError, match="WORLD_SIZE is 2 and LOCAL_RANK, MASTER_ADDR, MAST"):
        Ranks.join("cpu")


def test_a_batch_is_dealt_evenly() -> None:
    Ranks(0, 4).check_batch(8)
    with pytest.raises(SettingsError, match="batch is 6 and there are 4 processes; expected a mu"):
        Ranks(0, 4).check_batch(6)


def test_each_process_takes_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    assert Ranks(5, 8, 1).device("cuda") == torch.device("cuda", 1)
    assert taken == [1]
    assert Ranks(5, 8, 1).device("cpu") == torch.device("cpu")
    with pytest.raises(SettingsError, match="device is 'cuda:0' and there are 8 processes"):
        Ranks(5, 8, 1).device("cuda:0")


def test_processes_that_see_other_folders_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Ranks, "agree", lambda self, value: 1.0)
    (tmp_path / "state").touch()
    Ranks(1, 2).check_shared(tmp_path / "state")
    with pytest.raises(SettingsError, match=r"process 1 does not see .*nothing, and the first one"):
        Ranks(1, 2).check_shared(tmp_path / "nothing")
