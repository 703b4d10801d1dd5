"""The reliability diagram as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from groundglass.errors import InputError, MissingExtraError
from groundglass.metrics.calibration import Reliability

_COLORS = ("#9a5b00", "#1f4e8c", "#15803d", "#7a5195")
_MARKS = ("o", "s", "^", "D")
_MOST = len(_COLORS)


def draw_reliability(
    curves: Mapping[str, Reliability],
    destination: Path,
    *,
    title: str = "",
    share: str = "share that is lesion",
    counted: str = "pixels",
) -> None:
    """Draw up to four curves (name -> curve) as PNG: observed share against mean probability.

    Below them, on a log scale, how many pixels (or what is `counted`) each bin holds: a point of
    few says little. The diagonal is perfect calibration; below it the network is too sure. Empty
    bins have no point.
    Source: Guo et al. 2017, figure 1 (reliability diagrams).
    Raises: InputError for no curve or more than four; MissingExtraError without matplotlib.
    """
    if not 0 < len(curves) <= _MOST:
        raise InputError(f"there are {len(curves)} curves to draw", expected=f"1 to {_MOST}")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "train", "Drawing a reliability diagram") from error
    figure = Figure(figsize=(5.6, 7.0), layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1))
    upper.plot([0, 1], [0, 1], color="#8a94a6", linewidth=1, linestyle="--", label="perfect")
    for (name, curve), color, mark in zip(curves.items(), _COLORS, _MARKS, strict=False):
        filled = [b for b in curve.bins if b.count]
        label = name if curve.ece is None else f"{name}: ECE {curve.ece:.3f}"
        upper.plot(
            [b.mean_probability for b in filled],
            [b.observed_share for b in filled],
            color=color,
            marker=mark,
            markersize=5,
            linewidth=1.6,
            label=label,
        )
        edges = np.linspace(0, 1, len(curve.count) + 1)
        lower.stairs(np.maximum(curve.count, 0.5), edges, color=color, linewidth=1.4, baseline=0.5)
    upper.set(ylabel=share, xlim=(0, 1), ylim=(0, 1))
    upper.legend(frameon=False, loc="upper left")
    for axes in (upper, lower):
        axes.set_axisbelow(True)
        axes.grid(axis="both" if axes is upper else "x", color="#e3e7ee", linewidth=0.7)
    lower.set(xlabel="predicted probability", ylabel=counted, yscale="log")
    most = max(float(curve.count.max(initial=1)) for curve in curves.values())
    lower.set_ylim(0.5, max(10.0, 3 * most))
    if title:
        upper.set_title(title, fontsize=11)
    partial = destination.with_name(f".{destination.name}.partial")
    figure.savefig(partial, format="png", dpi=120)
    partial.replace(destination)
