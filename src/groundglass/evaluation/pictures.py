"""Which cases and slices the figures show."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from groundglass.errors import GroundglassError
from groundglass.evaluation.evaluate import CaseResult, EvaluateSettings, dice_key, slice_scores
from groundglass.evaluation.figures import CasePanel, SizePoints, draw_cases, draw_dice_by_size
from groundglass.evaluation.masks import MaskPair, read_pair
from groundglass.geometry import axis_spacing_mm
from groundglass.intensity import IntensityChoice
from groundglass.io.read import read_scan
from groundglass.volume import Volume

log = logging.getLogger(__name__)

MOST_EACH = 3
_WINDOW_HU = (-1350.0, 150.0)


def draw_extremes(path: Path, results: Sequence[CaseResult], settings: EvaluateSettings) -> str:
    """Draw the cases with the lowest and highest Dice as PNG; '' or why there is no figure.

    Each case is shown in the slice with the most reference. Of one case alone, the slices with
    the lowest and highest Dice are shown. Cases with an empty reference have no Dice and are
    never shown, nor are missing predictions.
    """
    cases = [c for c in results if not c.missing and c.score.total.reference_voxels]
    if not cases:
        return "no case has both a prediction and a reference that is not empty"
    if len(cases) == 1:
        ranked = sorted(slice_scores(cases[0]), key=lambda one: dice_key(one[1]))
        chosen = [(cases[0], d) for d, _ in _extremes(ranked)]
        what = "slices"
    else:
        ranked = sorted(cases, key=lambda case: dice_key(case.score.total))
        chosen = [(case, _fullest(case)) for case in _extremes(ranked)]
        what = "cases"
    panels, read, opened = [], "", None
    for case, index in chosen:
        if opened is None or read != case.pair.case_id:  # slices of one case: read it once
            masks = read_pair(case.pair.prediction, case.pair.reference, settings.rules)
            read, opened = case.pair.case_id, (masks, _scan(case, masks))
        panels.append(_panel(case, index, *opened, volume_too=what == "cases"))
    heading = f"All {what}, by Dice"
    if len(ranked) > len(panels):
        heading = f"The {MOST_EACH} worst and the {MOST_EACH} best of {len(ranked)} {what}, by Dice"
    draw_cases(path, panels, heading=heading)
    return ""


def draw_sizes(path: Path, results: Sequence[CaseResult]) -> str:
    """Draw Dice against the size of the reference, volumes and slices; '' or why not."""
    cases = [c for c in results if not c.missing and c.score.total.reference_voxels]
    if not cases:
        return "no case has both a prediction and a reference that is not empty"
    real = all(case.voxel_ml for case in cases)
    volumes = [
        (c.score.total.reference_voxels * (c.voxel_ml or 1 if real else 1), dice_key(c.score.total))
        for c in cases
    ]
    slices = [
        (one.reference_voxels * (c.pixel_cm2 or 1 if real else 1), dice_key(one))
        for c in cases
        for _, one in slice_scores(c)
    ]
    series = [
        _points("volumes", volumes, "ml" if real else "voxels"),
        _points("slices", slices, "cm²" if real else "pixels"),
    ]
    draw_dice_by_size(path, series)
    return ""


def _points(name: str, pairs: Sequence[tuple[float, float]], unit: str) -> SizePoints:
    return SizePoints(name, [size for size, _ in pairs], [dice for _, dice in pairs], unit)


def _extremes(ranked: Sequence[object]) -> list:
    """Lowest and highest, in order; all where there are few."""
    if len(ranked) <= 2 * MOST_EACH:
        return list(ranked)
    return [*ranked[:MOST_EACH], *ranked[-MOST_EACH:]]


def _fullest(case: CaseResult) -> int:
    return int(np.argmax([one.reference_voxels for one in case.score.slices]))


def _panel(
    case: CaseResult, index: int, masks: MaskPair, scan: Volume | None, *, volume_too: bool
) -> CasePanel:
    one, whole = case.score.slices[index], case.score.total
    caption = f"Dice {dice_key(one):.3f}, Jaccard {one.jaccard or 0:.3f}"
    if volume_too:
        caption += f"\nvolume: {dice_key(whole):.3f}, {whole.jaccard or 0:.3f}"
    _, row_step, column_step = axis_spacing_mm(masks.affine)
    return CasePanel(
        title=f"{_short(case.pair.case_id)}\nslice {index + 1} of {len(case.score.slices)}",
        reference=masks.reference[index],
        prediction=masks.prediction[index],
        caption=caption,
        image=None if scan is None else _window(scan, index),
        aspect=row_step / column_step,
    )


def _short(name: str) -> str:
    return name if len(name) <= 26 else f"{name[:12]}…{name[-12:]}"


def _scan(case: CaseResult, masks: MaskPair) -> Volume | None:
    """The CT behind the masks; without it, the masks alone are drawn."""
    path = case.pair.image
    if path is None:
        return None
    try:
        scan, _ = read_scan(path, intensity=IntensityChoice.parse("auto")).to_axial()
    except GroundglassError as error:
        log.warning("%s: its image is left out: %s", case.pair.case_id, error)
        return None
    if scan.shape != masks.reference.shape:
        log.warning(
            "%s: its image is left out: it has shape %s, the masks %s",
            case.pair.case_id,
            scan.shape,
            masks.reference.shape,
        )
        return None
    return scan


def _window(scan: Volume, index: int) -> np.ndarray:
    """(H, W) in 0..1: HU in the lung window, anything else from its own range."""
    plane = scan.array[index].astype(np.float32)
    low, high = _WINDOW_HU if scan.is_hu else (0.0, 255.0)
    return np.clip((plane - low) / (high - low), 0.0, 1.0)
