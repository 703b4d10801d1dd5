"""A classifier in one comparison, from its answers to figures: of each fold, and over folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

from groundglass.metrics.aggregate import Interval, bootstrap_interval
from groundglass.metrics.classification import (
    COUNT_MEASURES,
    ClassificationScores,
    score_classification,
)
from groundglass.metrics.overlap import Confusion
from groundglass.metrics.ranking import auroc, no_interval
from groundglass.metrics.scored_cases import Measured, ScoredCases
from groundglass.studies.class_row import ClassRow, TaskCases

DRAWS, LEVEL = 1000, 0.95
RANKED = ("auroc", "average_precision")
MEASURES = (*COUNT_MEASURES, *RANKED)
_CONSTANT = Measured(None, "a constant ranks nothing")


@dataclass(frozen=True)
class FoldMean:
    """Mean and deviation (n - 1; None of one fold) of a measure over the folds that have it."""

    mean: float | None
    deviation: float | None
    folds: int


@dataclass(frozen=True)
class TaskSummary:
    """One row in one comparison.

    `folds`: fold -> scores. `counts`: of all folds' scans at their fold's threshold. `means`: by
    measure. `auroc_interval`: of the mean over folds, patients drawn anew within each fold; None
    where a fold has too few.
    """

    row: ClassRow
    task: str
    folds: Mapping[int, ClassificationScores]
    counts: Confusion
    means: Mapping[str, FoldMean]
    auroc_interval: Interval | None

    @property
    def thresholds(self) -> tuple[float, ...]:
        return tuple(scores.threshold for scores in self.folds.values())


def summarize_task(row: ClassRow, task: str, *, seed: int = 0) -> TaskSummary:
    """The figures of a row in one comparison; measures that are undefined in a fold are left out
    of its mean."""
    parts = row.of_task(task)
    folds = {part.fold: _scores(part, seed) for part in parts}
    counts = reduce(add, (scores.counts for scores in folds.values()))
    means = {
        name: fold_mean([scores.measures[name].value for scores in folds.values()])
        for name in MEASURES
    }
    interval = (
        mean_auroc_interval(parts, draws=DRAWS, seed=seed) if all(p.ranks for p in parts) else None
    )
    return TaskSummary(row, task, folds, counts, means, interval)


def fold_mean(values: Sequence[float | None]) -> FoldMean:
    """Of the values that are there."""
    known = np.array([value for value in values if value is not None])
    if not known.size:
        return FoldMean(None, None, 0)
    deviation = float(known.std(ddof=1)) if known.size > 1 else None
    return FoldMean(float(known.mean()), deviation, int(known.size))


def mean_auroc_interval(
    parts: Sequence[TaskCases], *, draws: int, seed: int = 0
) -> Interval | None:
    """Bootstrap percentile interval of the mean over folds of the AUROC.

    Each fold's scores are ranked among themselves: another fold's come from another network.
    Patients are drawn within their fold, positive and negative ones apart.
    """
    cases = [part.cases for part in parts]
    if any(no_interval(one) for one in cases):
        return None
    fold_of = np.repeat(np.arange(len(cases)), [len(one.labels) for one in cases])
    scores = np.concatenate([one.scores for one in cases])
    labels = np.concatenate([one.labels for one in cases])
    groups = [f"{n}:{group}" for n, one in enumerate(cases) for group in one.groups]
    found: dict[str, set[bool]] = {}
    for group, label in zip(groups, labels, strict=True):
        found.setdefault(group, set()).add(bool(label))

    def mean_area(drawn: list[int]) -> float:
        picks = np.array(drawn)
        areas = []
        for fold in range(len(cases)):
            own = picks[fold_of[picks] == fold]
            value = auroc(ScoredCases(scores[own], labels[own], ())).value
            assert value is not None  # both labels are in every draw
            areas.append(value)
        return float(np.mean(areas))

    return bootstrap_interval(
        range(len(scores)),
        groups,
        mean_area,
        level=LEVEL,
        draws=draws,
        seed=seed,
        strata={group: f"{group.split(':')[0]} {sorted(some)}" for group, some in found.items()},
    )


def _scores(part: TaskCases, seed: int) -> ClassificationScores:
    scores = score_classification(part.cases, part.threshold, draws=DRAWS, seed=seed)
    if part.ranks:
        return scores
    measures = {**scores.measures, **dict.fromkeys(RANKED, _CONSTANT)}
    return ClassificationScores(
        scores.threshold, scores.counts, scores.patients, measures, None, _CONSTANT.reason
    )
