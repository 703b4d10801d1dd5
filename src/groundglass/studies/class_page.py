"""The table of classifiers as a page of Markdown and as CSV, beside the paper's figures."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from groundglass.datasets.class_tasks import TASKS, ClassTask
from groundglass.metrics.aggregate import Interval
from groundglass.studies.class_summary import DRAWS, LEVEL, MEASURES, FoldMean, TaskSummary
from groundglass.studies.paper_covtanet import COLUMNS, PaperScore, paper_score
from groundglass.studies.paper_covtanet_checks import score_faults
from groundglass.studies.table_row import PHANTOM_WARNING

PAPER_KEYS = {"densenet-121": "densenet121"}
"""Rows that the paper spells otherwise."""

_HEADER = (
    "network",
    "sensitivity",
    "specificity",
    "accuracy",
    "F1",
    "hmean of sen. and spe.",
    "balanced accuracy",
    f"AUROC [{100 * LEVEL:.0f} %]",
    "average precision",
    "tp / fn / fp / tn",
    'paper: sen. / spe. / acc. / "F1"',
)
_SHOWN = (
    "sensitivity",
    "specificity",
    "accuracy",
    "f1",
    "sensitivity_specificity_hmean",
    "balanced_accuracy",
)
_FIELDS = ("task", "network", "fold", "measure", "value", "deviation", "low", "high", "folds")
_MORE = ("threshold", "tp", "fn", "fp", "tn", "paper", "paper_faults", "reason", "phantoms")

DEFINITIONS = (
    "**mean ± deviation** (n - 1) over folds, each judged by a network that saw none of its "
    "patients. Counts are of all folds together; a cell without a value is undefined.",
    "With tp, fp, fn, tn counted in scans: **sensitivity** tp / (tp + fn), **specificity** "
    "tn / (tn + fp), **accuracy** (tp + tn) / all, **F1** 2 tp / (2 tp + fp + fn), **hmean** "
    "2 sen. spe. / (sen. + spe.), which is what the paper prints as F1, **balanced accuracy** "
    "(sen. + spe.) / 2: one half for any constant answer. **AUROC** and **average precision** know "
    "no threshold.",
    f"**{100 * LEVEL:.0f} %**: of the mean over folds; percentile bootstrap, patients drawn with "
    f"replacement within their fold and label, {DRAWS:,} draws. It holds the trained networks "
    "fixed.",
    "Networks call a scan positive from a probability of 0.5 on, in every comparison; nothing is "
    "tuned. Normal against mild and against severe is judged by the diagnosis head, mild against "
    "severe by the severity head. In training, each head was shown both its labels equally often.",
    "**majority class**: the label that most training scans of the comparison have, said of every "
    "scan. **involved share alone**: the percentage of the index's lungs that phase 1 calls "
    "lesion; its thresholds have the best sensitivity + specificity on the training side, on "
    "which phase 1 had seen the masks of some scans.",
)


@dataclass(frozen=True)
class ClassConditions:
    """Under what the table was made; `lines` stand beneath it."""

    data: str
    is_phantom: bool
    notice: str
    lines: tuple[str, ...]


def paper_row(key: str, task: str) -> PaperScore | None:
    """The paper's figures for a row of ours, where it has that row."""
    return paper_score(PAPER_KEYS.get(key, key), task)


def class_markdown(
    summaries: Mapping[str, Sequence[TaskSummary]], conditions: ClassConditions
) -> str:
    """The page. `summaries`: by task key, the rows in order. Its first line names phantoms."""
    notes: list[str] = []
    title = "# Table 4: diagnosis and severity of whole scans"
    if conditions.is_phantom:
        title = f"# Made-up phantoms, no patients: {title[2:]}"
    parts = [title]
    if conditions.is_phantom:
        parts.append(f"> **Warning: {PHANTOM_WARNING}.**")
    parts.append(f"> **Data: {conditions.data}. {conditions.notice}**")
    for task in TASKS:
        rows = summaries[task.key]
        counts = rows[0].counts
        parts.append(
            f"## {task.label}\n\n{task.positive} is the positive class: {counts.tp + counts.fn} "
            f"scans, against {counts.fp + counts.tn} {task.negative}. Head: {task.head}."
        )
        parts.append(_grid(_HEADER, [_line(one, task, notes) for one in rows]))
    parts.append("## Conditions\n\n" + _list(conditions.lines))
    parts.append("## Definitions\n\n" + _list(DEFINITIONS))
    if notes:
        numbered = [f"[{number}] {text}" for number, text in enumerate(notes, start=1)]
        parts.append("## What is wrong with figures of the paper\n\n" + _list(numbered))
    parts.append("## Fold by fold\n\n" + _grid(*_fold_grid(summaries)))
    return "\n\n".join(parts) + "\n"


