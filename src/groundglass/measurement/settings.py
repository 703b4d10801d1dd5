"""Thresholds of the measurements, in one place, each with its reason."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from groundglass.errors import SettingsError


@dataclass(frozen=True)
class MeasureSettings:
    """Every number that a measurement depends on.

    `noise_floor_percent`: involvement below this is what a lesion network finds in healthy
        lungs too; below it "no findings" is said, and a lung or zone counts as not involved.
    `smallest_lesion_ml`, `smallest_lesion_voxels`: a connected lesion must reach both to be
        counted (the volumes include the smaller ones all the same). 0.05 ml is a ball of
        4.6 mm; without physical units the voxels alone decide.
    `consolidation_from_hu`: a lesion voxel below counts as ground glass, at or above as
        consolidation. -300 HU separated best among eight thresholds in "Quantitative CT for
        detecting COVID-19 pneumonia in suspected cases", BMC Infect Dis 2021,
        doi:10.1186/s12879-021-06556-z. There is no lower bound (a lesion's soft rim is ground
        glass, so that the two shares sum to 100) and no upper one.
    `plausible_lungs_ml`: both lungs of an adult, from a deep expiration with severe pneumonia
        to a deep inspiration with emphysema; outside, the mask or the spacing is suspect.
    `plausible_aerated_median_hu`: where the median of the lungs outside lesions lies.
    `most_padding_percent`: share of lung voxels at the lowest storable value (-1024 HU).
    `tilt_degrees`: gantry tilt from which it is reported.
    `listed_lesions`: how many lesions are described one by one, the largest first.
    `range_probabilities`: a range runs from the voxels of at least the second to those of at
        least the first; with calibrated probabilities and voxels that err together, four of
        five truths lie within.
    `low_confidence_band`: a lesion voxel whose probability lies less than this above the
        threshold counts as low in confidence.
    `confident_mean`, `doubtful_mean`: mean probability, hence the share of a lesion's voxels
        that should be lesion, from which on confidence can be high, and below which it is low.
    `most_low_confidence_percent`: share of low-confidence voxels up to which confidence can be
        high; with more than twice as many it is low.
    `coarsest_pixel_mm`: larger pixels blur vessels into what looks like ground glass, so that the
        lesion figures cannot be used. The networks see frames of 256 pixels, 1.6 mm each over a
        usual field of 400 mm.
    `fewest_lung_slices`: fewer slices with lung cannot stand for whole lungs. The thickest slices
        in use, 10 mm, make some 25 of an adult's lungs; every third of them is still 8.
    `listed_slices`: how many slices are named for each learned head, the greatest weight first.

    Raises: SettingsError where a value is out of its range.
    """

    noise_floor_percent: float = 0.3
    smallest_lesion_ml: float = 0.05
    smallest_lesion_voxels: int = 4
    consolidation_from_hu: float = -300.0
    plausible_lungs_ml: tuple[float, float] = (1000.0, 10000.0)
    plausible_aerated_median_hu: tuple[float, float] = (-960.0, -500.0)
    most_padding_percent: float = 5.0
    tilt_degrees: float = 0.5
    listed_lesions: int = 10
    range_probabilities: tuple[float, float] = (0.1, 0.9)
    low_confidence_band: float = 0.15
    confident_mean: float = 0.8
    doubtful_mean: float = 0.6
    most_low_confidence_percent: float = 25.0
    coarsest_pixel_mm: float = 2.5
    fewest_lung_slices: int = 8
    listed_slices: int = 5

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            numbers = value if isinstance(value, tuple) else (value,)
            if not all(math.isfinite(number) for number in numbers):
                raise SettingsError(f"{each.name} is {value!r}", expected="finite numbers")
            if isinstance(value, tuple) and not value[0] < value[1]:
                raise SettingsError(f"{each.name} is {value!r}", expected="(low, high), low < high")
        for name in ("noise_floor_percent", "most_padding_percent"):
            if not 0 <= getattr(self, name) <= 100:
                raise SettingsError(f"{name} is {getattr(self, name)!r}", expected="0 to 100")
        least_zero = ("smallest_lesion_ml", "smallest_lesion_voxels", "tilt_degrees")
        for name in (*least_zero, "coarsest_pixel_mm", "fewest_lung_slices", "listed_slices"):
            if getattr(self, name) < 0:
                raise SettingsError(f"{name} is {getattr(self, name)!r}", expected="0 or more")
        chances = (*self.range_probabilities, self.doubtful_mean, self.confident_mean)
        if not all(0 < chance < 1 for chance in (*chances, self.low_confidence_band)):
            raise SettingsError(
                f"probabilities are {chances}, with a band of {self.low_confidence_band!r}",
                expected="between 0 and 1",
            )
