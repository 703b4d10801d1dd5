"""The training curve: rows of a CSV file while a run goes on, and a picture of them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from groundglass.errors import DatasetError, MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVE = "curve.csv"
LOOKS = "validation.csv"
PICTURE = "curve.png"

_HEADER = "step,loss,learning_rate"


def append_curve(path: Path, rows: Iterable[tuple[int, float, float]]) -> None:
    """Add rows (step, loss, learning rate) to a `curve.csv`, which is begun where there is none."""
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        if fresh:
            writer.writerow(_HEADER.split(","))
        writer.writerows((step, f"{loss:.6f}", f"{rate:.3e}") for step, loss, rate in rows)


def trim_curve(path: Path, step: int) -> None:
    """Drop rows past `step`, and a half-written one: of a run that was killed in between."""
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    _write(path, [_HEADER, *(line for line in lines if 0 < _step_of(line) <= step)])


def write_looks(path: Path, looks: Sequence[tuple[int, float]]) -> None:
    """Write all looks (step, Dice) of early stopping as a `validation.csv`."""
    _write(path, ["step,dice", *(f"{step},{dice:.6f}" for step, dice in looks)])


def read_curve(path: Path) -> np.ndarray:
    """Columns step, loss, learning rate of a `curve.csv`; shape (steps, 3).

    Raises: DatasetError where the file is missing, empty or damaged.
    """
    curve = _read(path, columns=3)
    if not len(curve):
        raise DatasetError(f"training curve {path} has no steps")
    return curve


def read_looks(path: Path) -> np.ndarray:
    """Columns step, Dice of a `validation.csv`; shape (looks, 2), none where there is no file.

    Raises: DatasetError where the file is damaged.
    """
    return _read(path, columns=2) if path.exists() else np.empty((0, 2))


def plot_curve(source: Path, destination: Path) -> None:
    """Draw a `curve.csv` as PNG: the loss, smoothed over it, and the learning rate.

    With a `validation.csv` beside it, the looks of early stopping stand below, the best marked.
    Raises: DatasetError as `read_curve`; MissingExtraError without matplotlib.
    """
    curve, looks = read_curve(source), read_looks(source.with_name(LOOKS))
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "train", "Drawing the training curve") from error
    figure = Figure(figsize=(8, 4.5 if not len(looks) else 6.3), layout="constrained")
    FigureCanvasAgg(figure)
    axes = _panels(figure, looks)
    step, loss, rate = curve.T
    axes.plot(step, loss, color="#9db7d5", linewidth=0.7, label="loss of each step")
    axes.plot(step, smooth(loss), color="#1f4e8c", linewidth=1.8, label="smoothed")
    axes.set(ylabel="loss", ylim=(0, None))
    if not len(looks):
        axes.set(xlabel="step")
    axes.legend(frameon=False)
    right = axes.twinx()
    right.plot(step, rate, color="#b5651d", linewidth=0.9, linestyle=":")
    right.set(ylabel="learning rate (dotted)", yscale="log")
    partial = destination.with_name(f".{destination.name}.partial")
    figure.savefig(partial, format="png", dpi=120)
    partial.replace(destination)


def smooth(values: np.ndarray) -> np.ndarray:
    """Centered mean over about a fiftieth of the values, narrower at the ends; same length."""
    half = max(1, len(values) // 100)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    low, high = np.maximum(index - half, 0), np.minimum(index + half + 1, len(values))
    return (sums[high] - sums[low]) / (high - low)


def _panels(figure: Figure, looks: np.ndarray) -> Axes:
    """The axes for the loss; where there are looks, they are drawn below."""
    if not len(looks):
        return figure.add_subplot()
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.4))
    step, dice = looks.T
    best = int(dice.argmax())  # the first of equals, as early stopping has it
    lower.plot(step, dice, color="#2e7d5b", linewidth=1.2, marker="o", markersize=3.5)
    lower.plot(
        step[best : best + 1],
        dice[best : best + 1],
        color="#2e7d5b",
        linestyle="none",
        marker="o",
        markersize=9,
        fillstyle="none",
        label=f"best: {dice[best]:.3f} at step {step[best]:.0f}",
    )
    lower.set(xlabel="step", ylabel="validation Dice")
    lower.margins(y=0.2)
    lower.legend(frameon=False)
    return upper


def _read(path: Path, *, columns: int) -> np.ndarray:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = [[float(value) for value in row] for row in list(csv.reader(stream))[1:]]
        if any(len(row) != columns for row in rows):
            raise ValueError(f"a row has not {columns} values")
    except (OSError, ValueError) as error:
        raise DatasetError(f"training curve {path} cannot be read: {error}") from error
    return np.array(rows, dtype=np.float64).reshape(-1, columns)


def _step_of(line: str) -> int:
    """The step of a whole row of a curve, 0 for the header and for what a kill left behind."""
    values = line.split(",")
    return int(values[0]) if len(values) == 3 and values[0].isdigit() else 0


def _write(path: Path, lines: Sequence[str]) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    partial.replace(path)