def _line(one: TaskSummary, task: ClassTask, notes: list[str]) -> list[str]:
    counts = one.counts
    area = _mean(one.means["auroc"])
    return [
        one.row.label,
        *(_mean(one.means[name]) for name in _SHOWN),
        f"{area} {_interval(one.auroc_interval)}".rstrip(),
        _mean(one.means["average_precision"]),
        f"{counts.tp} / {counts.fn} / {counts.fp} / {counts.tn}",
        _paper_cell(paper_row(one.row.key, task.key), notes),
    ]


def _paper_cell(score: PaperScore | None, notes: list[str]) -> str:
    """The four figures, each with the numbers of what is wrong with it."""
    if score is None:
        return "–"
    faults = score_faults(score)
    cells = []
    for name in COLUMNS:
        marks = []
        for fault in faults:
            if name in fault.measures:
                text = f"{fault.grade[:1].upper()}{fault.grade[1:]}. {fault.text}"
                if text not in notes:
                    notes.append(text)
                marks.append(f" [{notes.index(text) + 1}]")
        cells.append(score.printed(name) + "".join(marks))
    return " / ".join(cells)


def _fold_grid(
    summaries: Mapping[str, Sequence[TaskSummary]],
) -> tuple[tuple[str, ...], list[list[str]]]:
    header = ("comparison", "network", "fold", "threshold", "tp / fn / fp / tn", "accuracy", "F1")
    header += ("balanced accuracy", "AUROC", "average precision")
    lines = []
    for task in TASKS:
        for one in summaries[task.key]:
            for fold, scores in one.folds.items():
                c, found = scores.counts, scores.measures
                area = f"{_number(found['auroc'].value)} {_interval(scores.auroc_interval)}"
                lines.append(
                    [
                        task.label,
                        one.row.label,
                        str(fold),
                        f"{scores.threshold:.3g}",
                        f"{c.tp} / {c.fn} / {c.fp} / {c.tn}",
                        *(_number(found[n].value) for n in ("accuracy", "f1", "balanced_accuracy")),
                        area.rstrip(),
                        _number(found["average_precision"].value),
                    ]
                )
    return header, lines


def write_class_csv(
    path: Path, summaries: Mapping[str, Sequence[TaskSummary]], *, is_phantom: bool
) -> None:
    """Every number, a line each, whole or not at all; columns are `_FIELDS` and `_MORE`."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [*_FIELDS, *_MORE])
        writer.writeheader()
        for task in TASKS:
            for one in summaries[task.key]:
                for values in _csv_lines(one, task):
                    writer.writerow({**values, "phantoms": "yes" if is_phantom else ""})
    partial.replace(path)


def _csv_lines(one: TaskSummary, task: ClassTask) -> Iterator[dict[str, object]]:
    head = {"task": task.key, "network": one.row.key}
    for fold, scores in one.folds.items():
        c = scores.counts
        counted = {"tp": c.tp, "fn": c.fn, "fp": c.fp, "tn": c.tn, "threshold": scores.threshold}
        for name in MEASURES:
            found = scores.measures[name]
            ends = _ends(scores.auroc_interval) if name == "auroc" else {}
            value = {"measure": name, "value": _exact(found.value), "reason": found.reason}
            yield {**head, "fold": fold, **counted, **value, **ends}
    paper, c = paper_row(one.row.key, task.key), one.counts
    faults = score_faults(paper) if paper else ()
    for name in MEASURES:
        mean = one.means[name]
        yield {
            **head,
            "fold": "mean",
            "measure": name,
            "value": _exact(mean.mean),
            "deviation": _exact(mean.deviation),
            "folds": mean.folds,
            "tp": c.tp,
            "fn": c.fn,
            "fp": c.fp,
            "tn": c.tn,
            **(_ends(one.auroc_interval) if name == "auroc" else {}),
            "paper": "" if paper is None else paper.figures.get(name, ""),
            "paper_faults": " ".join(f.check for f in faults if name in f.measures),
        }


def _ends(interval: Interval | None) -> dict[str, object]:
    return {} if interval is None else {"low": _exact(interval.low), "high": _exact(interval.high)}


def _grid(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---"] * len(header)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *lines))


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _exact(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _mean(found: FoldMean) -> str:
    return _number(found.mean) + ("" if found.deviation is None else f" ± {found.deviation:.3f}")


def _interval(interval: Interval | None) -> str:
    return "" if interval is None else f"[{interval.low:.3f}, {interval.high:.3f}]"
