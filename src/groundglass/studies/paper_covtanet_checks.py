"""Which figures of CovTANet's Table IV cannot be true, or say less than they seem to.

By arithmetic and the published sizes of the classes; every check allows for the digits printed,
and those on F1 and accuracy find the same with the two classes exchanged. Grades:
"misnamed": another measure than it is called. "uninformative": a constant answer does better.
"not pooled": no count of the published scans gives it, nor does a mean over folds with equal
shares of the classes; with unequal ones it could. "not over folds": five folds of like size cannot
give it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Literal

from groundglass.studies.paper_arithmetic import Span, harmonic
from groundglass.studies.paper_covtanet import (
    FOLDS,
    HALF_DIGIT,
    HALF_SPREAD_DIGIT,
    TABLE_4,
    PaperScore,
    class_size,
)

_TINY = 1e-9
"""For sums of floats that are equal on paper."""

_MOST_TRIED = 10_000


@dataclass(frozen=True)
class ScoreFault:
    """What is wrong with some figures of one network in one comparison. `check` is a code."""

    check: str
    grade: Literal["misnamed", "uninformative", "not pooled", "not over folds"]
    measures: tuple[str, ...]
    text: str


def score_faults(score: PaperScore) -> tuple[ScoreFault, ...]:
    """Everything wrong with one network in one comparison."""
    found = (
        _f1_is_another(score),
        _below_majority(score),
        _accuracy_off(score),
        _deviation_too_small(score, "sensitivity"),
        _deviation_too_small(score, "specificity"),
    )
    return tuple(fault for fault in found if fault is not None)


def all_score_faults() -> dict[tuple[str, str], tuple[ScoreFault, ...]]:
    """(key, task) -> faults, of the figures of Table IV that have any."""
    found = {(one.key, one.task.key): score_faults(one) for one in TABLE_4}
    return {name: some for name, some in found.items() if some}


def positive_share(score: PaperScore) -> float:
    """Share of the positive class among the published scans of the comparison."""
    positive, negative = class_size(score.task.positive), class_size(score.task.negative)
    return positive / (positive + negative)


def majority_share(score: PaperScore) -> float:
    """Accuracy of always saying the larger class."""
    share = positive_share(score)
    return max(share, 1 - share)


def implied_accuracy(score: PaperScore, share: float | None = None) -> Span:
    """Accuracy that sensitivity and specificity give, if pooled.

    `share` of positive scans; left out, the published one.
    """
    p = positive_share(score) if share is None else share
    return _over_roundings(score, lambda sen, spec: p * sen + (1 - p) * spec)


def implied_f1(score: PaperScore, share: float | None = None) -> Span:
    """True F1 that sensitivity and specificity give, if pooled. `share` as above."""
    p = positive_share(score) if share is None else share
    return _over_roundings(
        score, lambda sen, spec: 2 * p * sen / (p * (1 + sen) + (1 - p) * (1 - spec))
    )


def implied_hmean(score: PaperScore) -> Span:
    """Harmonic mean of the printed sensitivity and specificity."""
    return _over_roundings(score, harmonic)


def _over_roundings(score: PaperScore, of: Callable[[float, float], float]) -> Span:
    """All rise in both arguments, so their ends belong to those of the roundings."""
    sen, spec = score.figures["sensitivity"], score.figures["specificity"]
    return Span(of(sen - HALF_DIGIT, spec - HALF_DIGIT), of(sen + HALF_DIGIT, spec + HALF_DIGIT))


def _span(score: PaperScore, name: str) -> Span:
    value = score.figures[name]
    return Span(value - HALF_DIGIT, value + HALF_DIGIT)


def _mix(score: PaperScore) -> str:
    return f"{100 * positive_share(score):.1f} % {score.task.positive} scans"


def _f1_is_another(score: PaperScore) -> ScoreFault | None:
    """F1 joins precision and sensitivity; the column joins sensitivity and specificity."""
    printed, true, other = _span(score, "f1"), implied_f1(score), implied_hmean(score)
    if printed.meets(true):
        return None
    text = f"With {_mix(score)}, F1 is {true} if pooled, not {score.figures['f1']:.3f}"
    if printed.meets(other):
        text += f". What is printed is the harmonic mean of sensitivity and specificity, {other}."
        return ScoreFault("f1-is-hmean", "misnamed", ("f1",), text)
    text += f", nor is it the harmonic mean of sensitivity and specificity, {other}."
    return ScoreFault("f1-unexplained", "not pooled", ("f1",), text)


def _below_majority(score: PaperScore) -> ScoreFault | None:
    printed, majority = score.figures["accuracy"], majority_share(score)
    if printed + HALF_DIGIT >= majority:
        return None
    is_positive = positive_share(score) >= 0.5
    larger = score.task.positive if is_positive else score.task.negative
    return ScoreFault(
        "accuracy-below-majority",
        "uninformative",
        ("accuracy",),
        f"Accuracy {printed:.3f} is below {majority:.3f}, which saying {larger} of every scan has.",
    )


def _accuracy_off(score: PaperScore) -> ScoreFault | None:
    """Pooled, or at equal shares in all folds: accuracy = p sensitivity + (1 - p) specificity."""
    printed, allowed = _span(score, "accuracy"), implied_accuracy(score)
    if printed.meets(allowed):
        return None
    text = (
        f"With {_mix(score)}, sensitivity and specificity make an accuracy of {allowed} if "
        f"pooled, not {score.figures['accuracy']:.3f}"
    )
    ends = sorted((score.figures["sensitivity"], score.figures["specificity"]))
    if not printed.meets(Span(ends[0] - HALF_DIGIT, ends[1] + HALF_DIGIT)):
        text += ", which lies outside both, so that no share makes it"
    return ScoreFault("accuracy-off-shares", "not pooled", ("accuracy",), f"{text}.")


def _deviation_too_small(score: PaperScore, name: str) -> ScoreFault | None:
    """A fold's sensitivity is a whole number of scans over the fold's: it moves in steps.

    With n folds no fold lies farther from the mean than sqrt(n) deviations (by n; less by n - 1),
    so few values are within reach, and all their combinations are tried. Where they are many,
    nothing is said.
    """
    scan_class = score.task.positive if name == "sensitivity" else score.task.negative
    size, mean = class_size(scan_class), score.figures[name]
    most = score.spread[name] + HALF_SPREAD_DIGIT + _TINY
    scans = [size // FOLDS + (fold < size % FOLDS) for fold in range(FOLDS)]
    reach = most * math.sqrt(FOLDS) + HALF_DIGIT + _TINY
    within = [[k / n for k in range(n + 1) if abs(k / n - mean) <= reach] for n in scans]
    if math.prod(map(len, within)) > _MOST_TRIED:
        return None
    for values in product(*within):
        average = sum(values) / FOLDS
        deviation = math.sqrt(sum((value - average) ** 2 for value in values) / FOLDS)
        if abs(average - mean) <= HALF_DIGIT + _TINY and deviation <= most:
            return None
    step = 1 / max(scans)
    return ScoreFault(
        f"{name}-deviation",
        "not over folds",
        (name,),
        f"{name[:1].upper()}{name[1:]} {score.printed(name)}: of {size} {scan_class} scans a fold "
        f"has {min(scans)} or {max(scans)}, each worth {step:.3f}. No five of them have this mean "
        "and so small a deviation.",
    )
