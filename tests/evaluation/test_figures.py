"""Figures are pictures of what was handed in."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from groundglass.errors import InputError, MissingExtraError
from groundglass.evaluation.figures import (
    BOTH,
    ONLY_PREDICTED,
    ONLY_REFERENCE,
    PREDICTION_LINE,
    REFERENCE_LINE,
    CasePanel,
    SizePoints,
    draw_cases,
    draw_dice_by_size,
)


def panel(**changes: object) -> CasePanel:
    reference, prediction = np.zeros((20, 24), bool), np.zeros((20, 24), bool)
    reference[4:12, 4:12] = prediction[6:14, 6:14] = True
    given = {"title": "a", "reference": reference, "prediction": prediction, **changes}
    return CasePanel(**given)  # pyright: ignore[reportArgumentType]


def colors(path: Path) -> set[str]:
    """Colors with at least 25 pixels."""
    with Image.open(path) as image:
        found = image.convert("RGB").getcolors(maxcolors=1 << 20) or []
    return {f"#{r:02x}{g:02x}{b:02x}" for count, (r, g, b) in found if count >= 25}


def test_masks_alone(tmp_path: Path) -> None:
    draw_cases(tmp_path / "c.png", [panel(), panel(prediction=np.zeros((20, 24), bool))])
    assert {BOTH, ONLY_PREDICTED, ONLY_REFERENCE} <= colors(tmp_path / "c.png")
    assert [path.name for path in tmp_path.iterdir()] == ["c.png"]


def test_with_images_outlines_are_drawn(tmp_path: Path) -> None:
    image = np.full((20, 24), 90, np.uint8)
    draw_cases(tmp_path / "c.png", [panel(image=image, caption="Dice 0.562")], heading="One")
    found = colors(tmp_path / "c.png")
    assert {REFERENCE_LINE, PREDICTION_LINE, "#5a5a5a"} <= found


def test_many_panels_go_into_rows(tmp_path: Path) -> None:
    draw_cases(tmp_path / "six.png", [panel()] * 6)
    draw_cases(tmp_path / "seven.png", [panel()] * 7)
    with Image.open(tmp_path / "six.png") as six, Image.open(tmp_path / "seven.png") as seven:
        assert seven.width == six.width
        assert seven.height > six.height


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no case"):
        draw_cases(tmp_path / "c.png", [])
    with pytest.raises(InputError, match="'a' has arrays of"):
        draw_cases(tmp_path / "c.png", [panel(image=np.zeros((3, 3)))])
    with pytest.raises(InputError, match="no point"):
        draw_dice_by_size(tmp_path / "c.png", [SizePoints("volumes", [], [], "ml")])
    assert list(tmp_path.iterdir()) == []


def test_dice_by_size(tmp_path: Path) -> None:
    sizes = np.geomspace(1, 1000, 40)
    series = [
        SizePoints("slices", list(sizes), list(np.linspace(0, 1, 40)), "cm²"),
        SizePoints("volumes", [3.0, 40.0], [0.5, 0.7], "ml"),
    ]
    draw_dice_by_size(tmp_path / "d.png", series, heading="Dice")
    assert {"#000000", "#ffffff"} <= colors(tmp_path / "d.png")


def test_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"groundglass\[train\]"):
        draw_cases(tmp_path / "c.png", [panel()])
