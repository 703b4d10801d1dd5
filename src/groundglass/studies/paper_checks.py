"""Which figures of the CHS-Net paper cannot be true, and why: by arithmetic alone.

Two grades. "impossible": no average over any test cases gives it (where each case enters all the
figures alike). "not pooled": no single count of pixels gives it, so that it could at best be a
mean over slices whose figures differ a lot. Every check allows for the two digits printed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from scipy.optimize import linprog

from groundglass.studies.paper_chs_net import HALF_DIGIT, MEASURED_SHARE, ROWS, PaperRow

FIVE = ("accuracy", "precision", "specificity", "recall", "dice")

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
class Fault:
    """What is wrong with some of a row's figures. `check` is a stable code."""

    check: str
    grade: Literal["impossible", "not pooled"]
    measures: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Span:
    """All values from `low` to `high`."""

    low: float
    high: float

    def meets(self, other: Span) -> bool:
        return self.low <= other.high and other.low <= self.high

    def __str__(self) -> str:
        return f"{self.low:.3f} to {self.high:.3f}"


def faults(row: PaperRow) -> tuple[Fault, ...]:
    """Everything wrong with one row by itself and against the others of its table."""
    found = (
        _jaccard_above_dice(row),
        _dice_off_harmonic_mean(row),
        _accuracy_outside(row),
        _no_confusion(row),
        _shares_disagree(row),
    )
    return tuple(fault for fault in found if fault is not None)


def all_faults() -> dict[tuple[int, str, str], tuple[Fault, ...]]:
    """(table, key, target) -> faults, of the rows that have any."""
    found = {(row.table, row.key, row.target): faults(row) for row in ROWS}
    return {name: some for name, some in found.items() if some}


def target_share(figures: Mapping[str, float]) -> Span | None:
    """Share of target pixels (tp + fn of all) that some printed figures allow, if pooled.

    None where no count of pixels rounds to all of them. `mean_iou` and unknown names are passed
    over. Solved exactly: every figure, give or take `HALF_DIGIT`, is a linear bound on the counts.
    """
    bounds = []
    for name, value in figures.items():
        if name in _FRACTIONS:
            part, whole = (np.array(terms, dtype=float) for terms in _FRACTIONS[name])
            bounds += [(value - HALF_DIGIT) * whole - part, part - (value + HALF_DIGIT) * whole]
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
    steps = np.linspace(-HALF_DIGIT, HALF_DIGIT, 11)
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
    return span.meets(_printed(row.figures["jaccard"]))


def _printed(value: float) -> Span:
    return Span(value - HALF_DIGIT, value + HALF_DIGIT)


def _jaccard_above_dice(row: PaperRow) -> Fault | None:
    """J <= D for every case, so for every mean too."""
    jaccard, dice = row.figures.get("jaccard"), row.figures.get("dice")
    if jaccard is None or dice is None or jaccard - HALF_DIGIT <= dice + HALF_DIGIT:
        return None
    text = (
        f"JI {jaccard:.2f} exceeds DSC {dice:.2f}: the Jaccard index of a region never exceeds its "
        f"Dice (J = D / (2 - D), here {dice / (2 - dice):.2f} if pooled)."
    )
    return Fault("jaccard-above-dice", "impossible", ("jaccard",), f"{text} {_other_jaccard(row)}")


def _other_jaccard(row: PaperRow) -> str:
    """Whether the mean IoU over both classes explains the printed JI."""
    span = mean_iou_span(row)
    if span is None:
        return "Whether it is the mean IoU over both classes cannot be told from the rest."
    if mean_iou_gives_jaccard(row):
        return f"It is what the mean IoU over both classes would be ({span})."
    figures = row.figures
    text = f"The mean IoU over both classes does not give it either if pooled ({span})"
    # Case by case IoU(foreground) <= Dice and IoU(background) <= accuracy, so it holds of means.
    ceiling = (figures["dice"] + figures.get("accuracy", 1.0)) / 2 + HALF_DIGIT
    if "accuracy" in figures and figures["jaccard"] - HALF_DIGIT > ceiling:
        return f"{text}, nor by any average: that stays below (DSC + Acc.) / 2 = {ceiling:.3f}."
    return f"{text}."


