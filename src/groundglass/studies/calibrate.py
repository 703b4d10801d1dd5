"""From out-of-fold predictions: the temperature, the threshold, and what both are worth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from groundglass.errors import DatasetError
from groundglass.metrics.calibration import (
    LOGIT_BINS,
    LOGIT_LIMIT,
    LogitHistogram,
    Reliability,
    calibration_record,
    left_out_reliability,
)
from groundglass.studies.chs_net import row_path
from groundglass.studies.kept import kept_predictions
from groundglass.studies.plan_chs_net import RowPlan, plan_of
from groundglass.studies.runs import StudyRuns
from groundglass.training.reliability_plot import draw_reliability

_THRESHOLDS = tuple(round(0.02 * step, 2) for step in range(5, 46))


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold on the calibrated probability, chosen for pooled Dice out of fold.

    `dice_left_out`: each patient judged at the threshold that is best for the others, so the
    choice has not seen it. `dice_at_half` needs no choice. `range_left_out`: lowest and highest
    threshold so chosen.
    """

    threshold: float
    dice: float
    dice_left_out: float
    dice_at_half: float
    range_left_out: tuple[float, float]


def write_calibration(runs: StudyRuns, folds: Sequence[int], out: Path) -> list[Path]:
    """Write `calibration.json` and `reliability.png` of Table 2's lesion network.

    Every pixel inside the predicted lungs of every test scan with lesions, each predicted by a
    network that was not trained on the patient.
    Raises: DatasetError where predictions are missing.
    """
    plan = next(p for p in plan_of(2) if p.target == "lesions" and p.protocol == "patients")
    patients, outside = _histograms(runs, plan, folds)
    sources = sorted({row.source for row in runs.rows if not row.is_healthy})
    record = calibration_record(
        patients,
        data=f"pixels inside the predicted lungs of {', '.join(sources)}, out of fold",
        out_of_fold=True,
    )
    point = operating_point(patients, outside, temperature=record["temperature"])
    document: dict[str, Any] = {**record, "operating_point": asdict(point), "folds": list(folds)}
    target = out / "calibration.json"
    partial = target.with_name(f".{target.name}.partial")
    partial.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    partial.replace(target)
    picture = out / "reliability.png"
    whole = sum(patients.values(), LogitHistogram.empty())
    curves = {
        "as trained": Reliability.of(whole),
        "with temperature, patients left out": left_out_reliability(patients),
    }
    draw_reliability(curves, picture)
    return [target, picture]


def operating_point(
    patients: Mapping[str, LogitHistogram], outside: Mapping[str, int], *, temperature: float
) -> OperatingPoint:
    """The threshold that is best for pooled Dice. `outside`: lesion pixels beyond the lungs shown,
    missed at any threshold, per patient.
    """
    centers = -LOGIT_LIMIT + 2 * LOGIT_LIMIT / LOGIT_BINS * (np.arange(LOGIT_BINS) + 0.5)
    probability = expit(centers / temperature)
    counts = {name: _counts(one, probability, outside[name]) for name, one in patients.items()}
    total = sum(counts.values(), np.zeros((len(_THRESHOLDS), 3)))
    best = int(np.argmax(_dice(total)))
    left_out = np.zeros(3)
    chosen = []
    for one in counts.values():
        pick = int(np.argmax(_dice(total - one)))
        chosen.append(_THRESHOLDS[pick])
        left_out += one[pick]
    half = _THRESHOLDS.index(0.5)
    return OperatingPoint(
        threshold=_THRESHOLDS[best],
        dice=float(_dice(total)[best]),
        dice_left_out=float(_dice(left_out[None])[0]),
        dice_at_half=float(_dice(total)[half]),
        range_left_out=(min(chosen), max(chosen)),
    )


def _counts(one: LogitHistogram, probability: np.ndarray, outside: int) -> np.ndarray:
    """Shape: (thresholds, 3): true positives, predicted, reference pixels."""
    negative, positive = one.counts
    rows = []
    for threshold in _THRESHOLDS:
        called = probability >= threshold
        hits = int(positive[called].sum())
        rows.append((hits, hits + int(negative[called].sum()), one.positives + outside))
    return np.array(rows, dtype=np.float64)


def _dice(counts: np.ndarray) -> np.ndarray:
    return 2 * counts[:, 0] / np.maximum(counts[:, 1] + counts[:, 2], 1)


def _histograms(
    runs: StudyRuns, plan: RowPlan, folds: Sequence[int]
) -> tuple[dict[str, LogitHistogram], dict[str, int]]:
    """By patient: the histogram, and the lesion pixels outside the lungs shown."""
    rows = {row.scan_id: row for row in runs.rows}
    patients: dict[str, LogitHistogram] = {}
    outside: dict[str, int] = {}
    for number in folds:
        folder = row_path(runs, plan, runs.split("patients", number), 2).with_suffix("")
        for kept in kept_predictions(folder):
            row = rows[kept.scan_id]
            before = patients.get(row.group, LogitHistogram.empty())
            patients[row.group] = before + kept.histogram
            missed = row.lesion_voxels - kept.histogram.positives
            outside[row.group] = outside.get(row.group, 0) + missed
    if not patients:
        raise DatasetError(
            f"{runs.folder} holds no predictions of Table 2",
            remedy="Delete its rows/ folders and run the study again: trainings are kept",
        )
    return patients, outside
