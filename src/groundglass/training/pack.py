"""From finished runs to weights that analysis can use: ONNX, float16 safetensors, manifest."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from groundglass.errors import SettingsError, WeightsError
from groundglass.networks.build import build_network
from groundglass.recipe import SliceRecipe
from groundglass.training.checkpoint import load_result
from groundglass.training.half_weights import hashed, load_rounded, save_half
from groundglass.training.onnx_export import export_onnx
from groundglass.weights.manifest import MANIFEST_NAME, Stage, WeightsManifest


@dataclass(frozen=True)
class PackSettings:
    """What the manifest says besides what the runs know.

    `lesion_threshold` replaces the lesion recipe's. The threshold that is best for Dice lies at
    half the Dice that can be reached (Lipton et al. 2014), so below one half. It is one on the
    probability after `lesion_temperature`, which is `calibration`'s where it is None.
    """

    name: str
    version: str
    title: str
    license: str
    training_data: tuple[str, ...]
    accuracy: dict[str, Any]
    hardware: str = ""
    lesion_threshold: float | None = None
    lesion_temperature: float | None = None
    calibration: dict[str, Any] = field(default_factory=dict)

    def temperature(self) -> float:
        """Of the lesion network. Raises: SettingsError where two are given, or a bad one."""
        kept = self.calibration.get("temperature")
        chosen = self.lesion_temperature if self.lesion_temperature is not None else kept
        if chosen is None:
            if self.calibration:
                raise SettingsError(
                    "calibration names no temperature",
                    expected="a field 'temperature'",
                    remedy="Give --lesion-temperature",
                )
            return 1.0
        for value in (chosen, chosen if kept is None else kept):
            if type(value) not in (int, float) or not 0 < value < 1e6:
                raise SettingsError(f"lesion temperature is {value!r}", expected="a number above 0")
        if kept is not None and not np.isclose(kept, chosen, rtol=1e-3):
            raise SettingsError(
                f"lesion temperature is {chosen:g}, that of the calibration {kept:g}",
                expected="one of them, or the same",
            )
        return float(chosen)


def pack_weights(
    lungs: Path | None, lesions: Path, destination: Path, settings: PackSettings
) -> WeightsManifest:
    """Write `destination`: the networks' running averages as .onnx and .safetensors.

    `lungs`, `lesions`: run folders; without lungs the weights hold a lesion model alone, which
    is used beside the lungs of other weights. The numbers are rounded to float16 first, so that
    every engine computes with the same ones.
    Raises: WeightsError where a run is missing, of the wrong stage, or the export differs from
    the network; SettingsError as `PackSettings.temperature`.
    """
    temperature = settings.temperature()
    destination.mkdir(parents=True, exist_ok=True)
    stages: dict[str, Stage] = {}
    held_out: list[set[str]] = []
    runs = {"lesions": lesions} if lungs is None else {"lungs": lungs, "lesions": lesions}
    for name, run in runs.items():
        state = load_result(run)
        recipe = SliceRecipe.from_dict(state.settings["recipe"])
        if recipe.stage != name:
            raise WeightsError(f"run {run} trained {recipe.stage}", expected=name)
        if name == "lesions" and settings.lesion_threshold is not None:
            recipe = replace(recipe, threshold=settings.lesion_threshold)
        network = _rounded_network(state.settings, state.average)
        onnx_file, tensor_file = f"{name}.onnx", f"{name}.safetensors"
        save_half(network, destination / tensor_file)
        export_onnx(network, recipe.network_size, destination / onnx_file)
        held_out.append(set(state.settings["hold_out"]))
        stages[name] = Stage(
            network=state.settings["network"],
            base=state.settings["base"],
            parameters=sum(p.numel() for p in network.parameters()),
            recipe=recipe.to_dict(),
            onnx=hashed(destination / onnx_file),
            safetensors=hashed(destination / tensor_file),
            trained=trained_record(state.settings, state.step, state.seconds, settings.hardware),
            temperature=temperature if name == "lesions" else 1.0,
            calibration=settings.calibration if name == "lesions" else {},
        )
    manifest = WeightsManifest(
        name=settings.name,
        version=settings.version,
        title=settings.title,
        license=settings.license,
        training_data=settings.training_data,
        held_out=tuple(sorted(set.intersection(*held_out))),
        accuracy=settings.accuracy,
        stages=stages,
    )
    (destination / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def _rounded_network(settings: dict[str, Any], average: dict[str, torch.Tensor]) -> nn.Module:
    network = build_network(settings["network"], base=settings["base"])
    load_rounded(network, average)
    return network.eval()


def trained_record(
    settings: dict[str, Any], step: int, seconds: float, hardware: str
) -> dict[str, Any]:
    """What a manifest says of how a segmentation network was trained."""
    left, slices = step, 0
    for phase in settings["phases"]:
        taken = min(left, phase["steps"])
        slices += taken * phase["batch"]
        left -= taken
    return {
        "steps": step,
        "slices": slices,
        "held_out": settings["hold_out"],
        "started_from": Path(settings["start_from"]).name if settings.get("start_from") else None,
        "hours": round(seconds / 3600, 2),
        "hardware": hardware or platform.processor() or platform.machine(),
        "seed": settings["seed"],
        "encoder_weights": (
            Path(settings["encoder_weights"]).name if settings.get("encoder_weights") else None
        ),
        "phases": settings["phases"],
        "torch": torch.__version__,
    }
