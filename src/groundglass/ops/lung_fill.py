"""Fill what dense lesions and vessels leave open in one lung's mask."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np

from groundglass.errors import SettingsError
from groundglass.ops.components import disk_close, fill_holes, fill_holes_in_plane


@dataclass(frozen=True)
class FillSettings:
    """Radii in mm and limits of what is filled.

    Closing is done within slices: slices may be thick, far apart or of unknown distance.

    `closing_mm`: closing disk everywhere (vessels, fissures, small lesions). `pleura_mm`: the
    larger disk used only toward the chest wall, where peripheral consolidation leaves notches up
    to twice as wide; the mediastinum (`spine_mm` to either side of the middle behind the lung)
    and whatever has lung outside of it, as the liver's dome has, stay out. `hole_mm2`: largest
    hole filled that is enclosed within its slice only, `lesion_mm2` where it has lung below it.
    `bone_hu`: from here on nothing is filled.
    """

    closing_mm: float = 5.0
    pleura_mm: float = 15.0
    spine_mm: float = 40.0
    hole_mm2: float = 600.0
    lesion_mm2: float = 6000.0
    bone_hu: float = 250.0

    def __post_init__(self) -> None:
        if min(astuple(self)[:-1]) < 0:
            raise SettingsError(
                f"fill settings are {self}", expected="radii and areas of 0 (off) or more"
            )

    @property
    def reach_mm(self) -> float:
        return max(self.closing_mm, self.pleura_mm)


def fill_lung(
    lung: np.ndarray,
    blocked: np.ndarray,
    spacing_mm: tuple[float, float, float],
    *,
    middle: float,
    settings: FillSettings | None = None,
) -> np.ndarray:
    """One lung, closed and without holes; `blocked` voxels are never added.

    Shape: bool (D, H, W) in axial order, in and out; `middle` is the column of the body's middle.
    """
    settings = settings or FillSettings()
    closed = disk_close(lung, settings.closing_mm, spacing_mm)
    if settings.pleura_mm > settings.closing_mm:
        wide = disk_close(lung, settings.pleura_mm, spacing_mm)
        closed |= wide & _toward_chest_wall(lung, middle, settings.spine_mm / spacing_mm[2])
    closed = fill_holes((closed & ~blocked) | lung)
    pixel_mm2 = spacing_mm[1] * spacing_mm[2]
    closed = fill_holes_in_plane(
        closed,
        max_voxels=int(settings.hole_mm2 / pixel_mm2),
        max_supported=int(settings.lesion_mm2 / pixel_mm2),
    )
    return (closed & ~blocked) | lung


def _toward_chest_wall(lung: np.ndarray, middle: float, spine: float) -> np.ndarray:
    """Voxels with lung of the same slice toward the heart and none toward the wall.

    That is: lung medial but none lateral in the row, or lung in front but none behind in the
    column and not over the spine.
    """
    columns = np.arange(lung.shape[2])
    counts = lung.sum(axis=(0, 1))
    right = float((counts * columns).sum()) <= middle * max(1, int(counts.sum()))
    outward = lung if right else lung[:, :, ::-1]
    lateral = np.logical_or.accumulate(outward, axis=2)
    medial = np.logical_or.accumulate(outward[:, :, ::-1], axis=2)[:, :, ::-1]
    beside = ~lateral & medial
    if not right:
        beside = beside[:, :, ::-1]
    front = np.logical_or.accumulate(lung, axis=1)
    behind = np.logical_or.accumulate(lung[:, ::-1], axis=1)[:, ::-1]
    off_spine = np.abs(columns - middle) >= spine
    return beside | (front & ~behind & off_spine)
