"""A study's table as a page of Markdown: one line a row, then all one must know to read it."""

from __future__ import annotations

from collections.abc import Sequence

from groundglass.metrics.aggregate import Average, EmptyReferences, Interval
from groundglass.studies.paper import Paper
from groundglass.studies.paper_checks import Fault, share_note
from groundglass.studies.row_summary import DRAWS, LEVEL
from groundglass.studies.table_row import PHANTOM_WARNING, Conditions, TableRow

HEADER = (
    "network",
    "parameters",
    "test by",
    "target",
    "Dice, pooled [95 %]",
    "Dice, mean of folds",
    "Dice, mean of volumes [95 %]",
    "Dice, mean of slices",
    "precision",
    "recall",
    "specificity",
    "accuracy",
    "Jaccard",
    "mean IoU",
    "paper: Dice",
    "paper: {jaccard}",
    "paper: pre. / rec. / spe. / acc.",
    "minutes",
    "training slices",
)

DEFINITIONS = (
    "**pooled**: all pixels of all test slices counted together; precision to mean IoU are pooled. "
    "**mean of folds**: each fold's pooled Dice, mean ± deviation (n - 1). **mean of volumes**, "
    "**mean of slices**: over those whose reference is not empty, ± deviation.",
    f"**{100 * LEVEL:.0f} %**: percentile bootstrap, whole patients drawn with replacement, "
    f"{DRAWS:,} draws. It holds "
    "the trained networks fixed: that another training would give other figures is not in it.",
    "With tp, fp, fn, tn counted in pixels: **precision** tp / (tp + fp), **recall** "
    "tp / (tp + fn), **specificity** tn / (tn + fp), **accuracy** (tp + tn) / all, **Dice** "
    "2 tp / (2 tp + fp + fn), **Jaccard** tp / (tp + fp + fn), **mean IoU** the mean of the "
    "Jaccard of target and background.",
)

IMPOSSIBLE = "Impossible"
"""How notes begin that say what no way of averaging could give."""


