"""A study's table as one picture: pooled Dice with interval, its folds, and the paper's figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

from groundglass.errors import MissingExtraError
from groundglass.studies.paper import Paper
from groundglass.studies.row import PROTOCOLS
from groundglass.studies.table_row import Conditions, TableRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = {"patients": "#1f4e8c", "slices": "#b5651d"}
INK = "#333333"


def draw_table(
    destination: Path, rows: Sequence[TableRow], conditions: Conditions, *, table: int
) -> None:
    """Draw one PNG, the first row on top, lungs and lesions in panels of their own.

    Phantoms are written across the picture. Raises: MissingExtraError without matplotlib.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "train", "Drawing the table") from error
    targets = list(dict.fromkeys(one.row.target for one in rows))
    panels = [[one for one in rows if one.row.target == target] for target in targets]
    heights = [len(panel) + 0.6 for panel in panels]
    size = (9.5, 0.46 * sum(heights) + 1.9)
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.subplots(
        len(panels), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    for axes, target, panel in zip(grid[:, 0], targets, panels, strict=True):
        _panel(axes, panel)
        axes.set_title(target, loc="left", fontsize=10, color=INK)
    grid[-1, 0].set_xlabel("Dice, pooled over all test pixels", color=INK)
    budget = conditions.budget.split(":")[0]
    phantoms = "; phantoms" if conditions.is_phantom else ""
    title = f"Table {table}: {conditions.paper.titles.get(table, 'study')}"
    notice = f"\n{_wrapped(conditions.notice)}" if conditions.notice else ""
    figure.suptitle(
        f"{title} (budget {budget}{phantoms}){notice}",
        fontsize=11,
        color=INK,
    )
    _legend(figure, rows, conditions.paper)
    if conditions.is_phantom:
        figure.text(
            0.6,
            0.5,
            "made-up phantoms",
            ha="center",
            va="center",
            rotation=18,
            fontsize=34,
            color="#c0392b",
            alpha=0.18,
            zorder=10,
        )
    partial = destination.with_name(f".{destination.name}.partial")
    figure.savefig(partial, format="png", dpi=130)
    partial.replace(destination)


def _wrapped(text: str) -> str:
    return "\n".join(wrap(text, 100))


def _panel(axes: Axes, panel: Sequence[TableRow]) -> None:
    for y, one in enumerate(panel):
        summary, color = one.summary, COLORS[one.row.protocol]
        interval, dice = summary.pooled["dice"], summary.scores.pooled.dice
        if interval is not None:
            axes.plot([interval.low, interval.high], [y, y], color=color, linewidth=2.2, alpha=0.55)
        folds = [v for _, scores in summary.folds if (v := scores.pooled.dice) is not None]
        if len(summary.folds) > 1:
            axes.plot(folds, [y + 0.22] * len(folds), ".", color=color, alpha=0.6, markersize=5)
        if dice is not None:
            axes.plot([dice], [y], "o", color=color, markersize=7.5)
            axes.annotate(
                f"{dice:.3f}",
                (1.0, y),
                xycoords=axes.get_yaxis_transform(),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
                color=color,
                annotation_clip=False,
            )
        if one.paper is not None and "dice" in one.paper.figures:
            axes.plot(
                [one.paper.figures["dice"]],
                [y - 0.2],
                "D",
                markerfacecolor="none",
                markeredgecolor=INK,
                markersize=7,
            )
    axes.set_yticks(range(len(panel)), [_label(one) for one in panel], fontsize=9)
    axes.set(xlim=(0, 1), ylim=(len(panel) - 0.45, -0.55))
    axes.grid(axis="x", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors=INK)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _label(one: TableRow) -> str:
    leaks = one.row.protocol == "slices"
    return f"{one.row.label}\n{PROTOCOLS['slices']}" if leaks else one.row.label


def _legend(figure: Figure, rows: Sequence[TableRow], paper: Paper) -> None:
    from matplotlib.lines import Line2D

    marks = [
        Line2D([], [], color=COLORS[p], marker="o", linewidth=2.2, label=f"{PROTOCOLS[p]}, 95 %")
        for p in dict.fromkeys(one.row.protocol for one in rows)
    ]
    if any(len(one.row.folds) > 1 for one in rows):
        marks.append(Line2D([], [], color="#777777", marker=".", linewidth=0, label="each fold"))
    if any(one.paper is not None for one in rows):
        hollow = Line2D([], [], color=INK, marker="D", linewidth=0, label=paper.legend)
        hollow.set_markerfacecolor("none")
        marks.append(hollow)
    figure.legend(
        handles=marks, loc="outside lower center", ncols=len(marks), frameon=False, fontsize=9
    )
