"""Arithmetic of printed figures: what a row's numbers imply of one another, if pooled.

A printed figure stands for itself, give or take half of its last digit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.optimize import linprog

from groundglass.studies.paper import PaperRow

_FRACTIONS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "accuracy": ((1, 0, 0, 1), (1, 1, 1, 1)),
    "precision": ((1, 0, 0, 0), (1, 1, 0, 0)),
    "specificity": ((0, 0, 0, 1), (0, 1, 0, 1)),
    "recall": ((1, 0, 0, 0), (1, 0, 1, 0)),
    "dice": ((2, 0, 0, 0), (2, 1, 1, 0)),
    "jaccard": ((1, 0, 0, 0), (1, 1, 1, 0)),
}
"""Each measure as one sum over another, of the shares of tp, fp, fn, tn."""


@dataclass(frozen=True)
class Span:
    """All values from `low` to `high`."""

    low: float
    high: float

    def meets(self, other: Span) -> bool:
        return self.low <= other.high and other.low <= self.high

    def __str__(self) -> str:
        return f"{self.low:.3f} to {self.high:.3f}"


def target_share(figures: Mapping[str, float], *, half_digit: float = 0.005) -> Span | None:
    """Share of target pixels (tp + fn of all) that some printed figures allow, if pooled.

    None where no count of pixels rounds to all of them. `mean_iou` and unknown names are passed
    over. Solved exactly: every figure, give or take `half_digit`, is a linear bound on the counts.
    """
    bounds = []
    for name, value in figures.items():
        if name in _FRACTIONS:
            part, whole = (np.array(terms, dtype=float) for terms in _FRACTIONS[name])
            bounds += [(value - half_digit) * whole - part, part - (value + half_digit) * whole]
    if not bounds:
        return Span(0.0, 1.0)
    ends = []
    for sign in (1.0, -1.0):
        solved = linprog(
            sign * np.array([1.0, 0.0, 1.0, 0.0]),
            A_ub=np.array(bounds),
            b_ub=np.full(len(bounds), 1e-9),
            A_eq=np.ones((1, 4)),
            b_eq=[1.0],
            bounds=[(0.0, 1.0)] * 4,
        )
        if solved.status != 0:
            return None
        ends.append(max(0.0, float(solved.x[0] + solved.x[2])))
    return Span(ends[0], ends[1])


def mean_iou(accuracy: float, dice: float) -> float:
    """Mean IoU of both classes that a pooled accuracy and Dice imply; both below 1.

    With e = 1 - accuracy, tp = dice * e / (2 * (1 - dice)) and tn = accuracy - tp; the IoU of
    the foreground is dice / (2 - dice), that of the background tn / (tn + e).
    """
    wrong = 1 - accuracy
    tp = dice * wrong / (2 * (1 - dice))
    tn = accuracy - tp
    return (dice / (2 - dice) + tn / (tn + wrong)) / 2


def mean_iou_span(row: PaperRow) -> Span | None:
    """Mean IoU that the printed figures allow if pooled: by Dice and accuracy.

    Where the accuracy is missing it follows from Dice, recall and specificity; None without them.
    """
    figures = row.figures
    steps = np.linspace(-row.half_digit, row.half_digit, 11)
    if {"accuracy", "dice"} <= figures.keys():
        pairs = [(figures["accuracy"] + a, figures["dice"] + d) for a, d in product(steps, steps)]
    elif {"recall", "specificity", "dice"} <= figures.keys():
        pairs = [
            (_accuracy(dice, figures["recall"] + r, figures["specificity"] + s), dice)
            for dice, r, s in product(figures["dice"] + steps, steps, steps)
        ]
    else:
        return None
    values = [mean_iou(accuracy, dice) for accuracy, dice in pairs]
    return Span(min(values), max(values))


def _accuracy(dice: float, recall: float, specificity: float) -> float:
    """The pooled accuracy, by way of the share of target pixels that the three imply."""
    false_alarms = dice * (1 - specificity)
    share = false_alarms / (2 * recall * (1 - dice) - dice * (1 - recall) + false_alarms)
    return share * recall + (1 - share) * specificity


def mean_iou_gives_jaccard(row: PaperRow) -> bool | None:
    """Whether the printed JI is a pooled mean IoU of both classes; None where nothing can tell."""
    span = mean_iou_span(row)
    if span is None or "jaccard" not in row.figures:
        return None
    return span.meets(printed_span(row, "jaccard"))


def printed_span(row: PaperRow, name: str) -> Span:
    """What the printed figure may have been before it was rounded."""
    value = row.figures[name]
    return Span(value - row.half_digit, value + row.half_digit)


def harmonic(a: float, b: float) -> float:
    return 2 * a * b / (a + b) if a + b else 0.0
