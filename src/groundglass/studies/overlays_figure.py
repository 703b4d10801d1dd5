"""Fig. 8 of the CovTANet paper on held-out patients: networks beside each other, case by case."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from groundglass.datasets.index import PreparedScan
from groundglass.errors import DatasetError
from groundglass.evaluation.overlays import OverlayCell, OverlayRow, draw_overlays
from groundglass.metrics.overlap import slice_confusions
from groundglass.studies.kept import kept_predictions
from groundglass.studies.phantom_words import phantom_words
from groundglass.studies.plan import RowPlan
from groundglass.studies.row_runs import row_path
from groundglass.studies.runs import StudyRuns

_CASES = 4


def write_overlays(
    runs: StudyRuns, plans: Sequence[RowPlan], folds: Sequence[int], picture: Path
) -> Path:
    """Draw a row for each of some test cases and a column for each network; the picture's path.

    Chosen by rule, not by eye, and by no network's result: of all tested cases in order of their
    lesions' volume, the smallest, the largest and some evenly between; of each, the slice with
    the most lesion. Masks are those at probability one half. Raises: DatasetError where a
    prediction is missing.
    """
    scans = _chosen(runs, folds)
    masks = _masks(runs, plans, folds, scans)
    rows = []
    for scan_id, (_, scan) in scans.items():
        d = _fullest(scan)
        reference = scan.lesions[d] > 0
        cells = []
        for plan in plans:
            mask = masks[plan.key, scan_id]
            (pair,) = slice_confusions(mask[None], reference[None])
            cells.append(OverlayCell(mask, f"Dice {pair.dice or 0.0:.2f}"))
        rows.append(OverlayRow(_title(scan), _gray(scan, d), reference, tuple(cells)))
    heading = "Held-out cases, from the least lesion to the most; Dice of the slice shown"
    columns = [plan.label for plan in plans]
    draw_overlays(picture, rows, columns=columns, heading=heading + phantom_words(runs.rows))
    return picture


def _chosen(runs: StudyRuns, folds: Sequence[int]) -> dict[str, tuple[int, PreparedScan]]:
    """Scan id -> fold and scan, in order of lesion volume."""
    tested = {}
    for fold in folds:
        test = runs.folds(runs.split("patients", fold)).folds[fold].test
        tested.update({row.scan_id: (fold, row) for row in runs.rows if row.scan_id in test})
    rows = [(fold, row) for fold, row in tested.values() if not row.is_healthy]
    rows.sort(key=lambda one: (one[1].lesion_voxels, one[1].scan_id))
    places = np.linspace(0, len(rows) - 1, min(_CASES, len(rows))).round().astype(int)
    return {rows[i][1].scan_id: (rows[i][0], runs.scan(rows[i][1])) for i in places}


def _masks(
    runs: StudyRuns,
    plans: Sequence[RowPlan],
    folds: Sequence[int],
    scans: dict[str, tuple[int, PreparedScan]],
) -> dict[tuple[str, str], np.ndarray]:
    """(row, scan id) -> the mask of the slice shown."""
    found = {}
    for plan in plans:
        for fold in folds:
            split = runs.split("patients", fold)
            for kept in kept_predictions(row_path(runs, plan, split).with_suffix("")):
                if kept.scan_id in scans:
                    d = _fullest(scans[kept.scan_id][1])
                    found[plan.key, kept.scan_id] = kept.probability[d] >= 128
        missing = [scan_id for scan_id in scans if (plan.key, scan_id) not in found]
        if missing:
            raise DatasetError(
                f"{runs.folder} holds no prediction of {plan.label} for {', '.join(missing)}",
                remedy="Delete its rows/ folders and run the study again: trainings are kept",
            )
    return found


def _fullest(scan: PreparedScan) -> int:
    """The slice with the most lesion."""
    return int(np.count_nonzero(scan.lesions, axis=(1, 2)).argmax())


def _title(scan: PreparedScan) -> str:
    row = scan.row
    if not row.lung_voxels:  # no lungs were drawn in it
        return row.scan_id
    return f"{row.scan_id}\n{100 * row.lesion_voxels / row.lung_voxels:.1f} % of the lungs"


def _gray(scan: PreparedScan, d: int) -> np.ndarray:
    image = scan.image[d].astype(np.float32)
    image = (image + 1350) / 1500 if scan.is_hu else image / 255
    return np.clip(image, 0, 1)
