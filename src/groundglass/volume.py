"""`Volume`: the one value that carries a scan from disk to output."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from groundglass.errors import GeometryError
from groundglass.geometry import (
    AxisOrder,
    axial_order,
    axis_spacing_mm,
    checked_affine,
    slice_distance_mm,
    voxel_volume_ml,
)
from groundglass.intensity import Intensity


@dataclass(frozen=True)
class Finding:
    """One thing a reader noticed about a scan.

    `code` is stable and meant for programs: gap, duplicate, tilt, mixed_orientation,
    uneven_spacing, no_affine, ... `severity` is info, warning, or error (unfit unless the
    user insists).
    """

    code: str
    severity: str
    message: str
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Source:
    """Where a scan came from, as far as its files say; all of it may be empty.

    `slice_uids[d]` is the SOP instance (or frame) behind slice d, '' where the slice was
    filled in across a gap. `header` keeps what a writer needs to reproduce the input's
    grid or identity; it is never written to results.
    """

    scan_id: str
    kind: str
    path: str
    series_uid: str = ""
    description: str = ""
    choice: str = ""
    slice_uids: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    header: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class Volume:
    """A scan: intensities and geometry, together.

    Shape: `array` (D, H, W), int16 in HU or uint8 in an 8-bit domain, as `intensity` says;
    `affine` (4, 4) from index (d, h, w) to LPS mm. `spacing_is_real` is False where the file
    has no physical units (PNG, JPEG): then ml must not be reported.
    Raises: GeometryError where array and affine do not make a grid.
    """

    array: np.ndarray
    affine: np.ndarray
    intensity: Intensity
    source: Source
    spacing_is_real: bool = True

    def __post_init__(self) -> None:
        if self.array.ndim != 3 or 0 in self.array.shape:
            raise GeometryError(
                f"scan {self.source.scan_id!r} has shape {self.array.shape}",
                expected="three non-empty axes (D, H, W)",
            )
        object.__setattr__(self, "affine", checked_affine(self.affine))

    @property
    def shape(self) -> tuple[int, int, int]:
        d, h, w = self.array.shape
        return d, h, w

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """(slice distance along the normal, row step, column step) in mm."""
        _, h, w = axis_spacing_mm(self.affine)
        return slice_distance_mm(self.affine), h, w

    @property
    def voxel_volume_ml(self) -> float | None:
        """Volume of one voxel in ml, or None where the spacing is not real."""
        return voxel_volume_ml(self.affine) if self.spacing_is_real else None

    @property
    def is_hu(self) -> bool:
        return self.intensity.domain == "hu"

    def to_axial(self) -> tuple[Volume, AxisOrder]:
        """This scan with D to the head, H to the back, W to the left; and the way back."""
        order = axial_order(self.affine)
        affine = order.apply_to_affine(self.affine, self.shape)
        return replace(self, array=order.apply(self.array), affine=affine), order
