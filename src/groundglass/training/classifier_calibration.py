"""Temperatures and operating points of a classifier of whole scans, from scans it never saw."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from groundglass.datasets.class_tasks import scan_classes
from groundglass.datasets.index import IndexRow
from groundglass.errors import SettingsError
from groundglass.metrics.calibration import Reliability
from groundglass.metrics.left_out_cases import Choose
from groundglass.metrics.scored_cases import ScoredCases
from groundglass.metrics.threshold_choice import choose_by_sensitivity, choose_by_youden
from groundglass.training.finished_classifier import FinishedClassifier
from groundglass.training.head_calibration import HEAD_WORDS, HeadCalibration, calibrate_head
from groundglass.training.joint_predict import JointPredictor
from groundglass.training.slice_sources import FeatureSlices

CALIBRATION_FORMAT = "groundglass-classifier-calibration-1"
USED_UP = (
    "These scans chose temperatures, thresholds and the limit of what is known: they are no test "
    "of this classifier any more. Figures under 'left_out' judge each patient by the choices of "
    "the others."
)


class ClassifierCalibration(BaseModel):
    """What `calibrate-classifier` writes and `weights pack-classifier` reads.

    `classifier_sha256` ties it to the weights, `slices` is the most that they were shown of a scan.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["groundglass-classifier-calibration-1"] = CALIBRATION_FORMAT
    classifier_sha256: str
    slices: int = Field(ge=1)
    scans: tuple[str, ...] = Field(min_length=1)
    patients: int
    counts: dict[str, int]
    phantoms: bool
    note: str
    diagnosis: HeadCalibration
    severity: HeadCalibration

    def to_json(self) -> str:
        return json.dumps(self.model_dump(mode="json"), indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> ClassifierCalibration:
        """Raises: SettingsError where the file is missing or something else."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            what = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            raise SettingsError(
                f"calibration {path} cannot be used: {what}",
                expected="calibration.json of groundglass calibrate-classifier",
            ) from error


def calibrate_classifier(
    run: FinishedClassifier,
    rows: Sequence[IndexRow],
    *,
    slices: int | None = None,
    sensitivity: float | None = None,
    device: str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> tuple[ClassifierCalibration, dict[str, Reliability]]:
    """The record, and the curves for a picture.

    `rows`: of `FinishedClassifier.test_rows`. `slices`: the most that are shown of a scan, left out
    as many as in training. Thresholds have the best Youden index, or `sensitivity` at least.
    Severity is judged on the scans with findings. A threshold that cannot be chosen, as a label is
    missing, is one half, and the rule says so.
    Raises: DatasetError for a scan without labels or features; SettingsError for a bad
    `sensitivity` or `slices`.
    """
    most = run.settings.slices if slices is None else slices
    classes = scan_classes(rows)
    predictor = JointPredictor(run.network(), FeatureSlices(run.features), device=device)
    said = []
    for row in rows:
        if progress is not None:
            progress(row.scan_id)
        said.append(predictor.predict(row.scan_id, most=most))
    groups = [row.group for row in rows]
    sick = [k for k, name in enumerate(classes) if name != "normal"]
    cases = {
        "diagnosis": ScoredCases.of(
            [one.diagnosis for one in said], [name != "normal" for name in classes], groups
        )
    }
    if sick:
        cases["severity"] = ScoredCases.of(
            [said[k].severity for k in sick],
            [classes[k] == "severe" for k in sick],
            [groups[k] for k in sick],
        )
    choose: Choose = choose_by_youden
    if sensitivity is not None:
        choose = partial(choose_by_sensitivity, wanted=sensitivity)
    heads: dict[str, HeadCalibration] = {}
    curves: dict[str, Reliability] = {}
    for name in HEAD_WORDS:
        heads[name], found = calibrate_head(name, cases.get(name), choose)
        curves.update(found)
    record = ClassifierCalibration(
        classifier_sha256=run.classifier_sha256,
        slices=most,
        scans=tuple(row.scan_id for row in rows),
        patients=len(set(groups)),
        counts={name: classes.count(name) for name in ("normal", "mild", "severe")},
        phantoms=any(row.is_phantom for row in rows),
        note=USED_UP,
        diagnosis=heads["diagnosis"],
        severity=heads["severity"],
    )
    return record, curves
