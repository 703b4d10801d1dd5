"""From a request to a table: run what is missing, then write page, numbers and pictures."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from groundglass.errors import InputError
from groundglass.studies.budget import Budget, StageBudget
from groundglass.studies.calibrate import write_calibration
from groundglass.studies.cases_figure import write_cases_figures
from groundglass.studies.curves_figure import draw_curves
from groundglass.studies.hardware import hardware
from groundglass.studies.overlays_figure import write_overlays
from groundglass.studies.phantom_index import SOURCE as PHANTOM
from groundglass.studies.plan import TEACHERS, RowPlan
from groundglass.studies.registry import Study, data_notice
from groundglass.studies.row import PROTOCOLS, Row
from groundglass.studies.row_runs import lacking, run_table
from groundglass.studies.runs import StudyRuns
from groundglass.studies.share_page import write_shares
from groundglass.studies.table import Conditions, write_table
from groundglass.training.loop import CURVE

_WITH_FIGURES = ("chs-net", "context", "ta-segnet", "ta-segnet-made")
"""Rows of CHS-Net's Table 2 that pictures and calibration are made of; others are steps to them."""


@dataclass(frozen=True)
class StudyRequest:
    """What `groundglass study` was asked for. `folds` None: the budget's; `keys` None: all rows."""

    study: Study
    table: int
    budget: Budget
    index: Path
    work: Path
    out: Path
    folds: tuple[int, ...] | None
    device: str
    threads: int
    seed: int
    protocols: tuple[str, ...] = tuple(PROTOCOLS)
    keys: tuple[str, ...] | None = None
    encoder_weights: Path | None = None

    @property
    def plans(self) -> tuple[RowPlan, ...]:
        """The table's rows, those asked for."""
        rows = self.study.plan_of(self.table, keys=self.keys, encoder_weights=self.encoder_weights)
        return tuple(plan for plan in rows if plan.protocol in self.protocols)


def run_and_write(request: StudyRequest, *, tell: Callable[[str], None]) -> list[Path]:
    """Run the table and write everything about it into `request.out`; the paths written."""
    runs = StudyRuns(
        request.index,
        request.work,
        request.budget,
        device=request.device,
        threads=request.threads,
        seed=request.seed,
        tell=tell,
    )
    study, table, plans = request.study, request.table, request.plans
    reasons = [f"{plan.label}: {why}" for plan in plans if (why := lacking(plan, request.budget))]
    for reason in dict.fromkeys(reasons):
        tell(reason)
    rows = run_table(
        runs,
        table,
        study=study.name,
        folds=request.folds,
        protocols=request.protocols,
        keys=request.keys,
        encoder_weights=request.encoder_weights,
    )
    folds = request.folds or request.budget.folds_of(plans)
    made = [plan for plan in plans if plan.key in {row.key for row in rows}]
    missing = [(plan.label, lacking(plan, request.budget)) for plan in plans if plan not in made]
    left_out = tuple(f"{label} is left out: {why}." for label, why in missing)
    conditions = _conditions(request, runs, rows, folds)
    told = tuple(
        f"{plan.label}: {', '.join(words)}." for plan in made if (words := _how_trained(plan))
    )
    notes = dict.fromkeys((*left_out, *told, *conditions.notes))  # each once, in order
    conditions = replace(conditions, notes=tuple(notes))
    written = list(write_table(request.out, rows, conditions, table=table))
    curves = _curves(request, runs, made, folds)
    if curves:
        path = request.out / f"table-{table}-curves.png"
        title = f"training loss, fold {folds[0]}"
        draw_curves(path, curves, title=title, is_phantom=conditions.is_phantom)
        written.append(path)
    return written + _figures(request, runs, made, folds, rows, tell)


def _figures(
    request: StudyRequest,
    runs: StudyRuns,
    made: Sequence[RowPlan],
    folds: Sequence[int],
    rows: Sequence[Row],
    tell: Callable[[str], None],
) -> list[Path]:
    """The figures of the study's paper that come with the table, and the involved share.

    A row whose probabilities no temperature fits, as of a training far too short, has no
    calibration; `tell` says so.
    """
    which = (request.study.name, request.table)
    if which == ("chs-net", 2):
        shown = [
            plan
            for plan in made
            if (plan.target, plan.protocol) == ("lesions", "patients") and plan.key in _WITH_FIGURES
        ]
        drawn = [write_cases_figures(runs, folds, request.out, plan) for plan in shown]
        for plan in shown:
            try:
                drawn.append(write_calibration(runs, folds, request.out, plan))
            except InputError as error:
                tell(f"{plan.label}: not calibrated: {error}")
        keys = {plan.key for plan in shown}
        drawn += [
            write_shares(row, runs.rows, request.out, seed=request.seed)
            for row in rows
            if row.key in keys and (row.target, row.protocol) == ("lesions", "patients")
        ]
        return [path for paths in drawn for path in paths]
    if request.study.name == "ta-segnet":
        picture = request.out / f"table-{request.table}-fig-8.png"
        return [write_overlays(runs, made, folds, picture)]
    return []


