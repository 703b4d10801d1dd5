"""From out-of-fold predictions: the temperature, the threshold, and what both are worth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from groundglass.errors import DatasetError
from groundglass.metrics.calibration import (
    LogitHistogram,
    Reliability,
    calibration_record,
    left_out_reliability,
)
from groundglass.metrics.operating_point import operating_point
from groundglass.studies.kept import kept_predictions
from groundglass.studies.phantom_words import phantom_words
from groundglass.studies.plan import RowPlan
from groundglass.studies.row_runs import row_path
from groundglass.studies.runs import StudyRuns
from groundglass.training.reliability_plot import draw_reliability


def write_calibration(
    runs: StudyRuns, folds: Sequence[int], out: Path, plan: RowPlan
) -> list[Path]:
    """Write `calibration.json` and `reliability.png` of a lesion row of Table 2.

    Other rows than the paper's have their key in the files' names.

    Every pixel inside the predicted lungs of every test scan with lesions, each predicted by a
    network that was not trained on the patient.
    Raises: DatasetError where predictions are missing.
    """
    end = "" if plan.key == "chs-net" else f"-{plan.key}"
    patients, outside = _histograms(runs, plan, folds)
    sources = sorted({row.source for row in runs.rows if not row.is_healthy})
    record = calibration_record(
        patients,
        data=f"pixels inside the predicted lungs of {', '.join(sources)}, out of fold",
        out_of_fold=True,
    )
    point = operating_point(patients, outside, temperature=record["temperature"])
    document: dict[str, Any] = {**record, "operating_point": asdict(point), "folds": list(folds)}
    target = out / f"calibration{end}.json"
    partial = target.with_name(f".{target.name}.partial")
    partial.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    partial.replace(target)
    picture = out / f"reliability{end}.png"
    whole = sum(patients.values(), LogitHistogram.empty())
    curves = {
        "as trained": Reliability.of(whole),
        "with temperature, patients left out": left_out_reliability(patients),
    }
    draw_reliability(curves, picture, title=phantom_words(runs.rows).strip())
    return [target, picture]


def _histograms(
    runs: StudyRuns, plan: RowPlan, folds: Sequence[int]
) -> tuple[dict[str, LogitHistogram], dict[str, int]]:
    """By patient: the histogram, and the lesion pixels outside the lungs shown."""
    rows = {row.scan_id: row for row in runs.rows}
    patients: dict[str, LogitHistogram] = {}
    outside: dict[str, int] = {}
    for number in folds:
        folder = row_path(runs, plan, runs.split("patients", number)).with_suffix("")
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
