"""Which figures of a paper cannot be true, and why: by arithmetic alone.

Two grades. "impossible": no average over any test cases gives it (where each case enters all the
figures alike). "not pooled": no single count of pixels gives it, so that it could at best be a
mean over slices whose figures differ a lot. Every check allows for the digits printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from groundglass.studies.paper import Paper, PaperRow
from groundglass.studies.paper_arithmetic import (
    Span,
    harmonic,
    mean_iou,
    mean_iou_gives_jaccard,
    mean_iou_span,
    printed_span,
    target_share,
)
from groundglass.studies.papers import find_paper

__all__ = [
    "FIVE",
    "Fault",
    "all_faults",
    "faults",
    "implied_share",
    "mean_iou",
    "mean_iou_gives_jaccard",
    "mean_iou_span",
    "share_note",
    "target_share",
]

FIVE = ("accuracy", "precision", "specificity", "recall", "dice")


@dataclass(frozen=True)
class Fault:
    """What is wrong with some of a row's figures. `check` is a stable code."""

    check: str
    grade: Literal["impossible", "not pooled"]
    measures: tuple[str, ...]
    text: str


def faults(row: PaperRow) -> tuple[Fault, ...]:
    """Everything wrong with one row by itself and against the others of its table."""
    paper = find_paper(row.study)
    found = (
        _jaccard_above_dice(row, paper),
        _jaccard_off_dice(row, paper),
        _dice_off_harmonic_mean(row, paper),
        _accuracy_outside(row),
        _no_confusion(row, paper),
        _shares_disagree(row, paper),
    )
    return tuple(fault for fault in found if fault is not None)


def all_faults(study: str = "chs-net") -> dict[tuple[int, str, str], tuple[Fault, ...]]:
    """(table, key, target) -> faults, of the paper's rows that have any."""
    rows = find_paper(study).rows
    found = {(row.table, row.key, row.target): faults(row) for row in rows}
    return {name: some for name, some in found.items() if some}


def _jaccard_above_dice(row: PaperRow, paper: Paper) -> Fault | None:
    """J <= D for every case, so for every mean too."""
    jaccard, dice = row.figures.get("jaccard"), row.figures.get("dice")
    if jaccard is None or dice is None or jaccard - row.half_digit <= dice + row.half_digit:
        return None
    text = (
        f"{paper.jaccard} {row.printed_alone('jaccard')} exceeds {paper.dice} "
        f"{row.printed_alone('dice')}: the Jaccard index of a region never exceeds its "
        f"Dice (J = D / (2 - D), here {row.rounded(dice / (2 - dice))} if pooled). "
        f"{_other_jaccard(row, paper)}"
    )
    return Fault("jaccard-above-dice", "impossible", ("jaccard",), text)


def _other_jaccard(row: PaperRow, paper: Paper) -> str:
    """Whether the mean IoU over both classes explains the printed Jaccard."""
    span = mean_iou_span(row)
    if span is None:
        return "Whether it is the mean IoU over both classes cannot be told from the rest."
    if mean_iou_gives_jaccard(row):
        return f"It is what the mean IoU over both classes would be ({span})."
    figures, half = row.figures, row.half_digit
    text = f"The mean IoU over both classes does not give it either if pooled ({span})"
    # Case by case IoU(foreground) <= Dice and IoU(background) <= accuracy, so it holds of means.
    ceiling = (figures["dice"] + figures.get("accuracy", 1.0)) / 2 + half
    if "accuracy" in figures and figures["jaccard"] - half > ceiling:
        stays = f"({paper.dice} + Acc.) / 2 = {ceiling:.3f}"
        return f"{text}, nor by any average: that stays below {stays}."
    return f"{text}."


def _jaccard_off_dice(row: PaperRow, paper: Paper) -> Fault | None:
    """Pooled, J = D / (2 - D); averaged at least that, as it bends upwards in D."""
    if not {"jaccard", "dice"} <= row.figures.keys():
        return None
    jaccard, dice = printed_span(row, "jaccard"), printed_span(row, "dice")
    pooled = Span(dice.low / (2 - dice.low), dice.high / (2 - dice.high))
    # One above Dice is impossible anyway, and told by its own check.
    if jaccard.meets(pooled) or row.figures["jaccard"] > row.figures["dice"]:
        return None
    value = row.figures["dice"]
    text = (
        f"With {paper.dice} {row.printed_alone('dice')}, {paper.jaccard} is "
        f"{row.rounded(value / (2 - value))} if pooled, not {row.printed_alone('jaccard')}"
    )
    if jaccard.high < pooled.low:
        return Fault("jaccard-off-dice", "impossible", ("jaccard",), f"{text}, nor less averaged.")
    return Fault("jaccard-off-dice", "not pooled", ("jaccard",), f"{text}.")