def _conditions(
    request: StudyRequest, runs: StudyRuns, rows: Sequence[Row], folds: tuple[int, ...]
) -> Conditions:
    sources: dict[str, int] = {}
    for row in runs.rows:
        sources[row.source] = sources.get(row.source, 0) + 1
    budget, study = request.budget, request.study
    command = ["groundglass", "study", study.name, "--table", str(request.table)]
    command += ["--budget", budget.name]
    if PHANTOM not in sources:
        command += ["--index", request.index.name]
    if request.folds is not None:
        command += ["--folds", ",".join(map(str, request.folds))]
    if len(request.protocols) < len(PROTOCOLS):
        command += ["--protocol", *request.protocols]
    if request.keys is not None:
        command += ["--rows", ",".join(request.keys)]
    if request.encoder_weights is not None:
        command += ["--encoder-weights", request.encoder_weights.name]
    if request.seed:
        command += ["--seed", str(request.seed)]
    return Conditions(
        budget=budget.described(has_cascade=study.has_cascade),
        data=", ".join(f"{count} scans of {name}" for name, count in sorted(sources.items())),
        is_phantom=any(row.is_phantom for row in runs.rows),
        folds=f"{', '.join(map(str, folds))} of {budget.fold_count} patient-grouped folds",
        seeds=(request.seed,),
        hardware=_trained_on(rows, request.device) + hardware(request.device),
        date=date.today().isoformat(),
        command=shlex.join(command),
        minutes=sum(row.minutes for row in rows),
        notes=(_spend(study, budget, request.plans), *study.notes),
        study=study.name,
        notice=data_notice(
            study,
            request.table,
            sources,
            lesion_free=sum(row.is_healthy for row in runs.rows),
        ),
    )


def _how_trained(plan: RowPlan) -> list[str]:
    """What sets a row's training apart from that of other rows of its kind."""
    words = []
    if plan.mode == "published":
        words.append(
            "much as its authors trained it: only slices with lesions and no lesion-free scan, "
            "whole, hardly changed, all at one size; Adam"
        )
    if plan.encoder_weights:
        words.append(f"its encoder began with the weights {plan.encoder_weights.name}")
    if plan.paste:
        words.append(f"lesions of other slices were pasted into {plan.paste:.0%} of the slices")
    if plan.opacity:
        words.append(f"{plan.opacity:.0%} of the slices were veiled with made-up opacities")
    if plan.learner == "mean":
        words.append(
            f"the mean probability of {TEACHERS} networks, each trained without another part of "
            "the training patients"
        )
    if plan.learner == "distilled":
        words.append(
            f"one network that learned from the reference and, equally, from the mean of {TEACHERS}"
        )
    return words


_WITHOUT_LUNGS = ("direct", "published", "half", "semi")
_STAGE_OF = {
    "hierarchical": "lesions",
    "context": "lesions",
    "box": "box",
    "direct": "direct",
    "published": "published",
    "half": "direct",
    "semi": "direct",
}
"""By mode, the stage of the budget that a row's lesion network is trained under."""


def _spend(study: Study, budget: Budget, plans: Sequence[RowPlan]) -> str:
    is_cascade = any(plan.cascade for plan in plans)
    stages = {
        "lungs": budget.lungs,
        "lesions": budget.cascade_lesions if is_cascade else budget.lesions,
        "direct": budget.direct,
    }
    if len(study.stages) == 1:
        return f"Every row trains on equally many slices: {_sizes(stages[study.stages[0]])}."
    used = {_STAGE_OF[plan.mode] for plan in plans if plan.target == "lesions"}
    used |= {"lungs"} if any(plan.mode not in _WITHOUT_LUNGS for plan in plans) else set()
    parts = [f"{name} {_sizes(stages[name])}" for name in study.stages if name in used]
    networks = {plan.network: None for plan in plans if plan.mode == "box"}
    for name in networks:
        if spend := budget.box_of(name):
            parts.append(f"{name} on the box unmasked {_sizes(spend)}")
    if "published" in used and budget.published is not None:
        parts.append(f"much as published {_sizes(budget.published)}")
    return f"Every network of a kind trains on equally many slices: {', '.join(parts)}."


def _sizes(spend: StageBudget) -> str:
    first = f"{spend.steps * spend.batch:,} slices at {spend.size[0]}x{spend.size[1]}"
    if not spend.restart:
        return first
    if spend.final_size == spend.size:
        return f"{spend.slices:,} slices at {spend.size[0]}x{spend.size[1]}"
    rest = f"{spend.restart * spend.batch:,} at {spend.final_size[0]}x{spend.final_size[1]}"
    return f"{first} and {rest}"


def _curves(
    request: StudyRequest, runs: StudyRuns, made: Sequence[RowPlan], folds: Sequence[int]
) -> dict[str, Path]:
    """Curves of the lesion networks of the first fold."""
    folder = runs.folder / f"patients-{folds[0]}"
    if not request.study.has_cascade:  # one folder holds the runs of all its tables
        ends = {plan.label: f"{plan.network}{plan.variant.suffix}" for plan in made}
        found = {label: folder / f"direct-{end}" for label, end in ends.items()}
    elif request.table in (2, 5):
        spend = runs.budget.cascade_lesions if request.table == 2 else runs.budget.lesions
        end = f"-{spend.size[0]}x{spend.size[1]}-{spend.steps}"
        found = {p.name: p for p in sorted(folder.glob("lesions-*")) if p.name.endswith(end)}
    else:
        found = {p.name: p for p in sorted(folder.glob("direct-*"))}
        names = [f"published-{plan.network}" for plan in made if plan.mode == "published"]
        found |= {name: folder / name for name in names}
    return {name: path / CURVE for name, path in found.items() if (path / CURVE).exists()}


def _trained_on(rows: Sequence[Row], device: str) -> str:
    """Said where networks were trained on another kind of device than the one that tests them."""
    others = {row.trained_on.split(":")[0] for row in rows} - {device.split(":")[0], ""}
    return f"trained on {', '.join(sorted(others))}, tested on " if others else ""
