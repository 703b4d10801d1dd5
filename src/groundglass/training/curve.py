"""The training curve as a picture."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from groundglass.errors import DatasetError, MissingExtraError

PICTURE = "curve.png"


def read_curve(path: Path) -> np.ndarray:
    """Columns step, loss, learning rate of a `curve.csv`; shape (steps, 3).

    Raises: DatasetError where the file is missing, empty or damaged.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = [[float(value) for value in row] for row in list(csv.reader(stream))[1:]]
        curve = np.array(rows, dtype=np.float64).reshape(-1, 3)
    except (OSError, ValueError) as error:
        raise DatasetError(f"training curve {path} cannot be read: {error}") from error
    if not len(curve):
        raise DatasetError(f"training curve {path} has no steps")
    return curve


def plot_curve(source: Path, destination: Path) -> None:
    """Draw a `curve.csv` as PNG: the loss, smoothed over it, and the learning rate.

    Raises: DatasetError as `read_curve`; MissingExtraError without matplotlib.
    """
    curve = read_curve(source)
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "train", "Drawing the training curve") from error
    step, loss, rate = curve.T
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot(step, loss, color="#9db7d5", linewidth=0.7, label="loss of each step")
    axes.plot(step, smooth(loss), color="#1f4e8c", linewidth=1.8, label="smoothed")
    axes.set(xlabel="step", ylabel="loss", ylim=(0, None))
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
