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
        for name in ("smallest_lesion_ml", "smallest_lesion_voxels", "tilt_degrees"):
            if getattr(self, name) < 0:
                raise SettingsError(f"{name} is {getattr(self, name)!r}", expected="0 or more")
