"""What a table says of one row: three aggregations with intervals over patients, and the folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from groundglass.metrics.aggregate import Average, CaseScore, Interval, Scores, aggregate, average
from groundglass.metrics.overlap import MEASURES, Confusion
from groundglass.studies.row import Row

DRAWS = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class RowSummary:
    """Scores of a row. Each of `pooled`, `per_volume`, `per_slice` maps `MEASURES` to intervals.

    `folds` are (number, scores); `over_folds` is the mean and deviation of their pooled values.
    An interval is None where there are fewer than two patients.
    """

    row: Row
    scores: Scores
    pooled: dict[str, Interval | None]
    per_volume: dict[str, Interval | None]
    per_slice: dict[str, Interval | None]
    folds: tuple[tuple[int, Scores], ...]
    over_folds: dict[str, Average]
    cases: int
    patients: int
    slices: int


def summarize(row: Row, *, draws: int = DRAWS, seed: int = 0) -> RowSummary:
    """All that a table needs of a row; equal rows and seeds give equal summaries."""
    cases = row.cases
    bootstrap = PatientBootstrap(cases, draws=draws, seed=seed)
    volumes = [[case.total] for case in cases]
    slices = [list(case.slices) for case in cases]
    folds = tuple((one.fold, aggregate(one.cases)) for one in row.folds)
    return RowSummary(
        row=row,
        scores=aggregate(cases),
        pooled=bootstrap.pooled(),
        per_volume=bootstrap.means(volumes),
        per_slice=bootstrap.means(slices),
        folds=folds,
        over_folds={
            name: average([scores.pooled.measure(name) for _, scores in folds]) for name in MEASURES
        },
        cases=len(cases),
        patients=len({case.group for case in cases}),
        slices=sum(len(case.slices) for case in cases),
    )


class PatientBootstrap:
    """Draws patients as `metrics.aggregate.bootstrap_interval` does, all measures at once.

    The same seed gives the very draws of that function, only counted instead of copied: a pooled
    measure or a mean depends on how often each patient was drawn alone.
    """

    def __init__(self, cases: Sequence[CaseScore], *, draws: int = DRAWS, seed: int = 0) -> None:
        names = sorted({case.group for case in cases})
        self._groups = np.array([names.index(case.group) for case in cases], dtype=np.intp)
        self._totals = np.zeros((len(names), 4), dtype=np.int64)
        for group, case in zip(self._groups, cases, strict=True):
            self._totals[group] += (case.total.tp, case.total.fp, case.total.fn, case.total.tn)
        picks = np.random.default_rng(seed).integers(len(names), size=(draws, len(names)))
        self._times = np.stack([np.bincount(row, minlength=len(names)) for row in picks])

    def pooled(self) -> dict[str, Interval | None]:
        """Intervals of each measure over all pixels of the patients drawn."""
        drawn = [Confusion(*map(int, counts)) for counts in self._times @ self._totals]
        return self._intervals(lambda name: [one.measure(name) for one in drawn])

    def means(self, parts: Sequence[Sequence[Confusion]]) -> dict[str, Interval | None]:
        """Intervals of means over `parts[i]` (volumes or slices) of case i with a reference."""

        def drawn(name: str) -> list[float | None]:
            sums, counts = np.zeros(len(self._totals)), np.zeros(len(self._totals))
            for group, some in zip(self._groups, parts, strict=True):
                values = [one.measure(name) for one in some if one.reference_voxels]
                known = [value for value in values if value is not None]
                sums[group] += sum(known)
                counts[group] += len(known)
            pairs = zip(self._times @ sums, self._times @ counts, strict=True)
            return [float(total / count) if count else None for total, count in pairs]

        return self._intervals(drawn)

    def _intervals(
        self, values_of: Callable[[str], list[float | None]]
    ) -> dict[str, Interval | None]:
        return {name: self._interval(values_of(name)) for name in MEASURES}

    def _interval(self, values: list[float | None]) -> Interval | None:
        groups = len(self._totals)
        known = [value for value in values if value is not None]
        if groups < 2 or not known:
            return None
        low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        undefined = len(values) - len(known)
        return Interval(float(low), float(high), LEVEL, groups, len(values), undefined)
