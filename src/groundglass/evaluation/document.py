"""`evaluation.json`: scores, intervals, cases and definitions as one plain document."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import groundglass
from groundglass.evaluation.definitions import DEFINITIONS, FORMAT
from groundglass.evaluation.evaluate import CaseResult, EvaluateSettings
from groundglass.evaluation.lesions import LesionCounts, count_by_size, count_lesions
from groundglass.metrics.aggregate import (
    CaseScore,
    Interval,
    aggregate,
    average,
    bootstrap_interval,
)
from groundglass.metrics.overlap import MEASURES, Confusion

_FEW_GROUPS = 10
"""Below this a percentile interval covers less than it says."""
NOTICE = "Research use only. Not a medical device."
Values = Sequence[float | None]


@dataclass(frozen=True)
class Inputs:
    """What was compared, for the record."""

    prediction: str
    reference: str
    unused_predictions: tuple[str, ...] = ()


def build_document(
    results: Sequence[CaseResult], settings: EvaluateSettings, inputs: Inputs
) -> dict[str, Any]:
    """Everything that was found, of JSON's own types; undefined is None.

    Raises: InputError where no case has a prediction.
    """
    scored = [case for case in results if not case.missing]
    missing = [case.pair.case_id for case in results if case.missing]
    draw = _Bootstrap([case.pair.group for case in scored], settings)
    document: dict[str, Any] = {
        "format": FORMAT,
        "groundglass": groundglass.__version__,
        "notice": NOTICE,
        "prediction": inputs.prediction,
        "reference": inputs.reference,
        "settings": asdict(settings),
        "definitions": DEFINITIONS,
        "case_count": len(results),
        "group_count": len({case.pair.group for case in results}),
        "missing_predictions": missing,
        "unused_predictions": list(inputs.unused_predictions),
        "scores": _scores([case.score for case in scored], draw),
        "scores_if_missing_were_empty": None,
        "surface": _surface(scored, settings, draw),
        "lesions": _lesions(scored, draw),
        "volumes": _volumes(scored, draw),
        "cases": [_case(case, settings) for case in results],
        "warnings": _warnings(results, inputs),
    }
    if missing:
        every = _Bootstrap([case.pair.group for case in results], settings)
        document["scores_if_missing_were_empty"] = _scores([c.score for c in results], every)
    return document


@dataclass(frozen=True)
class _Bootstrap:
    groups: list[str]
    settings: EvaluateSettings

    def interval(
        self, items: Sequence[Any], statistic: Callable[[list[Any]], float | None]
    ) -> Interval | None:
        settings = self.settings
        return bootstrap_interval(
            items,
            self.groups,
            statistic,
            level=settings.level,
            draws=settings.draws,
            seed=settings.seed,
        )

    def mean(self, values: Values) -> dict[str, Any]:
        """Mean, deviation and interval of one value for each case."""
        found = average(values)
        interval = self.interval(values, lambda drawn: average(drawn).mean)
        return {**asdict(found), "interval": _ends(interval)}


def _ends(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _scores(cases: Sequence[CaseScore], draw: _Bootstrap) -> dict[str, Any]:
    scores = aggregate(cases)
    totals = [(c.total.tp, c.total.fp, c.total.fn, c.total.tn) for c in cases]
    out: dict[str, Any] = {
        "voxels": asdict(scores.pooled), "pooled": {}, "per_volume": {}, "per_slice": {},
    }  # fmt: skip
    for name in MEASURES:
        out["pooled"][name] = {
            "value": scores.pooled.measure(name),
            "interval": _ends(draw.interval(totals, _pooled(name))),
        }
        volumes = [c.total.measure(name) if c.total.reference_voxels else None for c in cases]
        interval = draw.interval(volumes, lambda drawn: average(drawn).mean)
        out["per_volume"][name] = {
            **asdict(scores.per_volume[name]), "interval": _ends(interval),
        }  # fmt: skip
        interval = draw.interval([_sum_of_slices(c, name) for c in cases], _mean_of_sums)
        out["per_slice"][name] = {**asdict(scores.per_slice[name]), "interval": _ends(interval)}
    out["empty_volumes"] = asdict(scores.empty_volumes)
    out["empty_slices"] = asdict(scores.empty_slices)
    return out


def _pooled(name: str) -> Callable[[list[Any]], float | None]:
    return lambda drawn: Confusion(*map(sum, zip(*drawn, strict=True))).measure(name)


def _sum_of_slices(case: CaseScore, name: str) -> tuple[float, int]:
    values = [one.measure(name) for one in case.slices if one.reference_voxels]
    known = [value for value in values if value is not None]
    return math.fsum(known), len(known)


def _mean_of_sums(drawn: list[tuple[float, int]]) -> float | None:
    count = sum(number for _, number in drawn)
    return math.fsum(total for total, _ in drawn) / count if count else None


def _surface(
    cases: Sequence[CaseResult], settings: EvaluateSettings, draw: _Bootstrap
) -> dict[str, Any]:
    found = [case.surface for case in cases]
    reasons = [case.no_surface_because for case in cases if case.no_surface_because]
    return {
        "hausdorff95_mm": draw.mean([s.hausdorff95_mm if s else None for s in found]),
        "average_surface_distance_mm": draw.mean([s.average_mm if s else None for s in found]),
        "surface_dice": [
            {"tolerance_mm": limit, **draw.mean([s.dice[n] if s else None for s in found])}
            for n, limit in enumerate(settings.tolerance_mm)
        ],
        "left_out_because": {reason: reasons.count(reason) for reason in sorted(set(reasons))},
    }


def _lesions(cases: Sequence[CaseResult], draw: _Bootstrap) -> dict[str, Any]:
    pairs = [case.lesions for case in cases]
    voxel_ml = [case.voxel_ml for case in cases if case.voxel_ml is not None]
    in_ml = len(voxel_ml) == len(cases)
    whole = _counts(count_lesions(pairs))
    for name in ("recall", "precision"):
        whole[f"{name}_interval"] = _ends(draw.interval(pairs, _lesion_share(name)))
    return {
        "all": whole,
        "size_unit": "ml" if in_ml else "voxels",
        "by_size": [
            {"from": one.low, "below": one.high, **_counts(one.counts)}
            for one in count_by_size(pairs, voxel_ml if in_ml else None)
        ],
    }


def _lesion_share(name: str) -> Callable[[list[Any]], float | None]:
    return lambda drawn: getattr(count_lesions(drawn), name)


def _counts(counts: LesionCounts) -> dict[str, Any]:
    return {
        "reference": counts.reference,
        "detected": counts.detected,
        "missed": counts.missed,
        "predicted": counts.predicted,
        "false": counts.false,
        "recall": counts.recall,
        "precision": counts.precision,
    }


def _volumes(cases: Sequence[CaseResult], draw: _Bootstrap) -> dict[str, Any]:
    in_ml = all(case.voxel_ml for case in cases)
    errors = [
        (case.score.total.predicted_voxels - case.score.total.reference_voxels)
        * ((case.voxel_ml or 1.0) if in_ml else 1.0)
        for case in cases
    ]
    return {
        "unit": "ml" if in_ml else "voxels",
        "volume_error": draw.mean(errors),
        "absolute_volume_error": draw.mean([abs(error) for error in errors]),
    }


def _case(case: CaseResult, settings: EvaluateSettings) -> dict[str, Any]:
    total, surface = case.score.total, case.surface
    scale = case.voxel_ml or 1.0
    volumes = [total.predicted_voxels * scale, total.reference_voxels * scale]
    return {
        "case": case.pair.case_id,
        "group": case.pair.group,
        "prediction": [str(path) for path in case.pair.prediction],
        "reference": [str(path) for path in case.pair.reference],
        "shape": list(case.shape),
        "spacing_mm": list(case.spacing_mm) if case.spacing_mm else None,
        "no_spacing_because": case.no_spacing_because or None,
        "slice_axis": case.file_axis,
        "empty_reference": total.reference_voxels == 0,
        "voxels": asdict(total),
        **{name: None if case.missing else total.measure(name) for name in MEASURES},
        "volume_unit": "ml" if case.voxel_ml else "voxels",
        "predicted_volume": None if case.missing else volumes[0],
        "reference_volume": volumes[1],
        "volume_error": None if case.missing else volumes[0] - volumes[1],
        "hausdorff95_mm": surface.hausdorff95_mm if surface else None,
        "average_surface_distance_mm": surface.average_mm if surface else None,
        "surface_dice": [
            {"tolerance_mm": limit, "value": surface.dice[n] if surface else None}
            for n, limit in enumerate(settings.tolerance_mm)
        ],
        "no_surface_because": case.no_surface_because or None,
        "lesions": None if case.missing else _counts(count_lesions([case.lesions])),
        "notes": list(case.notes),
    }


def _warnings(results: Sequence[CaseResult], inputs: Inputs) -> list[str]:
    out = []
    missing = [case.pair.case_id for case in results if case.missing]
    if missing:
        out.append(
            f"{len(missing)} of {len(results)} predictions are missing: {', '.join(missing)}"
        )
    if inputs.unused_predictions:
        unused = inputs.unused_predictions
        out.append(f"{len(unused)} predictions have no reference: {', '.join(unused)}")
    groups = len({case.pair.group for case in results})
    if 1 < groups < _FEW_GROUPS:
        out.append(f"intervals over {groups} groups are too narrow: few patients tell little")
    axes = {case.file_axis for case in results} - {"k"}
    if axes:
        out.append(
            f"some files are not stored in axial order: slices are cut along their axis "
            f"{', '.join(sorted(axes))} (slices.csv says which)"
        )
    return out + [f"{case.pair.case_id}: {note}" for case in results for note in case.notes]
