"""One process of many: `torchrun` starts them, this says which one we are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from groundglass.errors import SettingsError

_TORCHRUN = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Ranks:
    """This process's number and how many there are; 0 of 1 without torchrun."""

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0

    @classmethod
    def join(cls, device: str) -> Ranks:
        """Join the processes that torchrun started, over NCCL on GPUs and Gloo on CPUs.

        May be called again and again. Raises: SettingsError where `WORLD_SIZE` is set and the
        rest of torchrun's environment is not.
        """
        world = int(os.environ.get("WORLD_SIZE", "1"))
        if world == 1:
            return cls()
        if missing := [name for name in _TORCHRUN if name not in os.environ]:
            raise SettingsError(
                f"WORLD_SIZE is {world} and {', '.join(missing)} is not set",
                expected="the environment that torchrun sets up",
                remedy="Start with torchrun, or unset WORLD_SIZE",
            )
        if not distributed.is_initialized():
            distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
        return cls(distributed.get_rank(), world, int(os.environ["LOCAL_RANK"]))

    def leave(self) -> None:
        """Part from the others, when all is done."""
        if self.world > 1 and distributed.is_initialized():
            distributed.destroy_process_group()

    def device(self, name: str) -> torch.device:
        """The device of this process: with several on one machine, each its own GPU.

        Raises: SettingsError where all are told to take the same one.
        """
        if self.world == 1 or not name.startswith("cuda"):
            return torch.device(name)
        if name != "cuda":
            raise SettingsError(
                f"device is {name!r} and there are {self.world} processes",
                expected="'cuda': each process takes its own GPU",
            )
        torch.cuda.set_device(self.local)
        return torch.device("cuda", self.local)

    def check_batch(self, batch: int) -> None:
        """Raises: SettingsError where a batch cannot be dealt evenly."""
        if batch % self.world:
            raise SettingsError(
                f"batch is {batch} and there are {self.world} processes",
                expected=f"a multiple of {self.world}, so that each process gets as many slices",
            )

    def wrap(self, network: nn.Module, device: torch.device) -> nn.Module:
        """The network that averages gradients over all processes; itself where there is one.

        On GPUs batch statistics are shared; on CPUs each process has its own share's.
        """
        if self.world == 1:
            return network
        if device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
            return DistributedDataParallel(network, device_ids=[device.index])
        return DistributedDataParallel(network)

    def wait(self) -> None:
        """Return when every process is here."""
        if self.world > 1:
            distributed.barrier()

    def agree(self, value: float) -> float:
        """The first process's value, in every process."""
        if self.world == 1:
            return value
        shared = [value]
        distributed.broadcast_object_list(shared)
        return shared[0]

    def check_shared(self, path: Path) -> None:
        """Raises: SettingsError where the processes do not all see, or all miss, a file."""
        found = path.exists()
        if self.agree(float(found)) != float(found):
            raise SettingsError(
                f"process {self.rank} {'sees' if found else 'does not see'} {path}, and the "
                "first one differs",
                expected="a run folder that all machines share",
            )
