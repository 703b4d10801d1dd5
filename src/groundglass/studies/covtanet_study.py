"""CovTANet's Table IV from a request to pages and pictures; what is finished is read."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from groundglass.datasets.class_tasks import TASKS, scan_classes
from groundglass.errors import SettingsError
from groundglass.studies.class_page import ClassConditions, class_markdown, write_class_csv
from groundglass.studies.class_plot import draw_classifiers, draw_confusions
from groundglass.studies.class_row import ClassRow, joined_folds
from groundglass.studies.class_summary import summarize_task
from groundglass.studies.covtanet_budget import ClassBudget
from groundglass.studies.covtanet_runs import LABELS, ROWS, ClassRuns, lacking
from groundglass.studies.curves_figure import draw_curves
from groundglass.studies.hardware import hardware
from groundglass.training.curve import CURVE

TABLE = 4


@dataclass(frozen=True)
class ClassRequest:
    """What `groundglass study covtanet` was asked for. `keys`: rows to make, all where left out."""

    budget: ClassBudget
    index: Path
    work: Path
    out: Path
    device: str = "cpu"
    threads: int = 0
    seed: int = 0
    keys: tuple[str, ...] = ROWS


def run_class_study(request: ClassRequest, *, tell: Callable[[str], None]) -> list[Path]:
    """Make what is missing and write table, page and pictures into `request.out`; their paths.

    Raises: DatasetError and SettingsError as `ClassRuns`; SettingsError where a comparison has no
    scan of one class in a fold.
    """
    runs = ClassRuns(
        request.index,
        request.work,
        request.budget,
        device=request.device,
        threads=request.threads,
        seed=request.seed,
        tell=tell,
    )
    left_out = [f"{LABELS[k]} is left out: {lacking(k)}." for k in request.keys if lacking(k)]
    for line in left_out:
        tell(line)
    rows = []
    for key in request.keys:
        if not lacking(key):
            rows.append(joined_folds([runs.row(key, fold) for fold in request.budget.folds]))
    summaries = {
        task.key: [summarize_task(row, task.key, seed=request.seed) for row in rows]
        for task in TASKS
    }
    is_phantom = any(row.is_phantom for row in runs.rows)
    conditions = _conditions(request, runs, rows, left_out, is_phantom=is_phantom)
    request.out.mkdir(parents=True, exist_ok=True)
    ends = (".csv", ".md", ".png", "-confusion.png")
    table, page, picture, matrices = (request.out / f"table-{TABLE}{end}" for end in ends)
    write_class_csv(table, summaries, is_phantom=is_phantom)
    partial = page.with_name(f".{page.name}.partial")
    partial.write_text(class_markdown(summaries, conditions), encoding="utf-8")
    partial.replace(page)
    draw_classifiers(picture, summaries, is_phantom=is_phantom)
    draw_confusions(matrices, summaries, is_phantom=is_phantom)
    written = [table, page, picture, matrices]
    curves = _curves(runs, rows, request.budget.folds[0])
    if curves:
        path = request.out / f"table-{TABLE}-curves.png"
        title = f"training loss, fold {request.budget.folds[0]}"
        draw_curves(path, curves, title=title, is_phantom=is_phantom)
        written.append(path)
    return written


def check_table(table: int | None) -> None:
    """Raises: SettingsError for another table than IV."""
    if table != TABLE:
        said = "no table is asked for" if table is None else f"table is {table}"
        raise SettingsError(
            said,
            expected="--table 4",
            remedy="Tables I to III are those of groundglass study ta-segnet",
        )


def _curves(runs: ClassRuns, rows: Sequence[ClassRow], fold: int) -> dict[str, Path]:
    made = {row.label for row in rows}
    found = {label: folder / CURVE for label, folder in runs.curves(fold).items() if label in made}
    return {label: path for label, path in found.items() if path.exists()}


def _conditions(
    request: ClassRequest,
    runs: ClassRuns,
    rows: Sequence[ClassRow],
    left_out: Sequence[str],
    *,
    is_phantom: bool,
) -> ClassConditions:
    budget = request.budget
    sources = Counter(row.source for row in runs.rows)
    classes = Counter(scan_classes(runs.rows))
    told = ", ".join(f"{count} scans of {name}" for name, count in sorted(sources.items()))
    mix = ", ".join(f"{classes[name]} {name}" for name in ("normal", "mild", "severe"))
    same = set(sources) == {"mosmed"}
    notice = "The paper's Table IV was made on MosMedData" + (
        ", too." if same else "; these are not."
    )
    command = ["groundglass", "study", "covtanet", "--table", "4", "--budget", budget.name]
    if budget.name != "tiny":
        command += ["--index", request.index.name]
    command += ["--folds", ",".join(map(str, budget.folds))]
    if request.seed:
        command += ["--seed", str(request.seed)]
    masked = sum(row.lesion_voxels > 0 for row in runs.rows)
    lines = [
        f"Budget: {budget.name}: {budget.description}",
        budget.spend,
        f"Phase 1 learns from the {masked} scans with drawn lesions and the normal ones, of the "
        "training side alone; no patient whose mask it saw is tested",
        f"Folds: {', '.join(map(str, budget.folds))} of {budget.fold_count}, patients whole, "
        "stratified by severity",
        f"Seed: {request.seed}",
        "Parameters and minutes of training (CovTANet and the involved share with phase 1): "
        + "; ".join(f"{r.label} {r.parameters:,}, {r.minutes:.1f}" for r in rows),
        f"Hardware: {hardware(request.device)}",
        f"Date: {date.today().isoformat()}",
        f"Command: `{shlex.join(command)}`",
        "A label says what radiologists saw in the CT, never a PCR result",
        *left_out,
    ]
    if runs.without_lungs:
        lines.append(f"Left out of every row, as no lung is known: {', '.join(runs.without_lungs)}")
    return ClassConditions(f"{told} ({mix})", is_phantom, notice, tuple(lines))
