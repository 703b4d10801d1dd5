"""Predictions against references: every case scored, nothing aggregated yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from groundglass.errors import InputError, SettingsError
from groundglass.evaluation.lesions import LesionPairs, pair_lesions
from groundglass.evaluation.masks import MaskPair, MaskRules, read_pair
from groundglass.evaluation.pairing import Pair
from groundglass.metrics.aggregate import CaseScore
from groundglass.metrics.overlap import Confusion, slice_confusions
from groundglass.metrics.surface import SurfaceDistances, surface_distances

ProgressCallback = Callable[[int, int, str], None]
"""Called with (cases done, cases in all, case id) after each case."""


@dataclass(frozen=True)
class EvaluateSettings:
    """What is compared and how. Raises: SettingsError for values out of range."""

    rules: MaskRules = field(default_factory=MaskRules)
    tolerance_mm: tuple[float, ...] = (2.0,)
    level: float = 0.95
    draws: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.level < 1 or self.draws < 1:
            raise SettingsError(
                f"bootstrap has level {self.level} and {self.draws} draws",
                expected="a level between 0 and 1, and 1 draw or more",
            )
        if not all(0 <= limit < 1000 for limit in self.tolerance_mm):
            raise SettingsError(
                f"tolerance is {self.tolerance_mm} mm", expected="0 or more, below 1000"
            )


@dataclass(frozen=True)
class CaseResult:
    """One case, scored. `missing`: there was no prediction, and an empty one was scored.

    `surface` is None where distances are not to be had, and `no_surface_because` says why.
    """

    pair: Pair
    score: CaseScore
    lesions: LesionPairs
    surface: SurfaceDistances | None
    no_surface_because: str
    no_spacing_because: str
    spacing_mm: tuple[float, float, float] | None
    voxel_ml: float | None
    pixel_cm2: float | None
    shape: tuple[int, ...]
    file_axis: str
    file_slices: tuple[int, ...]
    notes: tuple[str, ...]

    @property
    def missing(self) -> bool:
        return not self.pair.prediction


def evaluate_pairs(
    pairs: Sequence[Pair], settings: EvaluateSettings, *, progress: ProgressCallback | None = None
) -> tuple[CaseResult, ...]:
    """Score every pair, one after the other; no two are in memory at once.

    Raises: InputError naming all pairs that cannot be compared, each with its reason.
    """
    results, troubles = [], []
    for done, pair in enumerate(pairs, start=1):
        try:
            results.append(evaluate_pair(pair, settings))
        except InputError as error:
            troubles.append((pair.case_id, error))
        if progress is not None:
            progress(done, len(pairs), pair.case_id)
    if len(troubles) == 1:
        raise troubles[0][1]
    if troubles:
        listed = "".join(f"\n  {case}: {error}" for case, error in troubles)
        raise InputError(f"{len(troubles)} of {len(pairs)} cases cannot be compared:{listed}")
    return tuple(results)


def evaluate_pair(pair: Pair, settings: EvaluateSettings) -> CaseResult:
    """Score one case. Raises: InputError, GeometryError."""
    masks = read_pair(pair.prediction, pair.reference, settings.rules)
    confusions = slice_confusions(masks.prediction, masks.reference)
    surface, why = None, masks.no_surface_because
    if not pair.prediction:
        why = "there is no prediction"
    elif not why and masks.spacing_mm is not None:
        surface = surface_distances(
            masks.prediction,
            masks.reference,
            masks.spacing_mm,
            tolerance_mm=settings.tolerance_mm,
        )
        why = _empty(masks)
    spacing = masks.spacing_mm
    return CaseResult(
        pair=pair,
        score=CaseScore(pair.case_id, confusions, pair.group),
        lesions=pair_lesions(masks.prediction, masks.reference),
        surface=surface,
        no_surface_because=why,
        no_spacing_because=masks.no_spacing_because,
        spacing_mm=spacing,
        voxel_ml=masks.voxel_ml,
        pixel_cm2=spacing[1] * spacing[2] / 100 if spacing else None,
        shape=masks.reference.shape,
        file_axis=masks.file_axis,
        file_slices=masks.file_slices,
        notes=masks.notes,
    )


def _empty(masks: MaskPair) -> str:
    empty = [
        name
        for name, mask in (("prediction", masks.prediction), ("reference", masks.reference))
        if not mask.any()
    ]
    return (
        f"the {' and the '.join(empty)} {'is' if len(empty) == 1 else 'are'} empty" if empty else ""
    )


def slice_scores(case: CaseResult) -> list[tuple[int, Confusion]]:
    """Slices with a reference, by index."""
    return [(d, one) for d, one in enumerate(case.score.slices) if one.reference_voxels]


def dice_key(confusion: Confusion) -> float:
    """Dice for sorting where it is known to be defined."""
    return float(np.nan if confusion.dice is None else confusion.dice)
