"""What the lesion probability says about the figures: per lesion, and for the whole scan."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from groundglass.errors import GeometryError, InputError, SettingsError
from groundglass.findings import LesionItem, Uncertainty
from groundglass.geometry import AxisOrder
from groundglass.measurement.counts import bounding_box
from groundglass.measurement.lesions import LesionTable, ProbabilityCuts, zone_name
from groundglass.measurement.settings import MeasureSettings
from groundglass.volume import Volume


@dataclass(frozen=True)
class LesionProbability:
    """The map behind a lesion mask, and what its numbers mean.

    `array` uint8, 0..255 for 0..1, as the masks in shape and axis order; `threshold` made the
    mask from it. `temperature` is already in it; `is_calibrated`: it was fitted.
    Raises: InputError for another type, SettingsError for a threshold outside 0..1.
    """

    array: np.ndarray
    threshold: float
    temperature: float = 1.0
    is_calibrated: bool = False

    def __post_init__(self) -> None:
        if self.array.dtype != np.uint8:
            raise InputError(
                f"lesion probability holds {self.array.dtype} values",
                expected="uint8, 0..255 for 0..1",
            )
        if not 0 < self.threshold < 1 or not self.temperature > 0:
            raise SettingsError(
                f"lesion threshold is {self.threshold!r}, temperature {self.temperature!r}",
                expected="a threshold between 0 and 1 and a temperature above 0",
            )

    def checked(self, shape: tuple[int, ...]) -> np.ndarray:
        """The array. Raises: GeometryError where it does not have the scan's shape."""
        if self.array.shape != shape:
            raise GeometryError(
                f"lesion probability has shape {self.array.shape}",
                expected=f"the scan's {shape}",
            )
        return self.array

    def cuts(self, settings: MeasureSettings) -> ProbabilityCuts:
        low, high = range_ends(self.threshold, settings)
        unsure = self.threshold + settings.low_confidence_band
        return ProbabilityCuts(_level(low), _level(high), _level(unsure))


def lesion_items(
    table: LesionTable,
    *,
    volume: Volume,
    order: AxisOrder,
    smallest: int,
    settings: MeasureSettings,
) -> list[LesionItem]:
    """The largest lesions of at least `smallest` voxels, in the scan's own axis order."""
    axial, _ = volume.to_axial()
    total = int(table.voxels.sum())
    listed = min(settings.listed_lesions, int(np.count_nonzero(table.voxels >= smallest)))
    items = []
    for i in range(listed):
        voxels, center = int(table.voxels[i]), table.center[i]
        position = None
        if volume.spacing_is_real:
            x, y, z = (axial.affine @ [*center, 1.0])[:3]
            position = (round(float(x), 1), round(float(y), 1), round(float(z), 1))
        items.append(
            LesionItem(
                number=i + 1,
                side="left" if table.side[i] else "right",
                zone=zone_name(int(table.zone[i])),  # pyright: ignore[reportArgumentType]
                center_index=_own_index(center, order, axial.shape),
                center_mm=position,
                voxels=voxels,
                volume_ml=_ml(volume, voxels),
                share_percent=round(100.0 * voxels / total, 3),
                **_chances(table, i, volume, settings),
            )
        )
    return items


def _chances(
    table: LesionTable, i: int, volume: Volume, settings: MeasureSettings
) -> dict[str, Any]:
    """The fields of a lesion that need a probability."""
    if (
        table.mean_probability is None
        or table.unsure_voxels is None
        or table.voxels_low is None
        or table.voxels_high is None
    ):
        names = "mean_probability low_confidence_percent voxels_low voxels_high volume_low_ml "
        return dict.fromkeys((names + "volume_high_ml confidence").split())
    mean = float(table.mean_probability[i])
    unsure = 100.0 * int(table.unsure_voxels[i]) / int(table.voxels[i])
    low, high = int(table.voxels_low[i]), int(table.voxels_high[i])
    return {
        "mean_probability": round(mean, 3),
        "low_confidence_percent": round(unsure, 3),
        "voxels_low": low,
        "voxels_high": high,
        "volume_low_ml": _ml(volume, low),
        "volume_high_ml": _ml(volume, high),
        "confidence": confidence_word(mean, unsure, settings),
    }


def confidence_word(mean: float, low_confidence_percent: float, settings: MeasureSettings) -> str:
    """'high', 'moderate' or 'low', from a lesion's mean probability and its unsure share."""
    most = settings.most_low_confidence_percent
    if mean < settings.doubtful_mean or low_confidence_percent > 2 * most:
        return "low"
    return (
        "high"
        if mean >= settings.confident_mean and low_confidence_percent <= most
        else ("moderate")
    )


