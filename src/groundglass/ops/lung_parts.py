"""Which components of a raw mask are lung, and which are bowel gas, bed or specks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from groundglass.errors import SettingsError
from groundglass.ops.components import Component, ball_dilate, label_components


@dataclass(frozen=True)
class PartSettings:
    """What makes a component lung.

    The largest always is, unless it is `gas_hu` or darker on average. A `large_share` of it is
    enough for another lung or part of one, so long as it does not lie in the lowest third like
    bowel and stomach gas do. Smaller ones of `fragment_ml` must be within `near_mm` of a lung and
    inside the body. (The body is not asked about large ones: a lung that the field of view cuts is
    open to the outside.)
    """

    large_share: float = 0.05
    fragment_ml: float = 0.2
    near_mm: float = 6.0
    gas_hu: float = -945.0
    beside_mm: float = 40.0

    def __post_init__(self) -> None:
        if not 0 < self.large_share < 1:
            raise SettingsError(
                f"large_share is {self.large_share:g}", expected="a share between 0 and 1"
            )


@dataclass(frozen=True)
class Surroundings:
    """What else is known on the mask's grid: HU and body where there are any; the middle column."""

    spacing_mm: tuple[float, float, float]
    middle: float
    hu: np.ndarray | None = None
    body: np.ndarray | None = None

    @property
    def voxel_ml(self) -> float:
        d, h, w = self.spacing_mm
        return d * h * w / 1000.0


def keep_lungs(
    mask: np.ndarray, around: Surroundings, *, settings: PartSettings | None = None
) -> np.ndarray:
    """The components that are lung. Shape: bool (D, H, W) axial order in and out."""
    settings = settings or PartSettings()
    labels, parts = label_components(mask)
    parts = [part for part in parts if not _is_gas(labels, part, around, settings)]
    if not parts:
        return np.zeros(mask.shape, dtype=bool)
    main, others = parts[0], parts[1:]
    kept = np.zeros(int(labels.max()) + 1, dtype=bool)
    kept[main.number] = True
    fragments = []
    for part in others:
        if part.voxels >= settings.large_share * main.voxels and _is_lung(
            labels, part, main, around, settings
        ):
            kept[part.number] = True
        elif (
            part.voxels * around.voxel_ml >= settings.fragment_ml
            and _share_inside(labels, part, around) >= 0.5
        ):
            fragments.append(part)
    if fragments:
        near = ball_dilate(kept[labels], settings.near_mm, around.spacing_mm)
        for part in fragments:
            kept[part.number] = bool((near[part.box] & (labels[part.box] == part.number)).any())
    return kept[labels]


def _is_lung(
    labels: np.ndarray,
    part: Component,
    main: Component,
    around: Surroundings,
    settings: PartSettings,
) -> bool:
    """Whether a large component is a second lung beside the main one, or a piece of a lung."""
    d, _, w = _center(labels, part)
    bottom, top = main.box[0].start, main.box[0].stop
    low = d < bottom + (top - bottom) / 3
    if not low or part.box[0].start == 0:
        return True  # what the scan's lower edge cuts may hang together below it
    _, _, main_w = _center(labels, main)
    beside = abs(w - main_w) * around.spacing_mm[2] >= settings.beside_mm
    return beside and not _spans_both(labels, main, around)


def _spans_both(labels: np.ndarray, part: Component, around: Surroundings) -> bool:
    """Whether a third or more of a component lies on either side of the body's middle."""
    here = labels[part.box] == part.number
    split = int(np.clip(round(around.middle) - part.box[2].start, 0, here.shape[2]))
    share = float(here[:, :, :split].sum()) / part.voxels
    return 0.3 <= share <= 0.7


def _is_gas(
    labels: np.ndarray, part: Component, around: Surroundings, settings: PartSettings
) -> bool:
    if around.hu is None:
        return False
    here = labels[part.box] == part.number
    return float(around.hu[part.box][here].mean()) < settings.gas_hu


def _share_inside(labels: np.ndarray, part: Component, around: Surroundings) -> float:
    if around.body is None:
        return 1.0
    here = labels[part.box] == part.number
    return float(around.body[part.box][here].mean())


def _center(labels: np.ndarray, part: Component) -> tuple[float, float, float]:
    here = labels[part.box] == part.number
    d, h, w = (float(np.nonzero(here)[axis].mean()) + part.box[axis].start for axis in range(3))
    return d, h, w
