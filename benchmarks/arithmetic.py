"""Operations of a network, and what the same cores do in a matrix product: the floor of time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


def count_flop(network: Any, shape: tuple[int, ...]) -> int:
    """Floating-point operations of one forward pass of a torch module on an input of `shape`.

    A multiply-add counts as two. Convolutions and matrix products are counted; element-wise
    work, pooling and interpolation are not.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network.eval()(torch.zeros(shape))
    return counter.get_total_flops()


def count_parameters(network: Any) -> int:
    """Learnable numbers of a torch module."""
    return sum(parameter.numel() for parameter in network.parameters())


def best_seconds(call: Callable[[], object], *, rounds: int) -> float:
    """Least wall seconds of several calls, after one that is not counted."""
    call()
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - began)
    return best


@dataclass(frozen=True)
class MachineRates:
    """What the cores reach: float32 matrix products and copies of large arrays."""

    numpy_gflop_per_s: float
    torch_gflop_per_s: float
    copy_gb_per_s: float

    @property
    def gflop_per_s(self) -> float:
        """The better of the two libraries' rates."""
        return max(self.numpy_gflop_per_s, self.torch_gflop_per_s)


def measure_rates(*, size: int = 2048, rounds: int = 5) -> MachineRates:
    """Time products of two (size, size) float32 matrices and copies of 256 MB, best of `rounds`.

    The threads are those that numpy and torch were told to use. A copy of n bytes counts as n
    read and n written.
    """
    import torch

    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((size, size), dtype=np.float32) for _ in range(2))
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    out = np.empty_like(a)
    work = 2 * size**3 / 1e9
    source = np.ones(min(32_000_000, 8 * size * size), np.float64)
    target = np.empty_like(source)
    return MachineRates(
        work / best_seconds(lambda: np.matmul(a, b, out=out), rounds=rounds),
        work / best_seconds(lambda: torch.mm(x, y), rounds=rounds),
        2 * source.nbytes / 1e9 / best_seconds(lambda: np.copyto(target, source), rounds=rounds),
    )


def file_bytes(folder: Path) -> int:
    """Bytes of all files under a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def floor_seconds(
    *, gflop: float, moved_bytes: float, gflop_per_s: float, copy_gb_per_s: float
) -> float:
    """Least seconds for so many operations and so many bytes moved, one after the other."""
    return gflop / gflop_per_s + moved_bytes / 1e9 / copy_gb_per_s