def _dice_off_harmonic_mean(row: PaperRow, paper: Paper) -> Fault | None:
    """Pooled, Dice is the harmonic mean of precision and recall; averaged, at most that.

    Averaged it is no less than their sum less one: 2pr / (p + r) >= p + r - 1 of every case, as
    that is p(1 - p) + r(1 - r) >= 0.
    """
    if not {"precision", "recall", "dice"} <= row.figures.keys():
        return None
    precision, recall = printed_span(row, "precision"), printed_span(row, "recall")
    dice = printed_span(row, "dice")
    allowed = Span(
        harmonic(max(precision.low, 0.0), max(recall.low, 0.0)),
        harmonic(min(precision.high, 1.0), min(recall.high, 1.0)),
    )
    if dice.meets(allowed):
        return None
    is_below = dice.high < precision.low + recall.low - 1
    mean = harmonic(row.figures["precision"], row.figures["recall"])
    text = (
        f"The harmonic mean of precision {row.printed_alone('precision')} and recall "
        f"{row.printed_alone('recall')} is {row.rounded(mean)}, not {paper.dice} "
        f"{row.printed_alone('dice')}."
    )
    if is_below:
        text += (
            " Averaged over cases it is not below precision + recall - 1 = "
            f"{row.rounded(row.figures['precision'] + row.figures['recall'] - 1)} either: "
            "the columns were averaged differently, or over different cases."
        )
    return Fault(
        "dice-off-harmonic-mean",
        "impossible" if is_below or dice.low > allowed.high else "not pooled",
        ("precision", "recall", "dice"),
        text,
    )


def _accuracy_outside(row: PaperRow) -> Fault | None:
    """Pooled, accuracy is recall and specificity weighed by the share of target and rest."""
    if not {"accuracy", "recall", "specificity"} <= row.figures.keys():
        return None
    half = row.half_digit
    ends = sorted((row.figures["recall"], row.figures["specificity"]))
    if printed_span(row, "accuracy").meets(Span(ends[0] - half, ends[1] + half)):
        return None
    return Fault(
        "accuracy-outside",
        "not pooled",
        ("accuracy",),
        f"Accuracy {row.printed_alone('accuracy')} lies outside recall and specificity "
        f"({row.rounded(ends[0])} to {row.rounded(ends[1])}), of which it is a weighted mean.",
    )


def _no_confusion(row: PaperRow, paper: Paper) -> Fault | None:
    """No counts of pixels round to all of the five figures (Jaccard aside)."""
    if not set(FIVE) <= row.figures.keys() or _share(row, *FIVE) is not None:
        return None
    by_accuracy = _share(row, "accuracy", "recall", "specificity")
    by_precision = _share(row, "precision", "recall", "specificity")
    why = ""
    if by_accuracy is not None and by_precision is not None:
        why = (
            f": with recall and specificity, the accuracy takes a share of {row.target} of "
            f"{by_accuracy} of all pixels, the precision one of {by_precision}"
        )
    text = f"No count of pixels gives Acc., Pre., Spe., Rec. and {paper.dice} together"
    return Fault("no-confusion", "not pooled", FIVE, f"{text}{why}.")


def _shares_disagree(row: PaperRow, paper: Paper) -> Fault | None:
    """Rows of one table are tested on the same slices, so their target share is one number."""
    own = implied_share(row)
    if own is None or row.table not in paper.same_test:
        return None
    others = [
        (other.label, share)
        for other in paper.rows
        if (other.table, other.target) == (row.table, row.target) and other.key != row.key
        if (share := implied_share(other)) is not None and not own.meets(share)
    ]
    if not others:
        return None
    listed = ", ".join(f"{label} {share}" for label, share in others)
    # Dice says nothing more where precision and recall are there.
    names = tuple(n for n in paper.share_from if n != "dice" or "precision" not in paper.share_from)
    words = [paper.dice if name == "dice" else name for name in names]
    told = f"{', '.join(words[:-1])} and {words[-1]}"
    return Fault(
        "shares-disagree",
        "not pooled",
        names,
        f"{told[:1].upper()}{told[1:]} imply {row.target} on {own} of all pixels; on the same "
        f"test slices {listed}.",
    )


def implied_share(row: PaperRow) -> Span | None:
    """Share of target pixels by what the paper prints for it, without the accuracy."""
    names = find_paper(row.study).share_from
    return _share(row, *names) if set(names) <= row.figures.keys() else None


def share_note(rows: Sequence[PaperRow]) -> str:
    """One sentence: the share of target pixels that rows imply, beside what we count; or ''."""
    target = rows[0].target if rows else "lesions"
    shares = [s for row in rows if row.target == target and (s := implied_share(row)) is not None]
    if not shares:
        return ""
    paper = find_paper(rows[0].study)
    low, high = min(share.low for share in shares), max(share.high for share in shares)
    return (
        f"If pooled, the paper's figures imply {target} on {100 * low:.1f} to {100 * high:.1f} % "
        f"of all pixels; on {paper.share_where}, "
        f"{target} cover {100 * paper.measured_share[target]:.1f} %."
    )


def _share(row: PaperRow, *names: str) -> Span | None:
    return target_share({n: row.figures[n] for n in names}, half_digit=row.half_digit)
