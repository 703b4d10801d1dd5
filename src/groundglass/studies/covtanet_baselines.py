"""What classifiers of Table IV must beat, on the very same scans: no network, phase 1 alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

from groundglass.datasets.class_tasks import TASKS, task_labels
from groundglass.datasets.index import IndexRow, load_prepared
from groundglass.errors import DatasetError
from groundglass.metrics.baselines import MajorityClass, involved_percent, share_cases
from groundglass.metrics.threshold_choice import choose_by_youden
from groundglass.networks.build import build_network
from groundglass.studies.class_row import ClassRow, count_weights, task_cases
from groundglass.studies.covtanet_budget import ClassBudget
from groundglass.training.checkpoint import RESULT_NAME, load_state
from groundglass.training.predict import ScanPredictor
from groundglass.training.two_phases import PHASE_1, Drive, TwoPhases

MAJORITY, SHARE = "majority-class", "involved-share"
BASELINES = {MAJORITY: "majority class", SHARE: "involved share alone"}
"""Key -> label."""


class FoldRuns(Protocol):
    """What a baseline needs of the study's runs."""

    index: Path
    budget: ClassBudget

    def phases(self, fold: int) -> TwoPhases: ...
    def of_fold(self, fold: int) -> Path: ...
    def test_rows(self, phases: TwoPhases) -> list[IndexRow]: ...
    def drive(self, fold: int) -> Drive: ...


def majority_row(runs: FoldRuns, fold: int) -> ClassRow:
    """The label that most training scans of each comparison have, said of every test scan."""
    phases = runs.phases(fold)
    parts = []
    for task in TASKS:
        label = MajorityClass.of(task_labels(task, phases.sides.train).labels).label
        tested = task_labels(task, runs.test_rows(phases))
        scores = [float(label)] * len(tested.rows)
        parts.append(
            task_cases(fold, task.key, tested.rows, tested.labels, scores, 0.5, ranks=False)
        )
    return ClassRow(MAJORITY, BASELINES[MAJORITY], 0, 0.0, tuple(parts))


def share_row(runs: FoldRuns, fold: int, *, device: str) -> ClassRow:
    """Its thresholds are those with the best Youden index on the training side."""
    phases = runs.phases(fold)
    phases.train_segmenter(runs.drive(fold))
    percent = _shares(runs, phases, fold, device=device)
    parts = []
    for task in TASKS:
        trained = task_labels(task, [r for r in phases.sides.train if r.lung_voxels])
        tested = task_labels(task, runs.test_rows(phases))
        known = share_cases(
            [percent[r.scan_id] for r in trained.rows], trained.labels, trained.groups
        )
        choice = choose_by_youden(known)
        scores = [percent[row.scan_id] for row in tested.rows]
        cases = share_cases(scores, tested.labels, tested.groups)
        cases.refuse_patients_of(choice.chosen_on, "threshold")
        parts.append(
            task_cases(fold, task.key, tested.rows, tested.labels, cases.scores, choice.threshold)
        )
    minutes = load_state(runs.of_fold(fold) / PHASE_1 / RESULT_NAME).seconds / 60
    parameters = count_weights(build_network("ta-segnet", base=runs.budget.segmentation_base))
    return ClassRow(SHARE, BASELINES[SHARE], parameters, minutes, tuple(parts))


def _shares(runs: FoldRuns, phases: TwoPhases, fold: int, *, device: str) -> dict[str, float]:
    """Percent of the index's lungs that phase 1 calls lesion, of every scan; kept on disk."""
    path = runs.of_fold(fold) / "shares.json"
    segmenter = phases.segmenter()
    found: dict[str, float] = {}
    if path.exists():
        try:
            found = {k: float(v) for k, v in json.loads(path.read_text("utf-8")).items()}
        except (ValueError, AttributeError) as error:
            raise DatasetError(
                f"{path} is damaged: {error}", remedy="Delete it and run the study again"
            ) from error
    predictor = ScanPredictor(segmenter.network(), segmenter.recipe, device=device)
    rows = [r for r in (*phases.sides.train, *phases.sides.held_out) if r.lung_voxels]
    for row in rows:
        if row.scan_id in found:
            continue
        scan = load_prepared(runs.index, row)
        lesions = predictor.probability(scan) >= segmenter.recipe.threshold
        share = involved_percent(scan.lungs, lesions & (scan.lungs > 0))
        if share is None:
            raise DatasetError(f"scan {row.scan_id} has no lung, and its index row says so not")
        found[row.scan_id] = share
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        partial.replace(path)
    return found
