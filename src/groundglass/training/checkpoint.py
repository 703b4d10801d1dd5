"""Training state on disk: safetensors with JSON metadata, no pickle; whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from groundglass.errors import WeightsError

FORMAT = "groundglass-training-1"
STATE_NAME = "state.safetensors"
BEST_NAME = "best.safetensors"
RESULT_NAME = "result.safetensors"


@dataclass(frozen=True)
class TrainingState:
    """All that a run needs to go on: network, its running average, optimizer, step, seconds.

    `validation`: (step, Dice) of each look for early stopping.
    """

    step: int
    seconds: float
    settings: dict[str, Any]
    model: dict[str, torch.Tensor]
    average: dict[str, torch.Tensor]
    optimizer: dict[str, torch.Tensor]
    validation: tuple[tuple[int, float], ...] = ()


def save_state(path: Path, state: TrainingState) -> None:
    """Write beside, then rename."""
    tensors: dict[str, torch.Tensor] = {}
    for prefix, part in (("m", state.model), ("a", state.average), ("o", state.optimizer)):
        for name, tensor in part.items():
            tensors[f"{prefix}|{name}"] = tensor.detach().cpu().contiguous().clone()
    metadata = {
        "format": FORMAT,
        "step": str(state.step),
        "seconds": f"{state.seconds:.3f}",
        "settings": json.dumps(state.settings),
        "validation": json.dumps(state.validation),
    }
    partial = path.with_name(f".{path.name}.partial")
    save_file(tensors, partial, metadata=metadata)
    partial.replace(path)


def load_state(path: Path) -> TrainingState:
    """Read a state. Raises: WeightsError where the file is damaged or something else."""
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"checkpoint {path} cannot be read: {error}") from error
    if metadata.get("format") != FORMAT:
        raise WeightsError(
            f"checkpoint {path} has format {metadata.get('format')!r}", expected=FORMAT
        )

    def part(prefix: str) -> dict[str, torch.Tensor]:
        return {n.split("|", 1)[1]: t for n, t in tensors.items() if n.startswith(f"{prefix}|")}

    return TrainingState(
        int(metadata["step"]),
        float(metadata["seconds"]),
        json.loads(metadata["settings"]),
        part("m"),
        part("a"),
        part("o"),
        tuple((step, dice) for step, dice in json.loads(metadata.get("validation", "[]"))),
    )


def load_result(folder: Path) -> TrainingState:
    """What a run is used with: its result, of an unfinished one the best or last state so far."""
    for name in (RESULT_NAME, BEST_NAME):
        if (folder / name).exists():
            return load_state(folder / name)
    return load_state(folder / STATE_NAME)


def load_start(path: Path) -> dict[str, torch.Tensor]:
    """Weights to begin a run with: a run's running average, or a .safetensors file of weights.

    `path`: a run folder, one of its checkpoints, or a file of weights.
    Raises: WeightsError where none is there or readable.
    """
    if path.is_dir():
        return load_result(path).average
    try:
        with safe_open(path, framework="pt") as stored:
            is_checkpoint = (stored.metadata() or {}).get("format") == FORMAT
        if is_checkpoint:
            return load_state(path).average
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"start_from {path} cannot be read: {error}",
            expected="a run folder or a .safetensors file of weights",
        ) from error
    return {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}


def flatten_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Optimizer state as named tensors: '<parameter index>|<name>'."""
    out: dict[str, torch.Tensor] = {}
    for index, values in optimizer.state_dict()["state"].items():
        for name, value in values.items():
            if value is not None:
                out[f"{index}|{name}"] = torch.as_tensor(value)
    return out


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]
) -> None:
    """Undo `flatten_optimizer` into a fresh optimizer of the same shape."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        index, name = key.split("|", 1)
        weight = weights[int(index)]
        if tensor.shape == weight.shape:
            # Files know no memory format; another than before would round in another way.
            tensor = torch.empty_like(weight, dtype=tensor.dtype, device="cpu").copy_(tensor)
        state.setdefault(int(index), {})[name] = tensor
    whole = optimizer.state_dict()
    whole["state"] = state
    optimizer.load_state_dict(whole)
