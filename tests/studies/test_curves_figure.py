"""Curves of several runs in one picture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from groundglass.errors import DatasetError, InputError, MissingExtraError
from groundglass.studies.curves_figure import draw_curves

pytest.importorskip("matplotlib")

CURVE = "step,loss,learning_rate\n1,0.5,1.0e-03\n2,0.25,5.0e-04\n"


def made_run(folder: Path, *, looks: bool = False) -> Path:
    folder.mkdir()
    (folder / "curve.csv").write_text(CURVE)
    if looks:
        (folder / "validation.csv").write_text("step,dice\n1,0.25\n2,0.75\n")
    return folder / "curve.csv"


def drawn(destination: Path, runs: dict[str, Path], **named: Any) -> Any:
    from matplotlib.figure import Figure

    kept = []
    plain = Figure.savefig

    def keep(self: Figure, *args: Any, **values: Any) -> None:
        kept.append(self)
        plain(self, *args, **values)

    with mock.patch.object(Figure, "savefig", keep):
        draw_curves(destination, runs, **named)
    return kept[0]


def test_runs_are_overlaid_and_labelled(tmp_path: Path) -> None:
    runs = {"BU": made_run(tmp_path / "a"), "RAIU-Net": made_run(tmp_path / "b", looks=True)}
    figure = drawn(tmp_path / "c.png", runs, title="fold 0")
    top, below = figure.axes
    assert [text.get_text() for text in top.get_legend().get_texts()] == ["BU", "RAIU-Net"]
    assert [list(line.get_ydata()) for line in below.lines] == [[0.25, 0.75]]
    assert figure.get_suptitle() == "fold 0"
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_phantoms_are_named(tmp_path: Path) -> None:
    figure = drawn(tmp_path / "c.png", {"BU": made_run(tmp_path / "a")}, is_phantom=True)
    assert figure.get_suptitle() == "made-up phantoms"
    assert len(figure.axes) == 1


def test_nothing_to_draw(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no training curve"):
        draw_curves(tmp_path / "c.png", {})
    with pytest.raises(DatasetError, match=r"curve\.csv"):
        draw_curves(tmp_path / "c.png", {"gone": tmp_path / "curve.csv"})


def test_without_matplotlib_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made_run(tmp_path / "a")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"groundglass\[train\]"):
        draw_curves(tmp_path / "c.png", {"BU": run})
