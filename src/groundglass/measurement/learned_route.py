"""Route 2: a learned classifier's answer in the findings, and whether it agrees with route 1."""

from __future__ import annotations

import math

import numpy as np

from groundglass.classification import HeadAnswer, ScanClassification
from groundglass.errors import GeometryError, WeightsError
from groundglass.findings import Findings, SliceProfile
from groundglass.findings.routes import (
    Agreement,
    Answer,
    HeadFindings,
    LearnedRoute,
    MeasuredRoute,
    Routes,
    SliceWeight,
)
from groundglass.measurement.settings import MeasureSettings

DEFINITION = (
    "A network that learned from the labels of whole scans: normal where the probability of "
    "findings is below its threshold; else severe where that of severe reaches its own, else mild. "
    "The weight of a slice says how much of it went into the answer, not why. Not a test for any "
    "virus."
)
_ROUNDING = 1e-5
PHANTOM_NOTE = "It learned from made-up scans (phantoms), so it says nothing about patients."


def with_learned(
    findings: Findings,
    classification: ScanClassification,
    *,
    is_phantom_trained: bool = False,
    settings: MeasureSettings | None = None,
) -> Findings:
    """Findings with route 2 and the comparison; a difference or an abstention is a warning too.

    `is_phantom_trained`: the classifier learned from made-up scans; taken to be so, too, where
    `trained_on` names phantoms.
    Raises: GeometryError where slices or weights do not fit the scan, WeightsError where the
    classifier's numbers are none.
    """
    settings = settings or MeasureSettings()
    learned = learned_route(
        classification,
        findings.profile,
        is_phantom_trained=is_phantom_trained or "phantom" in classification.trained_on.lower(),
        settings=settings,
    )
    agreement = compare_routes(findings.routes.measured, learned)
    new = []
    if learned.answer is None:
        new.append(learned.statement)
    if agreement.state == "differ":
        new.append(agreement.statement)
    return findings.model_copy(
        update={
            "routes": Routes(
                measured=findings.routes.measured, learned=learned, agreement=agreement
            ),
            "warnings": [*findings.warnings, *new],
        }
    )


def learned_route(
    classification: ScanClassification,
    profile: SliceProfile,
    *,
    is_phantom_trained: bool,
    settings: MeasureSettings,
) -> LearnedRoute:
    """The route's part of the findings. `profile`: of the scan that was classified."""
    _check(classification, len(profile.index))
    heads = {
        name: _head(getattr(classification, name), classification, profile, settings)
        for name in ("diagnosis", "severity")
    }
    answer: Answer = "normal"
    if classification.diagnosis.is_yes:
        answer = "severe" if classification.severity.is_yes else "mild"
    route = LearnedRoute(
        answer=None if classification.abstained else answer,
        abstained=list(classification.abstained),
        name=classification.name,
        version=classification.version,
        license=classification.license,
        trained_on=classification.trained_on,
        is_phantom_trained=is_phantom_trained,
        slices_read=len(classification.slices),
        statement="",
        definition=DEFINITION,
        **heads,
    )
    return route.model_copy(update={"statement": _statement(route)})


def compare_routes(measured: MeasuredRoute, learned: LearnedRoute) -> Agreement:
    """Whether the classes are the same; not compared where a route has no answer."""
    if measured.answer is None or learned.answer is None:
        missing = []
        if measured.answer is None:
            missing.append("the measured share is not reliable")
        if learned.answer is None:
            missing.append("the learned head abstains")
        text = f"The routes are not compared: {' and '.join(missing)}."
        return Agreement(state="not_compared", statement=text)
    if measured.answer == learned.answer:
        text = f"Both routes say {learned.answer}."
    else:
        borderline = " (borderline)" if measured.certainty == "borderline" else ""
        text = (
            f"The two routes differ: the measured share says {measured.answer}{borderline}, the "
            f"learned head {learned.answer}."
        )
        if learned.answer in measured.classes_in_range:
            text += " The range of the measured share reaches into the learned answer."
        text += " Which is right cannot be told from here: look at the images."
    if learned.is_phantom_trained:
        text += " The head learned from made-up scans: its answer says nothing about patients."
    state = "agree" if measured.answer == learned.answer else "differ"
    return Agreement(state=state, statement=text)


def _check(classification: ScanClassification, depth: int) -> None:
    slices = np.asarray(classification.slices)
    if slices.ndim != 1 or not slices.size or slices.min() < 0 or slices.max() >= depth:
        raise GeometryError(
            f"classifier {classification.name!r} read slices {slices.tolist()}",
            expected=f"numbers from 0 to {depth - 1}",
        )
    for name in ("diagnosis", "severity"):
        head: HeadAnswer = getattr(classification, name)
        if head.slice_weights.shape != slices.shape:
            raise GeometryError(
                f"classifier {classification.name!r} has {head.slice_weights.size} slice weights "
                f"for {name}",
                expected=f"one for each of the {slices.size} slices it read",
            )
        shares = (head.probability, *head.slice_weights)
        is_sound = all(math.isfinite(n) for n in (head.logit, head.threshold, *shares))
        if not is_sound or min(shares) < 0 or max(shares) > 1 + _ROUNDING:
            raise WeightsError(
                f"classifier {classification.name!r} answers {name} with probability "
                f"{head.probability} from logit {head.logit}, and slice weights up to "
                f"{head.slice_weights.max()}",
                expected="finite numbers, shares from 0 to 1",
                remedy="Its weights are damaged or do not fit the scan: import them again",
            )


def _head(
    head: HeadAnswer,
    classification: ScanClassification,
    profile: SliceProfile,
    settings: MeasureSettings,
) -> HeadFindings:
    greatest = np.argsort(-head.slice_weights, kind="stable")[: settings.listed_slices]
    listed = []
    for i in greatest:
        d = int(classification.slices[i])
        listed.append(
            SliceWeight(
                index=profile.index[d],
                position_mm=None if profile.position_mm is None else profile.position_mm[d],
                weight=min(1.0, round(float(head.slice_weights[i]), 6)),
            )
        )
    return HeadFindings(
        is_yes=head.is_yes,
        probability=min(1.0, float(head.probability)),
        is_calibrated=head.is_calibrated,
        logit=float(head.logit),
        threshold=float(head.threshold),
        threshold_rule=head.threshold_rule,
        slices=listed,
    )


def chance_text(probability: float) -> str:
    """'0.83'; never a 0 or 1 that was not reached."""
    if 0 < probability < 0.005:
        return "below 0.01"
    return "above 0.99" if 0.995 <= probability < 1 else f"{probability:.2f}"


def _statement(route: LearnedRoute) -> str:
    note = f" {PHANTOM_NOTE}" if route.is_phantom_trained else ""
    if route.answer is None:
        return f"The learned head abstains. {' '.join(route.abstained)}{note}"
    heads = {"findings": route.diagnosis}
    if route.answer != "normal":
        heads["severe"] = route.severity
    figures = ", ".join(f"{name} {_against(head)}" for name, head in heads.items())
    text = f"The learned head says {route.answer}: {figures}"
    rough = [name for name, head in heads.items() if not head.is_calibrated]
    if rough:
        text += f"; {' and '.join(rough)} not calibrated: higher ranks a scan above others, no more"
    return f"{text}.{note}"


def _against(head: HeadFindings) -> str:
    return f"{chance_text(head.probability)} (yes from {chance_text(head.threshold)})"
