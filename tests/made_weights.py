"""Weights made on the fly: a rule written as ONNX that does find lungs, and tiny real networks."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from groundglass.recipe import SliceRecipe
from groundglass.weights.manifest import Stage, WeightsFile, WeightsManifest
from groundglass.weights.store import Weights

LUNG_BELOW, LESION_FROM, STEEPNESS = 0.4, 0.25, 60.0
"""The rule: dark within an ellipse is lung, brighter in it is lesion."""

RULE_RECIPES = {
    "lungs": SliceRecipe("lungs", (96, 96), frame_size=96, clahe_clip=0.0, mean=0.0, std=1.0),
    "lesions": SliceRecipe("lesions", (64, 96), frame_size=96, clahe_clip=0.0, mean=0.0, std=1.0),
}


def chest_ellipse(shape: tuple[int, int]) -> np.ndarray:
    """Where the lungs of `small_chest` are in the frame: 0 there, -99 elsewhere, (H, W) float32."""
    row, column = np.mgrid[: shape[0], : shape[1]]
    row, column = (row + 0.5) / shape[0] - 0.38, (column + 0.5) / shape[1] - 0.5
    inside = (row / 0.25) ** 2 + (column / 0.37) ** 2 < 1
    return np.where(inside, 0.0, -99.0).astype(np.float32)


def rule_logits(stage: str, batch: np.ndarray) -> np.ndarray:
    """What the rule's ONNX answers. Shape: (N, 1, H, W) float32 in and out."""
    if stage == "lesions":
        return (batch - np.float32(LESION_FROM)) * np.float32(STEEPNESS)
    dark = (batch - np.float32(LUNG_BELOW)) * np.float32(-STEEPNESS)
    return dark + chest_ellipse((batch.shape[2], batch.shape[3]))


def rule_onnx(stage: str) -> bytes:
    """The rule as an ONNX model of the size in `RULE_RECIPES`."""
    from onnx import TensorProto, checker, helper, numpy_helper

    size = RULE_RECIPES[stage].network_size
    edge, slope, shift = LESION_FROM, STEEPNESS, np.zeros(size, np.float32)
    if stage == "lungs":
        edge, slope, shift = LUNG_BELOW, -STEEPNESS, chest_ellipse(size)
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, *size])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1, *size])
    values = {"edge": edge, "slope": slope, "shift": shift}
    constants = [numpy_helper.from_array(np.float32(v), name) for name, v in values.items()]
    nodes = [
        helper.make_node("Sub", ["image", "edge"], ["above"]),
        helper.make_node("Mul", ["above", "slope"], ["steep"]),
        helper.make_node("Add", ["steep", "shift"], ["logits"]),
    ]
    graph = helper.make_graph(nodes, stage, [image], [logits], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return model.SerializeToString()


def write_weights(
    folder: Path,
    *,
    name: str = "rule",
    files: dict[str, bytes] | None = None,
    recipes: dict[str, SliceRecipe] | None = None,
    **changes: Any,
) -> Weights:
    """A folder of weights around `files` ('lungs.onnx', ...; a few bytes where not given)."""
    folder.mkdir(parents=True, exist_ok=True)
    stages = {}
    for stage, recipe in (recipes or RULE_RECIPES).items():
        entries = {}
        for kind in ("onnx", "safetensors"):
            file = f"{stage}.{kind}"
            content = (files or {}).get(file, f"{stage} {kind}".encode())
            (folder / file).write_bytes(content)
            entries[kind] = WeightsFile(file=file, sha256=hashlib.sha256(content).hexdigest())
        stages[stage] = Stage(
            network="raiu-net", base=2, parameters=1, recipe=recipe.to_dict(), trained={}, **entries
        )
    values: dict[str, Any] = {
        "name": name,
        "version": "1",
        "title": "made for a test",
        "license": "CC0-1.0",
        "training_data": ("none",),
        "held_out": (),
        "accuracy": {},
        "stages": stages,
    }
    manifest = WeightsManifest(**{**values, **changes})
    (folder / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
    return Weights(folder, manifest)


def write_rule_weights(folder: Path) -> Weights:
    """Weights that find lungs and lesions on phantoms; ONNX engine only."""
    files = {f"{stage}.onnx": rule_onnx(stage) for stage in RULE_RECIPES}
    return write_weights(folder, files=files)


def write_lesion_model(folder: Path) -> Weights:
    """The rule for lesions alone, to stand beside the lungs of other weights."""
    recipes = {"lesions": RULE_RECIPES["lesions"]}
    files = {"lesions.onnx": rule_onnx("lesions")}
    return write_weights(folder, name="lesion-rule", files=files, recipes=recipes, version="7")


def write_tiny_weights(folder: Path, *, network: str = "raiu-net", alone: bool = False) -> Weights:
    """A network of base 2 with random numbers, packed as a finished training is.

    `alone`: the lesion stage alone.
    """
    import torch

    from groundglass.networks.build import build_network
    from groundglass.training.checkpoint import TrainingState, save_state
    from groundglass.training.pack import PackSettings, pack_weights
    from groundglass.training.settings import TrainSettings

    for stage, seed in (("lungs", 1), ("lesions", 2)):
        torch.manual_seed(seed)
        built = build_network(network, base=2)
        settings = TrainSettings.model_validate(
            {
                "name": stage,
                "stage": stage,
                "index": "prepared",
                "network": network,
                "base": 2,
                "hold_out": [f"held-{stage}", "held-by-both"],
                "phases": [
                    {"size": [32, 32], "steps": 4, "batch": 3, "lr": 1e-3, "lr_end": 1e-4},
                    {"size": [64, 64], "steps": 5, "batch": 2, "lr": 1e-3, "lr_end": 1e-4},
                ],
                "recipe": {"stage": stage, "network_size": [64, 64], "frame_size": 64},
            }
        ).model_dump(mode="json")
        run = folder.parent / f"{folder.name}-run-{stage}"
        run.mkdir(parents=True)
        weights = built.state_dict()
        save_state(
            run / "state.safetensors", TrainingState(6, 36.0, settings, weights, weights, {})
        )
    runs = [folder.parent / f"{folder.name}-run-{stage}" for stage in ("lungs", "lesions")]
    manifest = pack_weights(
        None if alone else runs[0],
        runs[1],
        folder,
        PackSettings("tiny", "0", "random numbers", "CC0-1.0", ("none",), {}, hardware="a test"),
    )
    return Weights(folder, manifest)
