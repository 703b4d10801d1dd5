"""A classifier's manifest is whole, and names plain files only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from groundglass.errors import WeightsError
from groundglass.weights.classifier_manifest import (
    HEADS,
    ClassifierManifest,
    holds_classifier,
)

from ..made_classifier import write_classifier_weights
from ..made_weights import write_weights


def test_a_manifest_comes_back(tmp_path: Path) -> None:
    weights = write_classifier_weights(tmp_path / "w", accuracy={"auroc": 0.5})
    again = ClassifierManifest.read(tmp_path / "w")
    assert again == weights.manifest
    assert again.segmenter.slice_recipe().network_size == (64, 64)
    assert all(hasattr(again, head) for head in HEADS)
    assert {entry.file for entry in again.files.values()} == {
        "segmenter.onnx",
        "segmenter.safetensors",
        "encoder.onnx",
        "head.onnx",
        "classifier.safetensors",
        "known.npz",
    }


def test_the_kind_is_told_by_the_format(tmp_path: Path) -> None:
    write_classifier_weights(tmp_path / "heads")
    write_weights(tmp_path / "masks")
    assert holds_classifier(tmp_path / "heads")
    assert not holds_classifier(tmp_path / "masks")
    assert not holds_classifier(tmp_path)
    (tmp_path / "manifest.json").write_text("[1]")
    assert not holds_classifier(tmp_path)


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("format",), "groundglass-classifier-2", "damaged at format"),
        (("known", "limit"), -1, r"damaged at known\.limit"),
        (("known", "file", "file"), "../evil.npz", r"damaged at known\.file\.file"),
        (("diagnosis", "threshold"), 1.5, r"damaged at diagnosis\.threshold"),
        (("diagnosis", "temperature"), 0, r"damaged at diagnosis\.temperature"),
        (("classifier", "slices"), 0, r"damaged at classifier\.slices"),
        (("unknown",), 1, "damaged at unknown"),
        (("segmenter", "recipe"), {"stage": "heart"}, "has a bad recipe"),
        (("segmenter", "recipe"), {"stage": "lungs", "network_size": 3}, "has a bad recipe"),
    ],
)
def test_damage_is_named(tmp_path: Path, where: tuple[str, ...], value: Any, message: str) -> None:
    write_classifier_weights(tmp_path / "w")
    path = tmp_path / "w" / "manifest.json"
    values = json.loads(path.read_text())
    inner = values
    for name in where[:-1]:
        inner = inner[name]
    inner[where[-1]] = value
    path.write_text(json.dumps(values))
    with pytest.raises(WeightsError, match=message):
        ClassifierManifest.read(tmp_path / "w")


def test_none_is_there(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"has no readable manifest\.json"):
        ClassifierManifest.read(tmp_path)
