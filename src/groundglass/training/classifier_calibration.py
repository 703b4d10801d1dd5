"""Temperatures and operating points of a classifier of whole scans, from scans it never saw."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy.special import expit

from groundglass.datasets.class_tasks import scan_classes
from groundglass.datasets.index import IndexRow
from groundglass.errors import InputError, SettingsError
from groundglass.metrics.calibration import LogitHistogram, Reliability
from groundglass.metrics.case_calibration import CASE_BINS, fit_case_temperature
from groundglass.metrics.left_out_cases import Choose, LeftOutCases
from groundglass.metrics.ranking import auroc, auroc_interval, no_interval
from groundglass.metrics.scored_cases import ScoredCases
from groundglass.metrics.threshold_choice import choose_by_sensitivity, choose_by_youden
from groundglass.training.finished_classifier import FinishedClassifier
from groundglass.training.joint_predict import JointPredictor
from groundglass.training.slice_sources import FeatureSlices

CALIBRATION_FORMAT = "groundglass-classifier-calibration-1"
USED_UP = (
    "These scans chose temperatures, thresholds and the limit of what is known: they are no test "
    "of this classifier any more. Figures under 'left_out' judge each patient by the choices of "
    "the others."
)
_WORDS = {"diagnosis": ("findings", "normal"), "severity": ("severe", "mild")}


class HeadCalibration(BaseModel):
    """One head: its temperature (None where none could be fitted), its threshold on the probability
    after it, in words how that was chosen, and what was measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    temperature: float | None = Field(gt=0, allow_inf_nan=False)
    threshold: float = Field(ge=0, le=1)
    threshold_rule: str
    measured: dict[str, Any]


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
    for name in _WORDS:
        heads[name], found = _head(name, cases.get(name), choose)
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


def _head(
    name: str, cases: ScoredCases | None, choose: Choose
) -> tuple[HeadCalibration, Mapping[str, Reliability]]:
    yes, no = _WORDS[name]
    if cases is None:
        reason = "no scan with findings was held out"
        rule = f"one half, as {reason}"
        measured = {"cases": 0, "reason": reason}
        return HeadCalibration(
            temperature=None, threshold=0.5, threshold_rule=rule, measured=measured
        ), {}
    fitted = fit_case_temperature(cases)
    counted = LogitHistogram.of(cases.scores, cases.labels)
    before, left_out = Reliability.of(counted, bins=CASE_BINS), LeftOutCases.of(cases, choose)
    threshold, rule, reached = _threshold(name, cases, choose, fitted.temperature or 1.0)
    area, interval = auroc(cases), auroc_interval(cases)
    measured = {
        "cases": len(cases.labels),
        yes: cases.positives,
        no: cases.negatives,
        "patients": len(set(cases.groups)),
        "no_temperature": fitted.reason,
        "where_chosen": reached,
        "left_out": left_out.to_dict(),
        "auroc": area.value,
        "auroc_interval": None if interval is None else asdict(interval),
        "auroc_note": area.reason or no_interval(cases),
        "before": before.to_dict(counted="cases"),
        "after": None
        if left_out.reliability is None
        else left_out.reliability.to_dict(counted="cases"),
        "after_note": left_out.reliability_reason,
    }
    curves = {f"{name}, as trained": before}
    if left_out.reliability is not None:
        curves[f"{name}, with temperature, patients left out"] = left_out.reliability
    measured = json.loads(json.dumps(measured, default=_plain))
    return HeadCalibration(
        temperature=fitted.temperature,
        threshold=threshold,
        threshold_rule=rule,
        measured=measured,
    ), curves


def _threshold(
    name: str, cases: ScoredCases, choose: Choose, temperature: float
) -> tuple[float, str, dict[str, float]]:
    """On the probability after the temperature; how it was chosen; what it reaches there."""
    try:
        choice = choose(cases)
    except InputError as error:
        return 0.5, f"one half, as none can be chosen: {error.problem}", {}
    yes, no = _WORDS[name]
    on = f"{len(cases.labels)} held-out scans ({cases.positives} {yes}, {cases.negatives} {no})"
    how = "the best Youden index"
    if choice.wanted_sensitivity is not None:
        how = f"a sensitivity of {choice.wanted_sensitivity:g} or more"
    rule = f"{how} on {on}"
    if choice.youden <= 0:
        rule += "; they are ranked no better than by chance, so every scan is called"
    reached = {"sensitivity": choice.sensitivity, "specificity": choice.specificity}
    return float(expit(choice.threshold / temperature)), rule, reached


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else str(value)
