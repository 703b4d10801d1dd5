"""The curve as numbers and as a picture."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from groundglass.errors import DatasetError, MissingExtraError
from groundglass.training.curve import (
    append_curve,
    plot_curve,
    read_curve,
    read_looks,
    smooth,
    trim_curve,
    write_looks,
)

HEADER = "step,loss,learning_rate\n"


def test_rows_are_added_and_those_past_a_step_dropped(tmp_path: Path) -> None:
    path = tmp_path / "curve.csv"
    trim_curve(path, 3)
    assert not path.exists()
    append_curve(path, [(1, 0.5, 1e-3), (2, 0.4, 1e-3)])
    append_curve(path, [(3, 0.3, 1e-3), (12, 0.2, 1e-3)])
    with path.open("a") as stream:
        stream.write("1")  # of 13, when the run was killed
    trim_curve(path, 3)
    assert read_curve(path).tolist() == [[1, 0.5, 1e-3], [2, 0.4, 1e-3], [3, 0.3, 1e-3]]
    append_curve(path, [(4, 0.2, 1e-3)])
    assert path.read_text().splitlines()[0] + "\n" == HEADER
    assert read_curve(path)[:, 0].tolist() == [1, 2, 3, 4]


def test_looks_come_back(tmp_path: Path) -> None:
    path = tmp_path / "validation.csv"
    assert read_looks(path).shape == (0, 2)
    write_looks(path, ((2, 0.25), (4, 0.5)))
    assert read_looks(path).tolist() == [[2, 0.25], [4, 0.5]]
    path.write_text("step,dice\n2\n")
    with pytest.raises(DatasetError, match=r"validation\.csv cannot be read"):
        read_looks(path)


def test_read(tmp_path: Path) -> None:
    path = tmp_path / "curve.csv"
    path.write_text(HEADER + "1,0.5,1.0e-03\n2,0.25,5.0e-04\n")
    assert read_curve(path).tolist() == [[1, 0.5, 0.001], [2, 0.25, 0.0005]]


@pytest.mark.parametrize("text", [None, "", HEADER, HEADER + "1,2\n", HEADER + "1,x,3\n"])
def test_what_is_no_curve_is_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "curve.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DatasetError, match=r"curve\.csv"):
        read_curve(path)


def test_smoothing_is_a_mean_of_what_is_there() -> None:
    assert smooth(np.array([0.0, 3.0, 6.0])).tolist() == [1.5, 3.0, 4.5]
    flat = smooth(np.full(500, 2.0))
    np.testing.assert_allclose(flat, 2.0)
    assert flat.shape == (500,)


def test_the_picture_is_a_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "curve.csv").write_text(HEADER + "1,0.5,1.0e-03\n2,0.25,5.0e-04\n")
    plot_curve(tmp_path / "curve.csv", tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curve.csv", "curve.png"]


def test_looks_stand_in_the_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "curve.csv").write_text(HEADER + "1,0.5,1.0e-03\n2,0.25,5.0e-04\n")
    sizes = []
    for looks in ((), ((1, 0.25), (2, 0.5))):
        write_looks(tmp_path / "validation.csv", looks)
        plot_curve(tmp_path / "curve.csv", tmp_path / "curve.png")
        data = (tmp_path / "curve.png").read_bytes()
        sizes.append((int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")))
    assert sizes[0][0] == sizes[1][0]
    assert sizes[1][1] > sizes[0][1]  # a second panel


def test_without_matplotlib_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "curve.csv").write_text(HEADER + "1,0.5,1.0e-03\n")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"groundglass\[train\]"):
        plot_curve(tmp_path / "curve.csv", tmp_path / "curve.png")