def markdown(rows: Sequence[TableRow], conditions: Conditions, *, table: int) -> str:
    """The whole page. Phantoms are named as such above the table and in its title."""
    paper = conditions.paper
    title = f"# Table {table}: {paper.titles.get(table, 'study')}"
    header = [name.format(jaccard=paper.jaccard) for name in HEADER]
    notes = _Notes()
    lines = [_line(one, notes) for one in rows]
    parts = [
        f"{title} (phantoms)" if conditions.is_phantom else title,
        f"> **Warning: {PHANTOM_WARNING}.**" if conditions.is_phantom else "",
        f"> **Data: {conditions.notice}**" if conditions.notice else "",
        _grid(header, lines),
        _section("Conditions", _conditions(rows, conditions)),
        _section("Definitions", (*DEFINITIONS, *paper.definitions)),
        _section("Slices and volumes without a target", [_empty(one) for one in rows]),
        _section("What is wrong with figures of the paper", notes.lines()),
        _section("Beside them, measured by others", _references(rows, paper, table)),
        "## Fold by fold\n\n" + _grid(*_fold_grid(rows)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


class _Notes:
    """Numbers the notes as they are first met; equal ones share a number."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def mark(self, texts: Sequence[str]) -> str:
        """What stands behind a figure: the notes' numbers, and a word where no average gives it."""
        numbers = []
        for text in texts:
            if text not in self._texts:
                self._texts.append(text)
            numbers.append(self._texts.index(text) + 1)
        marks = "".join(f" [{number}]" for number in sorted(set(numbers)))
        return marks + (" impossible" if any(text.startswith(IMPOSSIBLE) for text in texts) else "")

    def lines(self) -> list[str]:
        return [f"[{number}] {text}" for number, text in enumerate(self._texts, start=1)]


def _line(one: TableRow, notes: _Notes) -> list[str]:
    row, summary = one.row, one.summary
    pooled, volumes = summary.scores.pooled, summary.scores.per_volume["dice"]
    folds = summary.over_folds["dice"]
    return [
        _cell(row.label),
        _parameters(one),
        row.protocol_label,
        row.target,
        f"**{_number(pooled.dice)}** {_interval(summary.pooled['dice'])}".rstrip(),
        f"{_average(folds)} ({folds.count})",
        f"{_average(volumes)} {_interval(summary.per_volume['dice'])}".rstrip(),
        _average(summary.scores.per_slice["dice"]),
        _number(pooled.precision),
        _number(pooled.recall),
        _number(pooled.specificity),
        _number(pooled.accuracy),
        _number(pooled.jaccard),
        _number(pooled.mean_iou),
        *_paper_cells(one, notes),
        f"{row.minutes:.1f}",
        f"{row.train_slices:,}",
    ]


def _parameters(one: TableRow) -> str:
    theirs = one.paper.parameters if one.paper else None
    return f"{one.row.parameters:,}" + (f" (paper: {theirs:,})" if theirs else "")


def _paper_cells(one: TableRow, notes: _Notes) -> list[str]:
    """Dice, JI and the rest of the paper's row, each with the marks of what is wrong with it."""
    paper = one.paper
    if paper is None:
        return ["–", "–", "–"]

    def wrong(*measures: str) -> list[str]:
        return [_fault(fault) for fault in one.faults if set(measures) & set(fault.measures)]

    rest = ("precision", "recall", "specificity", "accuracy")
    copied = [paper.note[:1].upper() + paper.note[1:] + "."] if paper.note else []
    return [
        paper.printed("dice") + notes.mark([*copied, *wrong("dice")]),
        paper.printed("jaccard")
        + (notes.mark(wrong("jaccard")) if "jaccard" in paper.figures else ""),
        " / ".join(map(paper.printed, rest)) + notes.mark(wrong(*rest)),
    ]


def _fault(fault: Fault) -> str:
    grade = IMPOSSIBLE if fault.grade == "impossible" else "Not possible if pooled"
    return f"{grade}. {fault.text}"


def _conditions(rows: Sequence[TableRow], conditions: Conditions) -> list[str]:
    minutes = f"{conditions.minutes:.1f} minutes in all"
    targets = dict.fromkeys(one.row.target for one in rows)
    of_paper = [[one.paper for one in rows if one.paper and one.row.target == t] for t in targets]
    return [
        f"Budget: {conditions.budget}",
        f"Data: {conditions.data}" + (f" ({PHANTOM_WARNING})" if conditions.is_phantom else ""),
        f"Folds: {conditions.folds}",
        f"Seeds: {', '.join(map(str, conditions.seeds))}",
        f"Hardware: {conditions.hardware}; {minutes}",
        f"Date: {conditions.date}",
        f"Command: `{conditions.command}`",
        *conditions.notes,
        *(f"{one.row.label}: {one.row.note}" for one in rows if one.row.note),
        *filter(None, map(share_note, of_paper)),
    ]


def _empty(one: TableRow) -> str:
    scores = one.summary.scores
    return (
        f"{_name(one)}: {_empty_count(scores.empty_volumes, 'volumes')} of {one.summary.cases}; "
        f"{_empty_count(scores.empty_slices, 'slices')} of {one.summary.slices:,}"
    )


def _empty_count(empty: EmptyReferences, what: str) -> str:
    if not empty.count:
        return f"0 {what}"
    return (
        f"{empty.count:,} {what} ({empty.clean:,} left clean, "
        f"{empty.false_positive_voxels:,} false pixels)"
    )


def _references(rows: Sequence[TableRow], paper: Paper, table: int) -> list[str]:
    targets = {one.row.target for one in rows}
    return [
        f"{one.label}: Dice {one.dice:.3f}"
        + (f" ± {one.std:.3f}" if one.std is not None else "")
        + f", {one.aggregation}. {one.condition[:1].upper()}{one.condition[1:]}. "
        + f"Source: {one.source}."
        for one in paper.references.get(table, ())
        if one.target in targets
    ]


def _fold_grid(rows: Sequence[TableRow]) -> tuple[tuple[str, ...], list[list[str]]]:
    header = ("network", "test by", "target", "fold", "volumes", "slices", "Dice, pooled")
    header += ("Dice, mean of volumes", "Dice, mean of slices", "precision", "recall")
    lines = []
    for one in rows:
        for scores, (fold, found) in zip(one.row.folds, one.summary.folds, strict=True):
            lines.append(
                [
                    _cell(one.row.label),
                    one.row.protocol_label,
                    one.row.target,
                    str(fold),
                    str(len(scores.cases)),
                    f"{sum(len(case.slices) for case in scores.cases):,}",
                    _number(found.pooled.dice),
                    _average(found.per_volume["dice"]),
                    _average(found.per_slice["dice"]),
                    _number(found.pooled.precision),
                    _number(found.pooled.recall),
                ]
            )
    return header, lines


def _grid(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---"] * len(header)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *lines))


def _section(title: str, lines: Sequence[str]) -> str:
    return f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines) if lines else ""


def _name(one: TableRow) -> str:
    return f"{one.row.label}, {one.row.target}, {one.row.protocol_label}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _average(mean: Average) -> str:
    return _number(mean.mean) + ("" if mean.std is None else f" ± {mean.std:.3f}")


def _interval(interval: Interval | None) -> str:
    return "" if interval is None else f"[{interval.low:.3f}, {interval.high:.3f}]"