def _dice_off_harmonic_mean(row: PaperRow) -> Fault | None:
    """Pooled, Dice is the harmonic mean of precision and recall; averaged, at most that."""
    if not {"precision", "recall", "dice"} <= row.figures.keys():
        return None
    precision, recall, dice = (row.figures[name] for name in ("precision", "recall", "dice"))
    low = _harmonic(max(precision - HALF_DIGIT, 0.0), max(recall - HALF_DIGIT, 0.0))
    high = _harmonic(min(precision + HALF_DIGIT, 1.0), min(recall + HALF_DIGIT, 1.0))
    if _printed(dice).meets(Span(low, high)):
        return None
    return Fault(
        "dice-off-harmonic-mean",
        "impossible" if dice > high else "not pooled",
        ("precision", "recall", "dice"),
        f"The harmonic mean of precision {precision:.2f} and recall {recall:.2f} is "
        f"{_harmonic(precision, recall):.2f}, not DSC {dice:.2f}.",
    )


def _harmonic(a: float, b: float) -> float:
    return 2 * a * b / (a + b) if a + b else 0.0


def _accuracy_outside(row: PaperRow) -> Fault | None:
    """Pooled, accuracy is recall and specificity weighed by the share of target and rest."""
    if not {"accuracy", "recall", "specificity"} <= row.figures.keys():
        return None
    accuracy = row.figures["accuracy"]
    ends = sorted((row.figures["recall"], row.figures["specificity"]))
    if _printed(accuracy).meets(Span(ends[0] - HALF_DIGIT, ends[1] + HALF_DIGIT)):
        return None
    return Fault(
        "accuracy-outside",
        "not pooled",
        ("accuracy",),
        f"Accuracy {accuracy:.2f} lies outside recall and specificity ({ends[0]:.2f} to "
        f"{ends[1]:.2f}), of which it is a weighted mean.",
    )


def _no_confusion(row: PaperRow) -> Fault | None:
    """No counts of pixels round to all of the five figures (JI aside)."""
    if not set(FIVE) <= row.figures.keys():
        return None
    if target_share({name: row.figures[name] for name in FIVE}) is not None:
        return None
    by_accuracy = target_share(_only(row, "accuracy", "recall", "specificity"))
    by_precision = target_share(_only(row, "precision", "recall", "specificity"))
    why = ""
    if by_accuracy is not None and by_precision is not None:
        why = (
            f": with recall and specificity, the accuracy takes a share of {row.target} of "
            f"{by_accuracy} of all pixels, the precision one of {by_precision}"
        )
    text = "No count of pixels gives Acc., Pre., Spe., Rec. and DSC together"
    return Fault("no-confusion", "not pooled", FIVE, f"{text}{why}.")


def _shares_disagree(row: PaperRow) -> Fault | None:
    """Rows of one ablation are tested on the same slices, so their target share is one number."""
    own = implied_share(row)
    if own is None or row.table not in (4, 5):
        return None
    others = [
        (other.label, share)
        for other in ROWS
        if (other.table, other.target) == (row.table, row.target) and other.key != row.key
        if (share := implied_share(other)) is not None and not own.meets(share)
    ]
    if not others:
        return None
    listed = ", ".join(f"{label} {share}" for label, share in others)
    return Fault(
        "shares-disagree",
        "not pooled",
        ("precision", "specificity", "recall"),
        f"Precision, specificity and recall imply {row.target} on {own} of all pixels; on the same "
        f"test slices {listed}.",
    )


def implied_share(row: PaperRow) -> Span | None:
    """Share of target pixels by precision, specificity, recall and Dice, without the accuracy."""
    names = ("precision", "specificity", "recall", "dice")
    return target_share(_only(row, *names)) if set(names) <= row.figures.keys() else None


def share_note(rows: Sequence[PaperRow]) -> str:
    """One sentence: the share of target pixels that rows imply, beside what we count; or ''."""
    target = rows[0].target if rows else "lesions"
    shares = [s for row in rows if row.target == target and (s := implied_share(row)) is not None]
    if not shares:
        return ""
    low, high = min(share.low for share in shares), max(share.high for share in shares)
    return (
        f"If pooled, the paper's figures imply {target} on {100 * low:.1f} to {100 * high:.1f} % "
        f"of all pixels; on 15 cases of its second source, on slices that all show lesions, "
        f"{target} cover {100 * MEASURED_SHARE[target]:.1f} %."
    )


def _only(row: PaperRow, *names: str) -> dict[str, float]:
    return {name: row.figures[name] for name in names}
