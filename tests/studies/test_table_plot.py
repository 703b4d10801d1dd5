"""The picture of a table: a PNG with the dots where the numbers are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from groundglass.errors import MissingExtraError
from groundglass.studies.table import table_rows
from groundglass.studies.table_plot import draw_table

from .made_rows import A, made_conditions, made_row

pytest.importorskip("matplotlib")

ROWS = [made_row("bu"), made_row("bu", protocol="slices", folds=((A,),)), made_row("x")]


def drawn(tmp_path: Path, *, is_phantom: bool) -> tuple[list, list[str]]:
    """Points of each line of the first panel, and the words on the whole figure."""
    from matplotlib.figure import Figure

    kept = []
    plain = Figure.savefig

    def keep(self: Figure, *args: Any, **named: Any) -> None:
        kept.append(self)
        plain(self, *args, **named)

    with mock.patch.object(Figure, "savefig", keep):
        conditions = made_conditions(is_phantom=is_phantom)
        draw_table(tmp_path / "t.png", table_rows(ROWS, 5), conditions, table=5)
    (figure,) = kept
    axes = figure.axes[0]
    points = [(line.get_marker(), list(line.get_xdata())) for line in axes.lines]
    words = [text.get_text() for text in (*figure.texts, *axes.get_yticklabels())]
    return points, words


def test_dots_stand_at_their_numbers(tmp_path: Path) -> None:
    points, words = drawn(tmp_path, is_phantom=False)
    dots = [x[0] for marker, x in points if marker == "o"]
    assert dots == pytest.approx([80 / 115, 16 / 18, 80 / 115])
    assert [x for marker, x in points if marker == "D"] == [[0.25], [0.25]]  # the paper's, of BU
    folds = [x for marker, x in points if marker == "."]
    assert folds[0] == pytest.approx([20 / 24, 60 / 91])
    assert len(folds) == 2  # one fold alone is the dot itself
    assert any("leaks patients" in word for word in words)
    assert not any("phantom" in word for word in words)
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["t.png"]


def test_phantoms_are_written_across(tmp_path: Path) -> None:
    _, words = drawn(tmp_path, is_phantom=True)
    assert "made-up phantoms" in words


def test_without_matplotlib_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"groundglass\[train\]"):
        draw_table(tmp_path / "t.png", table_rows(ROWS, 5), made_conditions(), table=5)
