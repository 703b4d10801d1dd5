"""Temperature and threshold of one head of a classifier, from the logits of held-out scans."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import expit

from groundglass.errors import InputError
from groundglass.metrics.calibration import LogitHistogram, Reliability
from groundglass.metrics.case_calibration import (
    CASE_BINS,
    CaseTemperature,
    fit_case_temperature,
)
from groundglass.metrics.left_out_cases import Choose, LeftOutCases
from groundglass.metrics.ranking import auroc, auroc_interval, no_interval
from groundglass.metrics.scored_cases import ScoredCases

HEAD_WORDS = {"diagnosis": ("findings", "normal"), "severity": ("severe", "mild")}
"""What each head says yes and no to."""


class HeadCalibration(BaseModel):
    """One head: its temperature (None where none could be fitted), its threshold on the probability
    after it, in words how that was chosen, and what was measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    temperature: float | None = Field(gt=0, allow_inf_nan=False)
    threshold: float = Field(ge=0, le=1)
    threshold_rule: str
    measured: dict[str, Any]


def calibrate_head(
    name: str, cases: ScoredCases | None, choose: Choose
) -> tuple[HeadCalibration, Mapping[str, Reliability]]:
    """The record of a head of `HEAD_WORDS`, and its curves. `cases` None: no scan is of it.

    A temperature is kept only where patients are the better for that of the others: where it raises
    their log loss, too few scans are there to fit one.
    """
    yes, no = HEAD_WORDS[name]
    if cases is None:
        reason = "no scan with findings was held out"
        return HeadCalibration(
            temperature=None,
            threshold=0.5,
            threshold_rule=f"one half, as {reason}",
            measured={"cases": 0, "no_temperature": reason},
        ), {}
    counted = LogitHistogram.of(cases.scores, cases.labels)
    before, left_out = Reliability.of(counted, bins=CASE_BINS), LeftOutCases.of(cases, choose)
    after = left_out.reliability
    temperature, no_temperature = _temperature(fit_case_temperature(cases), before, left_out)
    threshold, rule, reached = _threshold(name, cases, choose, temperature or 1.0)
    area, interval = auroc(cases), auroc_interval(cases)
    measured = {
        "cases": len(cases.labels),
        yes: cases.positives,
        no: cases.negatives,
        "patients": len(set(cases.groups)),
        "no_temperature": no_temperature,
        "where_chosen": reached,
        "left_out": left_out.to_dict(),
        "auroc": area.value,
        "auroc_interval": None if interval is None else asdict(interval),
        "auroc_note": area.reason or no_interval(cases),
        "before": before.to_dict(counted="cases"),
        "after": None if after is None else after.to_dict(counted="cases"),
    }
    curves = {f"{name}, as trained": before}
    if after is not None:
        curves[f"{name}, with temperature, patients left out"] = after
    return HeadCalibration(
        temperature=temperature,
        threshold=threshold,
        threshold_rule=rule,
        measured=json.loads(json.dumps(measured, default=_plain)),
    ), curves


def _temperature(
    fitted: CaseTemperature, before: Reliability, left_out: LeftOutCases
) -> tuple[float | None, str]:
    """The temperature to be used, or None with the reason."""
    if fitted.temperature is None:
        return None, fitted.reason
    after = left_out.reliability
    if after is None:
        return None, left_out.reliability_reason
    worse, was = after.log_loss, before.log_loss
    if worse is None or was is None or worse > was:
        return None, (
            f"the temperature of the other patients changes the log loss from {was:.3f} to "
            f"{worse:.3f}: too few scans to fit one"
        )
    return fitted.temperature, ""


def _threshold(
    name: str, cases: ScoredCases, choose: Choose, temperature: float
) -> tuple[float, str, dict[str, float]]:
    """On the probability after the temperature; how it was chosen; what it reaches there."""
    try:
        choice = choose(cases)
    except InputError as error:
        return 0.5, f"one half, as none can be chosen: {error.problem}", {}
    yes, no = HEAD_WORDS[name]
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
