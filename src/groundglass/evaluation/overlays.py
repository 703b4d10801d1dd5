"""Masks of several networks on the same slices: hits, false alarms and misses in color."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from groundglass.errors import InputError
from groundglass.evaluation.figures import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE = "#009e73", "#d7191c", "#0072b2"
"""Green, red, blue; the green bluish (Okabe and Ito's), so that all can tell it from the red."""
_SHARE = 0.75
_HEAD, _EDGE, _FOOT = 0.9, 1.75, 0.45


@dataclass(frozen=True)
class OverlayCell:
    """One network on one slice. Shape: `prediction` bool (H, W). `caption` stands below."""

    prediction: np.ndarray
    caption: str = ""


@dataclass(frozen=True)
class OverlayRow:
    """One slice and what each network made of it.

    Shape: `image` (H, W) 0..1; `reference` bool (H, W).
    """

    title: str
    image: np.ndarray
    reference: np.ndarray
    cells: tuple[OverlayCell, ...]


def draw_overlays(
    path: Path, rows: Sequence[OverlayRow], *, columns: Sequence[str], heading: str = ""
) -> None:
    """Draw a row for each slice: the slice itself, then one picture for each network, as PNG.

    Source: CovTANet, Fig. 8. Differs: there false positives are blue and false negatives red.
    Raises: InputError for no row, no column, or arrays that do not fit; MissingExtraError without
    matplotlib.
    """
    _check(rows, columns)
    height = max(row.image.shape[0] / row.image.shape[1] for row in rows)
    size = (_EDGE * (len(columns) + 1), (_EDGE * height + 0.05) * len(rows) + _HEAD + _FOOT)
    figure = new_figure(size)
    grid = figure.subplots(len(rows), len(columns) + 1, squeeze=False)
    for place, name in enumerate(("slice", *columns)):
        grid[0, place].set_title(fill(name, 18), fontsize=8)
    for axes_of_row, row in zip(grid, rows, strict=True):
        plain = np.repeat(row.image[..., None], 3, axis=2)
        _show(axes_of_row[0], plain)
        axes_of_row[0].set_ylabel(row.title, fontsize=7.5, linespacing=1.5)
        for axes, cell in zip(axes_of_row[1:], row.cells, strict=True):
            _show(axes, overlay(plain, row.reference, cell.prediction))
            axes.set_xlabel(cell.caption, fontsize=8)
    if heading:
        figure.suptitle(heading, fontsize=10)
    _legend(figure)
    save_figure(figure, path)


def overlay(picture: np.ndarray, reference: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """The picture with its hits, false alarms and misses in color. Shape: (H, W, 3) 0..1."""
    out = picture.copy()
    true, made = reference.astype(bool), prediction.astype(bool)
    for mask, color in (
        (true & made, TRUE_POSITIVE),
        (made & ~true, FALSE_POSITIVE),
        (true & ~made, FALSE_NEGATIVE),
    ):
        rgb = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) / 255.0
        out[mask] = (1 - _SHARE) * out[mask] + _SHARE * rgb
    return out


def _check(rows: Sequence[OverlayRow], columns: Sequence[str]) -> None:
    if not rows or not columns:
        raise InputError(
            f"there are {len(rows)} slices of {len(columns)} networks", expected="one of each"
        )
    for row in rows:
        shapes = {row.image.shape, row.reference.shape, *(c.prediction.shape for c in row.cells)}
        if len(shapes) != 1 or row.image.ndim != 2:
            raise InputError(
                f"row {row.title!r} has arrays of {sorted(shapes)}", expected="one shape (H, W)"
            )
        if len(row.cells) != len(columns):
            raise InputError(
                f"row {row.title!r} has {len(row.cells)} masks", expected=f"{len(columns)}"
            )


def _show(axes: Axes, picture: np.ndarray) -> None:
    axes.imshow(picture, interpolation="nearest", vmin=0, vmax=1)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _legend(figure: Figure) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(color=TRUE_POSITIVE, label="true positive"),
        Patch(color=FALSE_POSITIVE, label="false positive"),
        Patch(color=FALSE_NEGATIVE, label="false negative"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
