"""The rows of a study's table, run on an index, under a budget; a finished one is read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from groundglass.catalog import network_entry
from groundglass.datasets.index import PreparedScan
from groundglass.errors import SettingsError
from groundglass.metrics.aggregate import CaseScore
from groundglass.networks.build import build_network
from groundglass.studies.box_runs import BoxRuns
from groundglass.studies.budget import Budget
from groundglass.studies.kept import keep_prediction
from groundglass.studies.mean_predictor import MeanPredictor
from groundglass.studies.plan import TEACHERS, RowPlan
from groundglass.studies.registry import find_study
from groundglass.studies.row import PROTOCOLS, FoldScores, Row, read_row, write_row
from groundglass.studies.run_result import RunResult
from groundglass.studies.run_settings import Split
from groundglass.studies.runs import StudyRuns
from groundglass.training.predict import ScanPredictor, score_scan
from groundglass.training.select import select_scans
from groundglass.training.settings import TrainSettings


def run_table(
    runs: StudyRuns,
    table: int,
    *,
    study: str = "chs-net",
    folds: tuple[int, ...] | None = None,
    protocols: Collection[str] = tuple(PROTOCOLS),
    keys: Collection[str] | None = None,
    encoder_weights: Path | None = None,
) -> list[Row]:
    """Train, predict and score every row of a table; rows that are stored are read.

    `folds`: those of the patient folds to run; left out, the budget's. The slice split has one.
    `protocols`: rows of others are left out, and so are those that `lacking` says cannot be made.
    `keys`: of these rows alone. `encoder_weights`: a file for encoders to begin with; whether it
    fits is known before any row is trained.
    Raises: SettingsError where there is no such table or key, no row is left, or the file does
    not fit; DatasetError as the runs.
    """
    plans = find_study(study).plan_of(table, keys=keys, encoder_weights=encoder_weights)
    chosen = runs.budget.folds_of(plans) if folds is None else folds
    wanted = []
    for plan in plans:
        if plan.protocol in protocols:
            numbers = chosen if plan.protocol == "patients" else (0,)
            wanted.append((plan, [runs.split(plan.protocol, n) for n in numbers]))
    _check(runs, wanted)
    rows, left_out = [], []
    for plan, splits in wanted:
        why = "" if _is_stored(runs, plan, splits) else lacking(plan, runs.budget)
        if why:
            left_out.append(f"{plan.key}: {why}")
        else:
            rows.append(_joined([_fold_row(runs, plan, split) for split in splits]))
    if left_out and not rows:
        raise SettingsError(
            f"table {table} of {study} has no row that can be made; {'; '.join(left_out)}",
            expected="one or more",
            remedy="Name other --rows, or what these lack",
        )
    if not rows:
        raise SettingsError(
            f"table {table} of {study} has no row tested by {', '.join(protocols)}",
            expected="--protocol patients or both",
        )
    return rows


def _check(runs: StudyRuns, wanted: Sequence[tuple[RowPlan, Sequence[Split]]]) -> None:
    """Before hours are spent: that files fit which are still needed, and patients suffice.

    Raises: SettingsError; MissingExtraError.
    """
    files: dict[tuple[str, Path], None] = {}
    for plan, splits in wanted:
        if lacking(plan, runs.budget) or _is_stored(runs, plan, splits):
            continue
        if plan.learner != "one":
            for split in splits:
                BoxRuns(runs).teaching_parts(split)
        if plan.encoder_weights is None or all(_has_begun(runs, plan, split) for split in splits):
            continue
        files[plan.network, plan.encoder_weights] = None
    for network, file in files:
        runs.check_encoder_weights(network, file)


def _has_begun(runs: StudyRuns, plan: RowPlan, split: Split) -> bool:
    """Whether no run of a row needs the weights that its encoder begins with any more."""
    names = (
        BoxRuns(runs).names(plan.network, plan.variant, plan.learner)
        if plan.mode == "box"
        else [f"direct-{plan.network}{plan.variant.suffix}"]
    )
    return runs.has_begun(split, names)


def _is_stored(runs: StudyRuns, plan: RowPlan, splits: Sequence[Split]) -> bool:
    """Whether the row is there; without its weights it would have the name of that from scratch."""
    named = plan.begin != "weights" or plan.encoder_weights is not None
    return named and all(row_path(runs, plan, split).exists() for split in splits)


def lacking(plan: RowPlan, budget: Budget) -> str:
    """Why a row cannot be made here under a budget; "" where it can."""
    if plan.mode == "context" and budget.context is None:
        return f"budget {budget.name} trains no network with context"
    if plan.mode == "published" and budget.published is None:
        return f"budget {budget.name} trains no network as published"
    if plan.mode == "box" and budget.box_of(plan.network) is None:
        return f"budget {budget.name} trains no network on the whole box"
    if plan.begin == "weights" and plan.encoder_weights is None:
        return "its encoder begins with weights, and no --encoder-weights names any"
    package = network_entry(plan.network).needs
    if not package or find_spec(package) is not None:
        return ""
    return f"it needs the package {package}, which was not installed"


def _fold_row(runs: StudyRuns, plan: RowPlan, split: Split) -> Row:
    """One row on one fold, from the disk where it is there."""
    path = row_path(runs, plan, split)
    kept = path.with_suffix("")
    # A row of another study's table may be there without the predictions that a figure wants.
    if path.exists() and (not plan.keep or any(kept.glob("*.npz"))):
        return replace(read_row(path), key=plan.key, label=plan.label)
    done = _train(runs, plan, split)
    run, predictor = done.runs[0], done.predictor()
    cases: list[CaseScore] = []
    clean = _Clean()
    for scan in runs.test_scans(split):
        lungs = None
        if run.recipe.stage == "lesions":
            lungs = runs.test_lungs(plan.lung_network, split, scan)
        probability = predictor.probability(scan, lungs, flips=plan.flips)
        if scan.row.is_healthy:
            clean = clean.add(scan, probability >= run.recipe.threshold)
        else:
            cases.append(score_scan(scan, probability, run.recipe))
            if lungs is not None or plan.keep:
                shown = np.ones_like(scan.lesions) if lungs is None else lungs
                keep_prediction(kept, scan, probability, shown)
    row = Row(
        key=plan.key,
        label=plan.label,
        target=plan.target,
        protocol=plan.protocol,
        parameters=_parameters(runs, plan),
        folds=(FoldScores(split.fold, tuple(cases)),),
        train_slices=done.slices,
        minutes=done.seconds / 60,
        note=clean.note(whole_slices=run.recipe.stage == "direct")
        if plan.target == "lesions"
        else "",
        trained_on=run.device,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_row(path, row)
    return row


def row_path(runs: StudyRuns, plan: RowPlan, split: Split) -> Path:
    """Where a row's scores on one fold are stored; its predictions lie in a folder beside.

    A cascade has a larger budget than other rows, so its rows are its own.
    """
    learner = "" if plan.learner == "one" else f"-{plan.learner}"
    end = learner + ("-cascade" if plan.cascade else "") + ("-flips" if plan.flips else "")
    which = f"{plan.network}{plan.variant.suffix}"
    name = f"{which}-{plan.mode}-{plan.target}{end}.json"
    return runs.folder / f"{split.protocol}-{split.fold}" / "rows" / name


@dataclass(frozen=True)
class _Trained:
    """The networks that give a row's masks, and what others took that were trained for it.

    `extra_slices` leaves shared lung stages out, as `train_slices` of a row does.
    """

    runs: tuple[RunResult, ...]
    extra_seconds: float = 0.0
    extra_slices: int = 0

    def predictor(self) -> ScanPredictor | MeanPredictor:
        predictors = [run.predictor() for run in self.runs]
        return predictors[0] if len(predictors) == 1 else MeanPredictor(predictors)

    @property
    def slices(self) -> int:
        return sum(run.slices for run in self.runs) + self.extra_slices

    @property
    def seconds(self) -> float:
        return sum(run.seconds for run in self.runs) + self.extra_seconds


def _train(runs: StudyRuns, plan: RowPlan, split: Split) -> _Trained:
    """The runs of a row; the minutes of a shared first stage count at every row that uses it."""
    if plan.target == "lungs":
        return _Trained((runs.lungs(plan.network, split),))
    if plan.mode == "context":
        first = runs.lungs(plan.lung_network, split)
        masked = runs.lesions(plan.network, split, runs.budget.cascade_lesions)
        run = runs.context(plan.network, split)
        return _Trained((run,), first.seconds + masked.seconds, masked.slices)
    if plan.mode == "box":
        return _train_box(runs, plan, split)
    if plan.mode == "hierarchical":
        budget = runs.budget
        spend = budget.cascade_lesions if plan.cascade else budget.lesions
        first = runs.lungs(plan.lung_network, split)
        run = runs.lesions(plan.network, split, spend, loss=plan.loss)
        return _Trained((run,), first.seconds)
    if plan.mode == "direct":
        run = runs.direct(plan.network, split, loss=plan.loss, encoder_weights=plan.encoder_weights)
        return _Trained((run,))
    if plan.mode == "published":
        return _Trained((runs.published(plan.network, split),))
    half = runs.direct(plan.network, split, half=True)
    if plan.mode == "half":
        return _Trained((half,))
    return _Trained((_semi_supervised(runs, split, half),), half.seconds)


def _train_box(runs: StudyRuns, plan: RowPlan, split: Split) -> _Trained:
    box = BoxRuns(runs)
    first = runs.lungs(plan.lung_network, split).seconds
    if plan.learner == "one":
        return _Trained((box.one(plan.network, split, plan.variant),), first)
    teachers = box.teachers(plan.network, split, plan.variant)
    if plan.learner == "mean":
        return _Trained(teachers, first)
    student = box.distilled(plan.network, split, teachers, plan.variant)
    taught = _Trained(teachers)
    return _Trained((student,), first + taught.seconds, taught.slices)


def _semi_supervised(runs: StudyRuns, split: Split, half: RunResult) -> RunResult:
    """Pseudo labels for the patients that `half` did not see; their own masks are not read."""
    from groundglass.training.pseudo_labels import PseudoLabelSettings, pseudo_label_rounds

    labelled = select_scans(half.settings).train
    others = set(half.settings.hold_out)
    unlabelled = [
        scan
        for scan in select_scans(half.settings.model_copy(update={"hold_out": ()})).train
        if scan.row.scan_id in others
    ]
    phase = half.settings.phases[0]
    rounds = PseudoLabelSettings.model_validate(
        {"rounds": runs.budget.pseudo_rounds, "seed": runs.seed}
    )
    settings = half.settings.model_copy(
        update={
            "phases": (
                phase.model_copy(
                    update={
                        "steps": max(1, phase.steps // (2 * runs.budget.pseudo_rounds)),
                        "lr": phase.lr / 3,
                        "warmup": 0,
                    }
                ),
            )
        }
    )
    settings = TrainSettings.model_validate(settings.model_dump())
    folder = pseudo_label_rounds(
        labelled, unlabelled, settings, rounds, half.folder.parent / "semi", start=half.folder
    )
    return RunResult(folder, settings, 0.0, half.slices, half.device)


@dataclass(frozen=True)
class _Clean:
    """Lesion-free test scans: they have no Dice, so what was called there is noted."""

    scans: int = 0
    called: int = 0
    lungs: int = 0

    def add(self, scan: PreparedScan, found: np.ndarray) -> _Clean:
        return _Clean(
            self.scans + 1,
            self.called + int(np.count_nonzero(found)),
            self.lungs + int(np.count_nonzero(scan.lungs)),
        )

    def join(self, other: _Clean) -> _Clean:
        return _Clean(
            self.scans + other.scans, self.called + other.called, self.lungs + other.lungs
        )

    def note(self, *, whole_slices: bool) -> str:
        if not self.scans or not self.lungs:
            return ""
        share = 100 * self.called / self.lungs
        if whole_slices:  # the share may exceed 100 %
            return (
                f"in {self.scans} lesion-free test scan(s) lesion was called on an area of "
                f"{share:.2f} % of the lungs', anywhere in the slices"
            )
        return f"of {self.scans} lesion-free test scan(s) {share:.2f} % of the lungs called lesion"


def _parameters(runs: StudyRuns, plan: RowPlan) -> int:
    """What gives the row's masks: both networks of a cascade, all networks of a mean."""
    is_cascade = plan.mode in ("hierarchical", "context", "box") and plan.target == "lesions"
    names = [plan.lung_network] if is_cascade else []
    names += [plan.network] * (TEACHERS if plan.learner == "mean" else 1)
    return sum(_count(name, runs.budget.base) for name in names)


def _count(name: str, base: int) -> int:
    if base == 16:
        return network_entry(name).parameters
    return sum(weight.numel() for weight in build_network(name, base=base).parameters())


def _joined(parts: list[Row]) -> Row:
    """One row of several folds."""
    notes = [f"fold {part.folds[0].fold}: {part.note}" for part in parts if part.note]
    return replace(
        parts[0],
        folds=tuple(scores for part in parts for scores in part.folds),
        train_slices=round(sum(part.train_slices for part in parts) / len(parts)),
        minutes=sum(part.minutes for part in parts),
        note="; ".join(notes),
    )
