"""Training curves of several runs in one picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from groundglass.errors import InputError, MissingExtraError
from groundglass.training.curve import LOOKS, read_curve, read_looks, smooth

COLORS = (
    "#1f4e8c",
    "#b5651d",
    "#2e7d4f",
    "#8e3b63",
    "#5b5b5b",
    "#c49a00",
    "#3aa0a0",
    "#7d5ba6",
)


def draw_curves(
    destination: Path,
    runs: Mapping[str, Path],
    *,
    title: str = "",
    is_phantom: bool = False,
) -> None:
    """Draw the smoothed loss of each run, label -> `curve.csv`, as one PNG.

    Looks of early stopping, in the `validation.csv` beside it, stand in a panel below.
    Raises: InputError without runs; DatasetError as `read_curve`; MissingExtraError without
    matplotlib.
    """
    if not runs:
        raise InputError("there is no training curve to draw", expected="one or more")
    curves = {label: read_curve(path) for label, path in runs.items()}
    looks = {label: read_looks(path.with_name(LOOKS)) for label, path in runs.items()}
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "train", "Drawing the training curves") from error
    has_looks = any(len(found) for found in looks.values())
    panels = 2 if has_looks else 1
    figure = Figure(figsize=(8.0, 3.6 * panels + 0.6), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0]
    for number, (label, curve) in enumerate(curves.items()):
        color, dash = COLORS[number % len(COLORS)], "-" if number < len(COLORS) else "--"
        style = {"color": color, "linestyle": dash, "linewidth": 1.6}
        grid[0].plot(curve[:, 0], smooth(curve[:, 1]), label=label, **style)
        if len(looks[label]):
            grid[1].plot(*looks[label].T, marker="o", markersize=3, **style)
    grid[0].set(ylabel="training loss, smoothed", ylim=(0, None))
    if has_looks:
        grid[1].set(ylabel="Dice on validation scans, pooled")
    grid[-1].set_xlabel("step")
    for axes in grid:
        axes.grid(color="#dddddd", linewidth=0.7)
        axes.spines[["top", "right"]].set_visible(False)
    grid[0].legend(frameon=False, fontsize=9, ncols=2 if len(curves) > 5 else 1)
    phantoms = "made-up phantoms" if is_phantom else ""
    figure.suptitle("; ".join(filter(None, (title, phantoms))), fontsize=11)
    partial = destination.with_name(f".{destination.name}.partial")
    figure.savefig(partial, format="png", dpi=120)
    partial.replace(destination)
