"""A manifest is whole, fits its recipes, and names plain files only."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from groundglass.errors import WeightsError
from groundglass.weights.manifest import WeightsManifest

from ..made_weights import RULE_RECIPES, write_weights


def changed(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A folder of weights whose manifest was edited."""
    write_weights(folder)
    path = folder / "manifest.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))
    return folder


def test_a_manifest_comes_back(tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "w", held_out=("a", "b"), accuracy={"dice": 0.5})
    again = WeightsManifest.read(tmp_path / "w")
    assert again == weights.manifest
    assert again.held_out == ("a", "b")
    for stage, recipe in RULE_RECIPES.items():
        assert again.stages[stage].slice_recipe() == recipe


def test_a_folder_without_one(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"has no readable manifest\.json; expected a folder"):
        WeightsManifest.read(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_what_is_no_manifest_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(WeightsError, match="is damaged at its first level"):
        WeightsManifest.read(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.pop("license"), "damaged at license: Field required"),
        (lambda v: v.update(extra=1), "damaged at extra"),
        (lambda v: v.update(format="other-1"), "damaged at format"),
        (lambda v: v["stages"].clear(), r"has stages \[\]; expected lungs and lesions, or one"),
        (
            lambda v: v["stages"].update(heart=v["stages"]["lungs"]),
            r"has stages \['heart', 'lesions', 'lungs'\]; expected lungs and lesions",
        ),
        (lambda v: v["stages"]["lungs"].pop("onnx"), r"damaged at stages\.lungs\.onnx"),
        (
            lambda v: v["stages"]["lungs"]["onnx"].update(file="../../secret"),
            r"damaged at stages\.lungs\.onnx\.file",
        ),
        (
            lambda v: v["stages"]["lungs"]["onnx"].update(sha256="00"),
            r"damaged at stages\.lungs\.onnx\.sha256",
        ),
        (
            lambda v: v["stages"]["lesions"].update(temperature=0),
            r"damaged at stages\.lesions\.temperature",
        ),
        (lambda v: v["stages"]["lungs"]["recipe"].update(std=0), "bad recipe for lungs: .*std 0"),
        (lambda v: v["stages"]["lungs"]["recipe"].update(std="x"), "bad recipe for lungs"),
        (lambda v: v["stages"]["lungs"]["recipe"].update(zoom=2), "unknown fields"),
        (
            lambda v: v["stages"]["lungs"]["recipe"].update(stage="lesions"),
            "has the recipe of lesions at lungs",
        ),
    ],
)
def test_damage_is_named(tmp_path: Path, change: Callable, message: str) -> None:
    folder = changed(tmp_path / "w", change)
    with pytest.raises(WeightsError, match=message):
        WeightsManifest.read(folder)


def test_a_manifest_of_before_temperatures_is_read_as_not_calibrated(tmp_path: Path) -> None:
    def older(values: dict[str, Any]) -> None:
        for stage in values["stages"].values():
            del stage["temperature"], stage["calibration"]

    stage = WeightsManifest.read(changed(tmp_path / "w", older)).stages["lesions"]
    assert (stage.temperature, stage.calibration, stage.is_calibrated) == (1.0, {}, False)


@pytest.mark.parametrize("fitted", [{"temperature": 1.7}, {"calibration": {"ece": 0.01}}])
def test_what_was_fitted_is_calibrated(tmp_path: Path, fitted: dict[str, Any]) -> None:
    folder = changed(tmp_path / "w", lambda v: v["stages"]["lesions"].update(fitted))
    stages = WeightsManifest.read(folder).stages
    assert (stages["lungs"].is_calibrated, stages["lesions"].is_calibrated) == (False, True)
