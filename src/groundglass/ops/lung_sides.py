"""Right and left lung apart, also where they touch in front of or behind the mediastinum."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from groundglass.errors import SettingsError
from groundglass.labels import LEFT_LUNG, RIGHT_LUNG
from groundglass.ops.components import (
    Component,
    bounding_box,
    distance_and_nearest,
    distance_mm,
    label_components,
)


@dataclass(frozen=True)
class SideSettings:
    """When two parts of a mask are two lungs.

    Lungs that touch are eroded by `step_mm` (or a seventh) more each time, up to `max_erosion_mm`,
    until two cores lie side by side: centers at least `gap_mm` and `gap_share` of the mask's width
    apart from right to left, each with `core_share` of the eroded volume or more, and no core
    reaching over the line between them with more than `across_share` of itself. The waist must be
    shallow: `saddle_share` of the thinner core's depth or less. The line may lie
    `middle_tolerance_mm` off the body's middle. A mask that never parts but is `both_width_mm`
    wide, a quarter of it on either side, is cut straight at its narrowest near the middle.
    """

    step_mm: float = 1.0
    max_erosion_mm: float = 24.0
    gap_mm: float = 40.0
    gap_share: float = 0.3
    core_share: float = 0.03
    across_share: float = 0.25
    middle_tolerance_mm: float = 70.0
    saddle_share: float = 0.45
    both_width_mm: float = 200.0
    cut_within_mm: float = 30.0

    def __post_init__(self) -> None:
        if self.step_mm <= 0 or self.max_erosion_mm < self.step_mm:
            raise SettingsError(
                f"erosion steps are {self.step_mm:g} up to {self.max_erosion_mm:g} mm",
                expected="0 < step_mm <= max_erosion_mm",
            )


@dataclass(frozen=True)
class SideSplit:
    """Labels (D, H, W) uint8 with 1 right, 2 left; and the erosion in mm that parted the lungs.

    `erosion_mm` is 0 where they did not touch, None where there is one lung only.
    """

    labels: np.ndarray
    erosion_mm: float | None


def split_sides(
    mask: np.ndarray,
    spacing_mm: tuple[float, float, float],
    *,
    middle: float | None = None,
    settings: SideSettings | None = None,
) -> SideSplit:
    """Say for each voxel of a lung mask whether it is right or left.

    Shape: `mask` bool (D, H, W), axial order (W to the patient's left); `middle` is the column of
    the body's middle, by default the field's. Every voxel of the mask gets a side. One lung only
    (nothing that parts into two) is wholly on the side of the middle where its center lies.
    """
    settings = settings or SideSettings()
    labels = np.zeros(mask.shape, dtype=np.uint8)
    box = bounding_box(mask, margin=1)
    if box is None:
        return SideSplit(labels, None)
    inner = mask[box]
    column = ((mask.shape[2] - 1) / 2 if middle is None else middle) - box[2].start
    cores, erosion_mm = _find_cores(inner, spacing_mm, column, settings)
    if cores is None:
        cut = _straight_cut(inner, spacing_mm, column, settings)
        labels[box] = np.where(np.arange(inner.shape[2]) < cut, RIGHT_LUNG, LEFT_LUNG) * inner
        one = np.unique(labels).size == 2
        return SideSplit(labels, None if one else settings.max_erosion_mm)
    labels[box] = _spread(cores, inner, erosion_mm, spacing_mm)
    return SideSplit(labels, erosion_mm)


def nearest_labels(labels: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Every voxel gets the label of the closest labeled one; all 0 where none is labeled."""
    if not labels.any():
        return labels.copy()
    _, index = distance_and_nearest(labels == 0, spacing_mm)
    return labels[index]


def _find_cores(
    mask: np.ndarray,
    spacing_mm: tuple[float, float, float],
    middle: float,
    settings: SideSettings,
) -> tuple[np.ndarray | None, float]:
    """Labels of the least eroded cores that lie side by side, or None; and the erosion."""
    cores = _side_by_side(mask, spacing_mm, middle, settings)
    if cores is not None:
        return cores, 0.0
    distance = distance_mm(mask, spacing_mm)
    radius = max(settings.step_mm, min(spacing_mm[1:]))
    while radius <= settings.max_erosion_mm:
        cores = _side_by_side(distance > radius, spacing_mm, middle, settings)
        if cores is not None:
            depth_mm = min(float(distance[cores == side].max()) for side in (RIGHT_LUNG, LEFT_LUNG))
            # a saddle nearly as deep as the lung behind it is a bend of one lung, not a waist
            return (cores, radius) if radius <= settings.saddle_share * depth_mm else (None, 0.0)
        radius += max(settings.step_mm, 0.15 * radius)
    return None, 0.0


def _straight_cut(
    mask: np.ndarray,
    spacing_mm: tuple[float, float, float],
    middle: float,
    settings: SideSettings,
) -> int:
    """First left column: at the narrowest near the middle; beyond the mask where it is one lung."""
    counts = mask.sum(axis=(0, 1))
    columns = np.arange(counts.size)
    share = float(counts[columns < middle].sum() / counts.sum())
    width_mm = np.count_nonzero(counts) * spacing_mm[2]
    if width_mm < settings.both_width_mm or not 0.25 <= share <= 0.75:
        center = float((counts * columns).sum() / counts.sum())
        return counts.size if center < middle else 0
    near = np.abs(columns - middle) * spacing_mm[2] <= settings.cut_within_mm
    return int(np.argmin(np.where(near, counts, counts.max() + 1)))


def _side_by_side(
    mask: np.ndarray,
    spacing_mm: tuple[float, float, float],
    middle: float,
    settings: SideSettings,
) -> np.ndarray | None:
    """Give each component a side if they fall into two groups; None if they do not."""
    labels, parts = label_components(mask)
    total = sum(part.voxels for part in parts)
    large = [part for part in parts if part.voxels >= settings.core_share * total]
    if len(large) < 2:
        return None
    counts = {part.number: _column_counts(labels, part) for part in large}
    centers = {n: float((c * np.arange(c.size)).sum() / c.sum()) for n, c in counts.items()}
    order = sorted(centers, key=lambda number: centers[number])
    gaps = [centers[b] - centers[a] for a, b in pairwise(order)]
    widest = int(np.argmax(gaps))
    line = (centers[order[widest]] + centers[order[widest + 1]]) / 2
    hits = np.flatnonzero(mask.any(axis=(0, 1)))
    width = int(hits[-1] - hits[0]) + 1
    needed = max(settings.gap_mm / spacing_mm[2], settings.gap_share * width)
    off_middle_mm = abs(line - middle) * spacing_mm[2]
    if gaps[widest] < needed or off_middle_mm > settings.middle_tolerance_mm:
        return None
    for number in order:
        left = float(counts[number][int(np.ceil(line)) :].sum() / counts[number].sum())
        if (1 - left if centers[number] > line else left) > settings.across_share:
            return None
    side = np.zeros(len(parts) + 1, dtype=np.uint8)
    for number, center in centers.items():
        side[number] = RIGHT_LUNG if center < line else LEFT_LUNG
    return side[labels]


def _column_counts(labels: np.ndarray, part: Component) -> np.ndarray:
    """Voxels of a component in each column of the whole array."""
    counts = np.zeros(labels.shape[2], dtype=np.int64)
    counts[part.box[2]] = (labels[part.box] == part.number).sum(axis=(0, 1))
    return counts


def _spread(
    cores: np.ndarray,
    mask: np.ndarray,
    erosion_mm: float,
    spacing_mm: tuple[float, float, float],
) -> np.ndarray:
    """Cores back to the whole mask: to the closest core as far as it was eroded, then along it.

    The first step restores each lung up to the waist where they touch and cuts there; the second
    follows thin tongues to the lung they hang on, which may not be the closest one.
    """
    out = cores
    if erosion_mm > 0:
        out = _within(cores, mask, erosion_mm + max(spacing_mm[1:]), spacing_mm)
    todo = mask & (out == 0)
    box = bounding_box(todo, margin=1)
    if box is not None:
        out[box] = _along(out[box], todo[box])
        left_over = mask & (out == 0)
        if left_over.any():
            out[left_over] = nearest_labels(out, spacing_mm)[left_over]
    return out


def _within(
    cores: np.ndarray, mask: np.ndarray, reach_mm: float, spacing_mm: tuple[float, float, float]
) -> np.ndarray:
    distance, index = distance_and_nearest(cores == 0, spacing_mm)
    return np.where(mask & (distance <= reach_mm), cores[index], 0).astype(np.uint8)


def _along(labels: np.ndarray, todo: np.ndarray) -> np.ndarray:
    """Both labels grow step by step through `todo`; the right one wins a tie."""
    padded = np.pad(labels, 1)
    flat = padded.reshape(-1)
    _, rows, columns = padded.shape
    steps = np.array([1, columns, rows * columns])
    around = np.concatenate([steps, -steps])
    left_over = np.flatnonzero(np.pad(todo, 1))
    while left_over.size:
        near = flat[left_over[:, None] + around]
        found = np.where((near == RIGHT_LUNG).any(axis=1), RIGHT_LUNG, near.max(axis=1))
        reached = found > 0
        if not reached.any():
            break
        flat[left_over[reached]] = found[reached]
        left_over = left_over[~reached]
    return padded[1:-1, 1:-1, 1:-1]
