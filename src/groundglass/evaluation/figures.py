"""Figures of an evaluation: cases with their masks (CHS-Net, Fig. 14), Dice against size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from groundglass.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BOTH, ONLY_PREDICTED, ONLY_REFERENCE = "#56b4e9", "#e69f00", "#cc79a7"
"""Okabe and Ito's sky blue, orange and purple: told apart with any color vision."""
REFERENCE_LINE, PREDICTION_LINE = "#56d4ff", "#ffb000"
_MOST_PANELS_A_ROW = 6
_SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")


@dataclass(frozen=True)
class CasePanel:
    """One slice. `title` stands above, `caption` (Dice, Jaccard) below.

    Shape: `reference` and `prediction` bool (H, W); `image` (H, W), uint8 or 0..1, or None.
    Rows run to the back, columns to the patient's left. `aspect` is row step / column step.
    """

    title: str
    reference: np.ndarray
    prediction: np.ndarray
    caption: str = ""
    image: np.ndarray | None = None
    aspect: float = 1.0


@dataclass(frozen=True)
class SizePoints:
    """Dice against size for one kind of thing (volumes, slices, lesions)."""

    name: str
    sizes: Sequence[float]
    dice: Sequence[float]
    unit: str


def draw_cases(path: Path, panels: Sequence[CasePanel], *, heading: str = "") -> None:
    """Draw cases as columns, at most six beside each other, as PNG.

    With images: the slice, the reference's outline, the prediction's outline, and where they
    differ. Without: where they agree and differ, in color, with a legend.
    Raises: InputError for no panel or arrays that do not fit; MissingExtraError without
    matplotlib.
    """
    _check(panels)
    rows = ("slice", "reference", "prediction", "agreement")
    rows = rows if any(panel.image is not None for panel in panels) else ("agreement",)
    columns = min(len(panels), _MOST_PANELS_A_ROW)
    bands = -(-len(panels) // columns)
    shape = panels[0].reference.shape
    height = 2.1 * min(max(panels[0].aspect * shape[0] / shape[1], 0.4), 2.0)
    size = (max(2.1 * columns + 0.3, 5.5), (height * len(rows) + 0.75) * bands + 0.8)
    figure = new_figure(size)
    grid = figure.subplots(bands * len(rows), columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for number, panel in enumerate(panels):
        band, column = divmod(number, columns)
        for offset, kind in enumerate(rows):
            axes = grid[band * len(rows) + offset, column]
            _draw_panel(axes, panel, kind)
            if offset == 0:
                axes.set_title(panel.title, fontsize=8)
            if column == 0 and len(rows) > 1:
                axes.text(
                    -0.04, 0.5, kind, rotation=90, fontsize=8, ha="right", va="center",
                    transform=axes.transAxes,
                )  # fmt: skip
        axes = grid[(band + 1) * len(rows) - 1, column]
        axes.text(
            0.5, -0.03, panel.caption, fontsize=8, ha="center", va="top", transform=axes.transAxes
        )
    if heading:
        figure.suptitle(heading, fontsize=10)
    _legend(figure)
    save_figure(figure, path)


def draw_dice_by_size(path: Path, series: Sequence[SizePoints], *, heading: str = "") -> None:
    """Draw Dice against size (logarithmic), one field for each series, as PNG.

    The line is the median of each of up to eight equally filled size groups, where there are
    20 points or more. Raises: InputError for no point at all; MissingExtraError without
    matplotlib.
    """
    filled = [one for one in series if len(one.sizes)]
    if not filled:
        raise InputError("there is no point to draw", expected="one size with its Dice")
    figure = new_figure((4.2 * len(filled) + 0.4, 3.8))
    grid: Any = figure.subplots(1, len(filled), squeeze=False, sharey=True)
    for number, (axes, one) in enumerate(zip(grid[0], filled, strict=True)):
        sizes, dice = np.asarray(one.sizes, float), np.asarray(one.dice, float)
        many = len(sizes) >= 20
        axes.scatter(
            sizes, dice, s=10 if many else 24, alpha=0.45 if many else 0.9,
            color=_SERIES[number % len(_SERIES)], linewidths=0,
        )  # fmt: skip
        if many:
            axes.plot(*_medians(sizes, dice), color="black", linewidth=1.4, label="median")
            axes.legend(frameon=False, fontsize=8, loc="lower right")
        axes.set(xscale="log", ylim=(-0.02, 1.02), xlabel=f"size in the reference ({one.unit})")
        axes.set_title(f"{one.name} (n = {len(sizes)})", fontsize=9)
        axes.grid(alpha=0.25, linewidth=0.5)
    grid[0][0].set_ylabel("Dice")
    if heading:
        figure.suptitle(heading, fontsize=10)
    save_figure(figure, path)


def _check(panels: Sequence[CasePanel]) -> None:
    if not panels:
        raise InputError("there is no case to draw", expected="one panel or more")
    for panel in panels:
        others = [panel.prediction] + ([] if panel.image is None else [panel.image])
        shapes = {panel.reference.shape, *(one.shape for one in others)}
        if len(shapes) != 1 or panel.reference.ndim != 2:
            raise InputError(
                f"panel {panel.title!r} has arrays of {sorted(shapes)}", expected="one shape (H, W)"
            )


def _medians(sizes: np.ndarray, dice: np.ndarray) -> tuple[list[float], list[float]]:
    order = np.argsort(sizes, kind="stable")
    parts = np.array_split(order, min(8, len(order) // 5))
    return [float(np.median(sizes[p])) for p in parts], [float(np.median(dice[p])) for p in parts]


def new_figure(size: tuple[float, float]) -> Figure:
    """An empty figure, laid out by constraints. Raises: MissingExtraError without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "train", "Drawing figures") from error
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _draw_panel(axes: Axes, panel: CasePanel, kind: str) -> None:
    gray = _gray(panel.image, panel.reference.shape)
    picture = np.repeat(gray[..., None], 3, axis=2)
    if kind == "agreement":
        picture = _agreement(picture, panel)
    axes.imshow(picture, interpolation="nearest", aspect=panel.aspect)
    outlines = {
        "reference": ((panel.reference, REFERENCE_LINE),),
        "prediction": ((panel.prediction, PREDICTION_LINE),),
    }
    for mask, color in outlines.get(kind, ()):
        if mask.any() and not mask.all():
            axes.contour(mask.astype(float), levels=[0.5], colors=[color], linewidths=0.9)


def _gray(image: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    """0..1; a light ground where there is no image."""
    if image is None:
        return np.full(shape, 0.93)
    return image / 255.0 if image.dtype == np.uint8 else np.clip(image, 0.0, 1.0)


def _agreement(picture: np.ndarray, panel: CasePanel) -> np.ndarray:
    out = picture.copy()
    true, made = panel.reference.astype(bool), panel.prediction.astype(bool)
    share = 1.0 if panel.image is None else 0.75
    for mask, color in (
        (true & made, BOTH), (made & ~true, ONLY_PREDICTED), (true & ~made, ONLY_REFERENCE),
    ):  # fmt: skip
        rgb = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) / 255.0
        out[mask] = (1 - share) * out[mask] + share * rgb
    return out


def _legend(figure: Figure) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(color=BOTH, label="both (true positive)"),
        Patch(color=ONLY_PREDICTED, label="prediction only (false positive)"),
        Patch(color=ONLY_REFERENCE, label="reference only (false negative)"),
    ]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=7.5,
        handlelength=1.2, columnspacing=1.2,
    )  # fmt: skip


def save_figure(figure: Figure, path: Path) -> None:
    """Write the figure with 256 colors: gray slices with a few hues, a quarter of the bytes."""
    from io import BytesIO

    from PIL import Image

    beside = path.with_name(f".{path.name}.partial-{os.getpid()}")
    drawn = BytesIO()
    figure.savefig(drawn, format="png", dpi=120)
    try:
        with Image.open(drawn) as picture:
            picture.convert("RGB").quantize(256).save(beside, format="PNG", optimize=True)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