def scan_uncertainty(
    table: LesionTable,
    chance: LesionProbability,
    *,
    lungs: np.ndarray,
    axial_chance: np.ndarray,
    volume: Volume,
    settings: MeasureSettings,
) -> Uncertainty:
    """Range of the involvement of both lungs. Shape: `lungs`, `axial_chance` axial (D, H, W)."""
    levels = _histogram_in_lungs(axial_chance, lungs)
    lung, lesion = int(levels.sum()), int(table.voxels.sum())
    cuts = chance.cuts(settings)
    low = min(int(levels[cuts.high :].sum()), lesion)
    high = max(int(levels[cuts.low :].sum()), lesion)
    expected = float(levels @ np.arange(256)) / 255.0
    unsure = 0 if table.unsure_voxels is None else int(table.unsure_voxels.sum())
    return Uncertainty(
        is_calibrated=chance.is_calibrated,
        temperature=chance.temperature,
        threshold=chance.threshold,
        range_probabilities=range_ends(chance.threshold, settings),
        involvement_low_percent=round(100.0 * low / lung, 3),
        involvement_high_percent=round(100.0 * high / lung, 3),
        expected_involvement_percent=round(100.0 * expected / lung, 3),
        volume_low_ml=_ml(volume, low),
        volume_high_ml=_ml(volume, high),
        low_confidence_percent=round(100.0 * unsure / lesion, 3) if lesion else None,
        probability_definition=_probability_text(chance),
        range_definition=range_text(chance.threshold, settings),
        confidence_definition=_confidence_text(chance, settings),
    )


ITEMS_DEFINITION = (
    "Counted lesions, the largest first, at most {number}. Low end of a lesion's range: its voxels "
    "at the higher probability of the scan's range; high end: its voxels and those of at least the "
    "lower probability that are connected to it; what several lesions share is split in "
    "proportion to their size."
)


def _probability_text(chance: LesionProbability) -> str:
    if not chance.is_calibrated:
        return (
            "The network's own probability of lesion, not calibrated: no temperature was fitted "
            "for these weights, so 0.9 need not mean nine in ten. It ranks, it does not promise."
        )
    return (
        f"Probability of lesion after temperature scaling (temperature {chance.temperature:.4g}, "
        "fitted once for these weights). How well it held on patients left out of the fit is in "
        "the weights' manifest; on other scanners, diseases and readers it can differ."
    )


def range_ends(threshold: float, settings: MeasureSettings) -> tuple[float, float]:
    """Probabilities of a range's high and low end; the threshold always lies between."""
    low, high = settings.range_probabilities
    return min(low, threshold), max(high, threshold)


def range_text(threshold: float, settings: MeasureSettings) -> str:
    """What the two ends of a range are."""
    low, high = range_ends(threshold, settings)
    return (
        f"From the voxels with a probability of at least {high:g} to those with at least {low:g}; "
        f"the figure itself counts those with at least {threshold:g}. Were the probabilities "
        "calibrated on this scan and all its voxels wrong together, the truth would lie between "
        f"with a chance of {100 * (high - low):.0f} %. Lesions to which the network gives no "
        "probability, and errors of the lung mask, are in no range."
    )


def _confidence_text(chance: LesionProbability, settings: MeasureSettings) -> str:
    most, edge = settings.most_low_confidence_percent, chance.threshold
    text = (
        f"Low-confidence voxels have a probability from {edge:g} to below "
        f"{min(1.0, edge + settings.low_confidence_band):g}. High: mean probability at least "
        f"{settings.confident_mean:g} and at most {most:g} % such voxels. Low: mean below "
        f"{settings.doubtful_mean:g} or more than {2 * most:g} % such voxels. Moderate: the rest."
    )
    return text if chance.is_calibrated else text + " Probabilities are not calibrated."


def _histogram_in_lungs(chance: np.ndarray, lungs: np.ndarray) -> np.ndarray:
    """How many lung voxels have each level. Shape: (D, H, W) uint8 both; out (256,) int64."""
    levels = np.zeros(256, dtype=np.int64)
    box = bounding_box(lungs)
    if box is not None:
        for d in range(box[0].start, box[0].stop):
            inside = lungs[d][box[1:]] > 0
            levels += np.bincount(chance[d][box[1:]][inside], minlength=256)
    return levels


def _own_index(
    center: np.ndarray, order: AxisOrder, shape: tuple[int, int, int]
) -> tuple[int, int, int]:
    """Nearest voxel of an axial position in the scan's own axis order."""
    out = [0, 0, 0]
    for axis, (source, flipped) in enumerate(zip(order.source, order.flipped, strict=True)):
        at = int(np.floor(center[axis] + 0.5))
        out[source] = shape[axis] - 1 - at if flipped else at
    return out[0], out[1], out[2]


def _level(probability: float) -> int:
    """The lowest of 0..255 that is at least the probability."""
    return min(255, math.ceil(probability * 255 - 1e-9))


def _ml(volume: Volume, voxels: int) -> float | None:
    voxel_ml = volume.voxel_volume_ml
    return None if voxel_ml is None else round(voxels * voxel_ml, 3)
