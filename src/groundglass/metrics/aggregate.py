"""One number from many cases, in three ways: pooled, mean over volumes, mean over slices."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from groundglass.errors import InputError, SettingsError
from groundglass.metrics.overlap import MEASURES, Confusion, slice_confusions

T = TypeVar("T")


@dataclass(frozen=True)
class CaseScore:
    """One volume's confusions, slice by slice. `group` is the patient; default: the case."""

    case_id: str
    slices: tuple[Confusion, ...]
    group: str = ""
    total: Confusion = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "group", self.group or self.case_id)
        object.__setattr__(self, "total", sum(self.slices, Confusion()))


def score_case(
    case_id: str, prediction: np.ndarray, reference: np.ndarray, *, group: str = ""
) -> CaseScore:
    """Compare two masks (D, H, W), bool or 0/1. Raises: InputError."""
    return CaseScore(case_id, slice_confusions(prediction, reference), group)


@dataclass(frozen=True)
class Average:
    """A mean over the cases where the measure is defined; None where it is nowhere.

    `std` is that of the cases (n - 1), None below two; `left_out` counts undefined ones.
    """

    mean: float | None
    std: float | None
    count: int
    left_out: int


@dataclass(frozen=True)
class EmptyReferences:
    """Cases whose reference marks nothing, reported apart from the means.

    `clean`: of them, with an empty prediction too. `false_positive_voxels` and `voxels` are
    summed over them.
    """

    count: int
    clean: int
    false_positive_voxels: int
    voxels: int


@dataclass(frozen=True)
class Scores:
    """All three aggregations of the same cases.

    `pooled` adds up every voxel, those of empty references included. `per_volume` and
    `per_slice` map each of `MEASURES` to its mean over the volumes or slices whose reference
    is not empty.
    """

    pooled: Confusion
    per_volume: dict[str, Average]
    per_slice: dict[str, Average]
    empty_volumes: EmptyReferences
    empty_slices: EmptyReferences


def aggregate(cases: Sequence[CaseScore]) -> Scores:
    """Scores of some cases. Raises: InputError where there is none."""
    if not cases:
        raise InputError("there is no case to aggregate", expected="one or more")
    volumes = [case.total for case in cases]
    slices = [one for case in cases for one in case.slices]
    return Scores(
        pooled=sum(volumes, Confusion()),
        per_volume=_averages(volumes),
        per_slice=_averages(slices),
        empty_volumes=_empty(volumes),
        empty_slices=_empty(slices),
    )


def average(values: Sequence[float | None]) -> Average:
    """Mean and standard deviation of the values that are defined."""
    known = [value for value in values if value is not None]
    return Average(
        mean=math.fsum(known) / len(known) if known else None,
        std=float(np.std(known, ddof=1)) if len(known) > 1 else None,
        count=len(known),
        left_out=len(values) - len(known),
    )


def _averages(confusions: Sequence[Confusion]) -> dict[str, Average]:
    filled = [one for one in confusions if one.reference_voxels]
    return {name: average([one.measure(name) for one in filled]) for name in MEASURES}


def _empty(confusions: Sequence[Confusion]) -> EmptyReferences:
    empty = [one for one in confusions if not one.reference_voxels]
    return EmptyReferences(
        count=len(empty),
        clean=sum(one.fp == 0 for one in empty),
        false_positive_voxels=sum(one.fp for one in empty),
        voxels=sum(one.voxels for one in empty),
    )


@dataclass(frozen=True)
class Interval:
    """A bootstrap percentile interval. `undefined` draws had no value and are left out."""

    low: float
    high: float
    level: float
    groups: int
    draws: int
    undefined: int


def bootstrap_interval(
    items: Sequence[T],
    groups: Sequence[str],
    statistic: Callable[[list[T]], float | None],
    *,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
    strata: Mapping[str, str] | None = None,
) -> Interval | None:
    """Interval of `statistic` when whole groups (patients) are drawn with replacement.

    `groups[i]` is the group of `items[i]`; equal inputs and seed give equal intervals. None
    where fewer than two groups, or no draw with a value, leave nothing to say. `strata` names the
    stratum of each group: each is drawn by itself, as many groups as it has.
    Raises: InputError where the lengths differ or a group has no stratum; SettingsError where
    `level` is not between 0 and 1 or `draws` is below 1.
    """
    if len(items) != len(groups):
        raise InputError(f"there are {len(items)} items and {len(groups)} groups", expected="pairs")
    if not 0 < level < 1 or draws < 1:
        raise SettingsError(
            f"bootstrap has level {level} and {draws} draws",
            expected="a level between 0 and 1, and 1 draw or more",
        )
    members: dict[str, list[T]] = {}
    for item, group in zip(items, groups, strict=True):
        members.setdefault(group, []).append(item)
    if strata is not None and (bare := sorted(set(members) - set(strata))):
        raise InputError(f"no stratum is given for {', '.join(bare)}", expected="one per group")
    pools = [members[name] for name in sorted(members)]
    if len(pools) < 2:
        return None
    rng = np.random.default_rng(seed)
    part_of = np.array(["" if strata is None else strata[name] for name in sorted(members)])
    parts = [np.flatnonzero(part_of == part) for part in np.unique(part_of)]
    picks = np.hstack([part[rng.integers(part.size, size=(draws, part.size))] for part in parts])
    values = [statistic([item for pick in row for item in pools[pick]]) for row in picks]
    known = [value for value in values if value is not None]
    if not known:
        return None
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level, len(pools), draws, draws - len(known))


def pooled_measure(name: str) -> Callable[[Sequence[CaseScore]], float | None]:
    """A statistic for `bootstrap_interval`: the measure over all voxels of the cases drawn."""
    return lambda cases: sum((case.total for case in cases), Confusion()).measure(name)


def mean_measure(name: str) -> Callable[[Sequence[CaseScore]], float | None]:
    """A statistic for `bootstrap_interval`: the mean over volumes with a reference."""
    return lambda cases: (
        average([case.total.measure(name) for case in cases if case.total.reference_voxels]).mean
    )
