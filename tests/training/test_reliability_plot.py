"""The reliability diagram is a PNG, and says what it needs."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from groundglass.errors import InputError, MissingExtraError
from groundglass.metrics.calibration import LogitHistogram, Reliability
from groundglass.training.reliability_plot import draw_reliability


def curve(temperature: float = 1.0) -> Reliability:
    logits = np.linspace(-6, 6, 200)
    return Reliability.of(LogitHistogram.of(logits, logits > 1), temperature=temperature)


def test_the_picture_is_a_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    empty = Reliability.of(LogitHistogram.empty())
    path = tmp_path / "reliability.png"
    draw_reliability({"before": curve(), "after": curve(2.0), "none": empty}, path, title="made up")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [file.name for file in tmp_path.iterdir()] == ["reliability.png"]


def test_too_few_and_too_many_curves_are_refused(tmp_path: Path) -> None:
    for number in (0, 5):
        with pytest.raises(InputError, match=f"there are {number} curves to draw"):
            draw_reliability({str(i): curve() for i in range(number)}, tmp_path / "x.png")


def test_without_matplotlib_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"groundglass\[train\]"):
        draw_reliability({"a": curve()}, tmp_path / "x.png")
