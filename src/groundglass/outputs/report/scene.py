"""The scan in radiological order, with its counts: what all pictures and plots draw from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from groundglass.geometry import AxisOrder
from groundglass.measurement.counts import SliceCounts, bounding_box, count_slices
from groundglass.outputs.report.inputs import ReportInputs
from groundglass.volume import Volume

LUNG_WINDOW_HU = (-1350.0, 150.0)
"""Width 1500, level -600."""
_MARGIN_MM = 14.0


@dataclass(frozen=True)
class Scene:
    """Axial views (D to the head, H to the back, W to the left); nothing is copied."""

    axial: Volume
    order: AxisOrder
    lungs: np.ndarray
    lesions: np.ndarray
    reference: dict[str, np.ndarray]

    @classmethod
    def build(cls, inputs: ReportInputs) -> Scene:
        axial, order = inputs.volume.to_axial()
        reference = {name: order.apply(mask) for name, mask in (inputs.reference or {}).items()}
        return cls(axial, order, order.apply(inputs.lungs), order.apply(inputs.lesions), reference)

    @cached_property
    def counts(self) -> SliceCounts:
        return count_slices(self.lungs, self.lesions)

    @cached_property
    def extent(self) -> tuple[int, int]:
        """First and last slice with lung (the whole scan where there is none)."""
        filled = np.flatnonzero(self.counts.lung.sum(axis=1))
        if filled.size == 0:
            return 0, self.axial.shape[0] - 1
        return int(filled[0]), int(filled[-1])

    @cached_property
    def box(self) -> tuple[slice, slice, slice]:
        """The lungs with a margin, the part of the scan that pictures show."""
        box = bounding_box(self.lungs) or tuple(slice(0, n) for n in self.axial.shape)
        out = []
        for part, length, step in zip(box, self.axial.shape, self.axial.spacing_mm, strict=True):
            margin = max(1, round(_MARGIN_MM / step))
            out.append(slice(max(0, part.start - margin), min(length, part.stop + margin)))
        return out[0], out[1], out[2]

    def gray(self, values: np.ndarray) -> np.ndarray:
        """8-bit picture values: HU through the lung window, 8 bit as they are."""
        if not self.axial.is_hu:
            return np.ascontiguousarray(values, dtype=np.uint8)
        low, high = LUNG_WINDOW_HU
        scaled = (values.astype(np.float32) - low) * (255.0 / (high - low))
        return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)

    def plane_of_most(self, axis: int) -> int:
        """Index along axis 1 or 2 of the plane with most lesion, or most lung without any."""
        mask = self.lesions if self.counts.lesion.any() else self.lungs
        area = np.zeros(self.axial.shape[axis], dtype=np.int64)
        for d in range(self.extent[0], self.extent[1] + 1):
            area += np.count_nonzero(mask[d], axis=2 - axis)
        return int(area.argmax())

    def position_text(self, d: int) -> str:
        """'slice 34 of 79, z -120.5 mm': number along the scan's own axis, from 1."""
        slices = self.axial.shape[0]
        number = slices - d if self.order.flipped[0] else d + 1
        text = f"slice {number} of {slices}"
        if self.axial.spacing_is_real:
            _, rows, columns = self.axial.shape
            center = np.array([d, (rows - 1) / 2, (columns - 1) / 2, 1.0])
            z = float((self.axial.affine @ center)[2])
            text += f", z\u00a0{z:.1f}\u00a0mm".replace("-", "\u2212")
        return text


def choose_most_involved(lesion_voxels: np.ndarray, number: int) -> list[int]:
    """Slices with most lesion, kept apart from each other; head first. Shape: (D,)."""
    sick = np.flatnonzero(lesion_voxels)
    if sick.size == 0:
        return []
    apart = math.ceil((int(sick[-1]) - int(sick[0]) + 1) / (2 * number))
    chosen: list[int] = []
    for d in np.argsort(-lesion_voxels, kind="stable"):
        if lesion_voxels[d] == 0 or len(chosen) == number:
            break
        if all(abs(int(d) - other) >= apart for other in chosen):
            chosen.append(int(d))
    return sorted(chosen, reverse=True)


def choose_even(first: int, last: int, number: int) -> list[int]:
    """Up to `number` slices spread evenly from `first` to `last`, ends a little inside."""
    slices = last - first + 1
    if slices <= number:
        return list(range(last, first - 1, -1))
    middles = first + (np.arange(number) + 0.5) * slices / number
    return sorted({int(m) for m in middles}, reverse=True)


def dice(prediction: np.ndarray, reference: np.ndarray) -> float | None:
    """Dice of two masks of one shape, non-zero counting; None where both are empty."""
    a, b = prediction > 0, reference > 0
    total = np.count_nonzero(a) + np.count_nonzero(b)
    return 2.0 * np.count_nonzero(a & b) / total if total else None


def pooled_dice(prediction: np.ndarray, reference: np.ndarray) -> float | None:
    """Dice over all voxels of a (D, H, W) pair, slice by slice to bound memory."""
    both = total = 0
    for a, b in zip(prediction, reference, strict=True):
        sick, sure = a > 0, b > 0
        both += np.count_nonzero(sick & sure)
        total += np.count_nonzero(sick) + np.count_nonzero(sure)
    return 2.0 * both / total if total else None
