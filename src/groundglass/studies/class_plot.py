"""Pictures of a table of classifiers: balanced accuracy and AUROC, and confusion matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from groundglass.datasets.class_tasks import TASKS, ClassTask
from groundglass.errors import MissingExtraError
from groundglass.studies.class_summary import TaskSummary

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLORS = {"balanced_accuracy": "#1f4e8c", "auroc": "#b5651d"}
_WORDS = {"balanced_accuracy": "balanced accuracy", "auroc": "AUROC"}


def draw_classifiers(
    path: Path, summaries: Mapping[str, Sequence[TaskSummary]], *, is_phantom: bool
) -> None:
    """Dots of every row in each comparison, bars for the deviation over folds or the interval.

    Raises: MissingExtraError without matplotlib.
    """
    figure = _figure(14, 1.6 + 0.42 * len(summaries[TASKS[0].key]), is_phantom)
    for axes, task in zip(figure.subplots(1, len(TASKS), sharey=True), TASKS, strict=True):
        rows = summaries[task.key]
        for at, one in enumerate(rows):
            for step, name in ((-0.12, "balanced_accuracy"), (0.12, "auroc")):
                found, interval = one.means[name], one.auroc_interval
                if found.mean is None:
                    continue
                low = high = found.deviation or 0.0
                if name == "auroc" and interval is not None:
                    low, high = found.mean - interval.low, interval.high - found.mean
                axes.errorbar(
                    found.mean,
                    at + step,
                    xerr=[[max(0.0, low)], [max(0.0, high)]],
                    fmt="o",
                    markersize=4,
                    color=_COLORS[name],
                    label=_WORDS[name] if not at else None,
                )
        axes.axvline(0.5, color="#888888", linewidth=0.8, linestyle=":")
        axes.set(title=task.label, xlim=(-0.02, 1.02))
        axes.set_yticks(range(len(rows)), [one.row.label for one in rows])
    figure.axes[0].invert_yaxis()
    handles, labels = _legend(figure.axes)
    figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=2, fontsize=8)
    _save(figure, path)


def draw_confusions(
    path: Path, summaries: Mapping[str, Sequence[TaskSummary]], *, is_phantom: bool
) -> None:
    """A matrix of counts for every row and comparison, shaded by the share of the true class.

    Raises: MissingExtraError without matplotlib.
    """
    count = len(summaries[TASKS[0].key])
    figure = _figure(2.1 * count, 2.2 * len(TASKS) + 0.6, is_phantom)
    grid = figure.subplots(len(TASKS), count, squeeze=False)
    for line, task in zip(grid, TASKS, strict=True):
        for at, (axes, one) in enumerate(zip(line, summaries[task.key], strict=True)):
            _matrix(axes, one, task, is_first=at == 0)
    _save(figure, path)


def _matrix(axes: Axes, one: TaskSummary, task: ClassTask, *, is_first: bool) -> None:
    c = one.counts
    counts = [[c.tn, c.fp], [c.fn, c.tp]]
    shares = [[n / max(1, sum(row)) for n in row] for row in counts]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, row in enumerate(counts):
        for j, number in enumerate(row):
            color = "white" if shares[i][j] > 0.6 else "black"
            axes.text(j, i, str(number), ha="center", va="center", color=color)
    names = [task.negative, task.positive]
    axes.set_xticks([0, 1], names, fontsize=7)
    axes.set_yticks([0, 1], names if is_first else ["", ""], fontsize=7)
    axes.set_title(one.row.label, fontsize=8)
    axes.set_xlabel("called", fontsize=7)
    if is_first:
        axes.set_ylabel("graded", fontsize=7)


def _legend(axes: Sequence[Axes]) -> tuple[list[Artist], list[str]]:
    """One entry a measure, from whichever panel has it."""
    found: dict[str, Artist] = {}
    for one in axes:
        for handle, label in zip(*one.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return list(found.values()), list(found)


def _figure(width: float, height: float, is_phantom: bool) -> Figure:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "train", "Drawing a table") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    words = " (made-up phantoms)" if is_phantom else ""
    figure.suptitle(f"Diagnosis and severity of whole scans{words}", fontsize=11)
    return figure


def _save(figure: Figure, path: Path) -> None:
    partial = path.with_name(f".{path.name}.partial")
    figure.savefig(partial, format="png", dpi=110)
    partial.replace(path)
