"""What a phantom is made from: checked when made, stored in its truth."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from groundglass.errors import SettingsError

_AXIS_OF = {"L": 0, "R": 0, "P": 1, "A": 1, "S": 2, "I": 2}
_BODY_MM = {"L": 400.0, "P": 300.0, "S": 300.0}
"""Extent that holds the whole chest: across, front to back, along the body."""


@dataclass(frozen=True)
class PhantomSettings:
    """One phantom: the scan's grid, the patient (by seed) and the disease.

    `shape` is (D, H, W) and `spacing_mm` the step along each of these axes; None fits the
    whole chest into the grid. `orientation` names where D, H, W point ('SPL' is an axial scan;
    any of the 48 codes). `rotation_degrees` turns the grid about the patient's x, y and z axes
    on top of that (oblique). `tilt_degrees` is a gantry tilt: slice planes lean about the x axis
    while they still follow each other along z, so spacing_mm[0] is the table step and the
    slice planes are closer by its cosine. `involvement` is the share of the lungs to be
    diseased (of the whole lungs, in the field of view or not); `consolidation_share` the part
    of that which is consolidated, the rest is ground glass. `noise_hu` is the standard
    deviation of the noise.

    The same seed is the same patient on every grid.
    Raises: SettingsError.
    """

    shape: tuple[int, int, int] = (64, 128, 128)
    spacing_mm: tuple[float, float, float] | None = None
    seed: int = 0
    involvement: float = 0.1
    consolidation_share: float = 0.3
    noise_hu: float = 20.0
    tilt_degrees: float = 0.0
    orientation: str = "SPL"
    rotation_degrees: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        self._check_grid()
        self._check_range("seed", self.seed, 0, 2**31 - 1)
        self._check_range("involvement", self.involvement, 0.0, 0.8)
        self._check_range("consolidation_share", self.consolidation_share, 0.0, 1.0)
        self._check_range("noise_hu", self.noise_hu, 0.0, 200.0)
        self._check_range("tilt_degrees", self.tilt_degrees, -45.0, 45.0)
        if self.tilt_degrees and self.orientation[0] not in "SI":
            raise SettingsError(
                f"tilt_degrees is {self.tilt_degrees:g} with orientation {self.orientation!r}",
                expected="an axial scan (first letter S or I) where the gantry is tilted",
                remedy="Use rotation_degrees for an oblique grid",
            )

    def _check_grid(self) -> None:
        if len(self.shape) != 3 or any(int(n) != n or not 1 <= n <= 4096 for n in self.shape):
            raise SettingsError(f"shape is {self.shape}", expected="three sizes from 1 to 4096")
        spacing = self.spacing_mm
        if spacing is not None and (
            len(spacing) != 3 or not all(np.isfinite(s) and 0.05 <= s <= 100 for s in spacing)
        ):
            raise SettingsError(
                f"spacing_mm is {spacing}", expected="three lengths from 0.05 to 100 mm"
            )
        code = self.orientation
        if len(code) != 3 or sorted(_AXIS_OF.get(c, -1) for c in code) != [0, 1, 2]:
            raise SettingsError(
                f"orientation is {code!r}",
                expected="one letter each of L/R, P/A and S/I, in the order of the axes D, H, W",
                remedy="An axial scan from foot to head is SPL",
            )
        if len(self.rotation_degrees) != 3 or not np.isfinite(self.rotation_degrees).all():
            raise SettingsError(
                f"rotation_degrees is {self.rotation_degrees}",
                expected="three angles about x, y and z",
            )

    def _check_range(self, name: str, value: float, low: float, high: float) -> None:
        if not (np.isfinite(value) and low <= value <= high):
            raise SettingsError(f"{name} is {value}", expected=f"{low:g} to {high:g}")

    def step_mm(self) -> tuple[float, float, float]:
        """Step along each array axis in mm: as set, or such that the chest fits the grid."""
        if self.spacing_mm is not None:
            return self.spacing_mm
        letters = ["LPS"[_AXIS_OF[c]] for c in self.orientation]
        count = dict(zip(letters, self.shape, strict=True))
        in_plane = max(_BODY_MM["L"] / count["L"], _BODY_MM["P"] / count["P"])
        # A single slice or a handful cannot span the chest: no slice is thicker than 10 mm.
        step = {"S": min(_BODY_MM["S"] / count["S"], 10.0), "L": in_plane, "P": in_plane}
        d, h, w = (step[c] for c in letters)
        return d, h, w

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; spacing filled in."""
        return {**asdict(self), "spacing_mm": list(self.step_mm())}
