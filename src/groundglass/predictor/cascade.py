"""CHS-Net's cascade on a whole scan: slices -> lungs -> (slices times lungs) -> lesions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np

from groundglass.errors import NoLungError
from groundglass.measurement.settings import MeasureSettings
from groundglass.ops.lung_fusion import estimate_hu, fuse_lungs
from groundglass.ops.lung_mask import clean_lungs
from groundglass.ops.slice_image import (
    Frame,
    LungBox,
    frame_image,
    is_equalized,
    lesion_input,
    lung_input,
)
from groundglass.predictor.engine import load_engine
from groundglass.predictor.stopwatch import Stopwatch
from groundglass.recipe import SliceRecipe
from groundglass.volume import Volume
from groundglass.weights.store import Weights

USUAL_FIELD_MM = 400.0
USUAL_LENGTH_MM = 300.0
"""What a chest scan spans, for pictures without units: only the clean-up's radii depend on it."""
_ALIKE = 0.92
"""Dice of neighboring sampled lung maps from which on the slices between are interpolated."""
_COARSE_MM = MeasureSettings().coarsest_pixel_mm
BATCH = 4
"""Slices per call: small maps stay in the cache, and memory stays bounded."""


@dataclass(frozen=True)
class CascadeSettings:
    """`lung_step_mm`: the lung network sees a slice at least every so many mm and the slices
    between are interpolated; 0 means every slice (exact). `density_lungs`: join the network's
    lungs with the aerated lung found by density, in HU and in plain 8 bit. `lesion_floor_hu`:
    in HU, what is less dense than this (averaged over 5x5 frame pixels) is aerated lung and no
    lesion, whatever the network says; ground glass begins near -750. None: no floor. `flips`:
    average the lesion network over the mirrored slice too, at twice its time.
    """

    lung_step_mm: float = 3.0
    density_lungs: bool = True
    lesion_floor_hu: float | None = -800.0
    flips: bool = False


@dataclass(frozen=True)
class Segmentation:
    """Masks on the scan's own grid, in the scan's own axis order.

    `lungs` uint8 (1 right, 2 left), `lesions` uint8 (1), `probability` uint8 (0..255 for 0..1,
    0 outside the lungs; of lesion, after the weights' temperature); `notes` for the reader;
    `slices_seen` per network.
    """

    lungs: np.ndarray
    lesions: np.ndarray
    probability: np.ndarray
    notes: tuple[str, ...]
    slices_seen: dict[str, int]
    was_equalized: bool


class Cascade:
    """Both networks, loaded once, for any number of scans.

    `lesions`: weights whose lesion network is taken; left out, that of `weights`.
    Raises: WeightsError where a network is missing or damaged.
    """

    def __init__(
        self,
        weights: Weights,
        *,
        lesions: Weights | None = None,
        engine: str = "onnx",
        device: str = "cpu",
        settings: CascadeSettings | None = None,
    ) -> None:
        self.weights = {"lungs": weights, "lesions": lesions or weights}
        self.stages = {name: chosen.stage(name) for name, chosen in self.weights.items()}
        self.engine = engine
        self.device = device
        self.settings = settings or CascadeSettings()
        self._engines = {
            name: load_engine(chosen, name, engine=engine, device=device)
            for name, chosen in self.weights.items()
        }
        self._lung_recipe = self.stages["lungs"].slice_recipe()
        self._lesion_recipe = self.stages["lesions"].slice_recipe()

    def segment(self, volume: Volume, watch: Stopwatch | None = None) -> Segmentation:
        """Segment one scan. Raises: NoLungError where no lung is found."""
        watch = watch or Stopwatch()
        axial, order = volume.to_axial()
        frames = _Frames(axial, self._lung_recipe)
        with watch.stage("lungs: network"):
            probability, seen = self._lung_probability(frames)
        with watch.stage("lungs: clean-up"):
            labels, notes = self._clean(probability, frames)
        with watch.stage("lesions: network"):
            lesion, lesion_slices = self._lesion_probability(frames, labels)
        with watch.stage("masks to the scan's grid"):
            lungs = frames.labels_to_grid(labels)
            chance = frames.map_to_grid(lesion, lungs > 0)
        cut = int(np.ceil(self._lesion_recipe.threshold * 255))
        lesions = (chance >= cut).astype(np.uint8)
        return Segmentation(
            order.undo(lungs),
            order.undo(lesions),
            order.undo(chance),
            (*notes, *_resolution_notes(axial)),
            {"lungs": seen, "lesions": lesion_slices},
            frames.equalized,
        )

    def _chance(self, stage: str, batch: np.ndarray) -> np.ndarray:
        """Slices (N, H, W) in a network's input -> probabilities (N, H, W), calibrated if it is."""
        logits = self._engines[stage].logits(np.ascontiguousarray(batch)[:, None])[:, 0]
        return _sigmoid(logits / np.float32(self.stages[stage].temperature))

    def _lung_probability(self, frames: _Frames) -> tuple[np.ndarray, int]:
        """(D, S, S) float32 in the frame, from every slice or from an even sample of them.

        Between two sampled slices whose lungs differ, every slice is looked at after all: near
        apex and base, and where the header's slice distance is smaller than the true one.
        """
        depth = frames.axial.shape[0]
        step = max(1, int(self.settings.lung_step_mm / frames.axial.spacing_mm[0]))
        if not frames.axial.spacing_is_real:
            step = 1
        recipe = self._lung_recipe
        seen: dict[int, np.ndarray] = {}

        def look(slices: list[int]) -> None:
            for start in range(0, len(slices), BATCH):
                chosen = slices[start : start + BATCH]
                batch = np.stack([lung_input(frames.image(d, recipe), recipe) for d in chosen])
                seen.update(zip(chosen, self._chance("lungs", batch), strict=True))

        coarse = sorted({*range(0, depth, step), depth - 1})
        look(coarse)
        for low, high in pairwise(coarse):
            if high - low > 1 and not _alike(seen[low], seen[high], recipe.threshold):
                look(list(range(low + 1, high)))
        picks = sorted(seen)
        edge = recipe.frame_size
        out = np.empty((depth, edge, edge), np.float32)
        above = np.searchsorted(picks, np.arange(depth))
        for d, high in enumerate(above):
            low = max(0, high - (picks[high] != d))
            gap = picks[high] - picks[low]
            share = (d - picks[low]) / gap if gap else 0.0
            before, after = seen[picks[low]], seen[picks[high]]
            blend = before if gap == 0 else (1 - share) * before + share * after
            out[d] = cv2.resize(blend, (edge, edge), interpolation=cv2.INTER_LINEAR)
        return out, len(picks)

    def _clean(
        self, probability: np.ndarray, frames: _Frames
    ) -> tuple[np.ndarray, tuple[str, ...]]:
        if float(probability.max()) < self._lung_recipe.threshold:
            raise NoLungError(
                f"No lung found in {frames.axial.source.scan_id!r}: the lung network's highest "
                f"probability is {probability.max():.2f} "
                f"(intensities taken as {frames.axial.intensity.domain})",
                expected=f"at least {self._lung_recipe.threshold:g}",
                remedy="Check the scan with `groundglass inspect`; overrule with --intensity",
            )
        mask = probability >= self._lung_recipe.threshold
        notes: tuple[str, ...] = ()
        values = None if frames.equalized else frames.values()
        hu = values if frames.axial.is_hu else None
        if values is not None and self.settings.density_lungs:
            window = frames.axial.intensity.window_hu
            near_hu = values if hu is not None else estimate_hu(values, mask, window)
            if near_hu is not None:
                mask, notes = fuse_lungs(mask, near_hu, frames.spacing_mm)
        result = clean_lungs(mask, frames.spacing_mm, hu=hu)
        return result.labels, (*notes, *result.notes)

    def _lesion_probability(self, frames: _Frames, labels: np.ndarray) -> tuple[np.ndarray, int]:
        """(D, S, S) uint8 in the frame: 255 times the probability, from slices with lung only."""
        recipe = self._lesion_recipe
        lungs = labels > 0
        slices = np.flatnonzero(lungs.any(axis=(1, 2)))
        out = np.zeros(labels.shape, np.uint8)
        box = LungBox.around(np.asarray(lungs.any(axis=0)), recipe)
        for start in range(0, slices.size, BATCH):
            chosen = slices[start : start + BATCH]
            shown = [lesion_input(frames.image(d, recipe), lungs[d], box, recipe) for d in chosen]
            batch = np.stack(shown)
            chance = self._chance("lesions", batch)
            if self.settings.flips:
                chance = (chance + self._chance("lesions", batch[..., ::-1])[..., ::-1]) / 2
            for d, one in zip(chosen, chance, strict=True):
                back = box.paste(np.ascontiguousarray(one), recipe.frame_size)
                out[d] = np.rint(back * 255).astype(np.uint8)
                out[d][frames.is_aerated(d, self.settings.lesion_floor_hu)] = 0
        return out, int(slices.size)


def _resolution_notes(axial: Volume) -> tuple[str, ...]:
    pixel = max(axial.spacing_mm[1:])
    if not axial.spacing_is_real or pixel <= _COARSE_MM:
        return ()
    return (
        f"Pixels of {pixel:.1f} mm are coarser than anything the lesion network was trained on "
        f"(up to {_COARSE_MM:g} mm is fine): vessels can pass for lesions. Do not use the lesion "
        "figures.",
    )


def _alike(one: np.ndarray, other: np.ndarray, threshold: float) -> bool:
    """Whether two lung maps overlap so well that what lies between can be interpolated."""
    a, b = one >= threshold, other >= threshold
    total = int(a.sum() + b.sum())
    return total == 0 or 2 * int((a & b).sum()) >= _ALIKE * total


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(np.minimum(-logits, 80.0)))  # 80: exp stays finite in float32


class _Frames:
    """The slices of one axial scan in their frames; images are made once per recipe."""

    def __init__(self, axial: Volume, recipe: SliceRecipe) -> None:
        self.axial = axial
        _, height, width = axial.shape
        self.frame = Frame.fit((height, width), recipe.frame_size, axial.spacing_mm[1:])
        self.equalized = is_equalized(axial.array, axial.intensity, recipe)
        self._size = recipe.frame_size
        self._images: dict[tuple[int, SliceRecipe], np.ndarray] = {}

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Spacing of the frames' grid; that of a usual chest where the scan's is not real."""
        depth, height, width = self.axial.shape
        if not self.axial.spacing_is_real:
            pixel = USUAL_FIELD_MM / self._size
            return min(10.0, max(1.0, USUAL_LENGTH_MM / depth)), pixel, pixel
        distance, row, column = self.axial.spacing_mm
        return distance, row * height / self.frame.height, column * width / self.frame.width

    def image(self, d: int, recipe: SliceRecipe) -> np.ndarray:
        """The recipe's uint8 image (S, S) of slice d."""
        looks = replace(recipe, stage="lungs", network_size=(16, 16), mean=0.0, std=1.0,
                        box_margin=0, mask_margin=0, threshold=0.5)  # fmt: skip
        key = (int(d), looks)
        if key not in self._images:
            placed = self.frame.place(self.axial.array[d])
            self._images[key] = frame_image(
                placed, recipe, is_hu=self.axial.is_hu, is_equalized=self.equalized
            )
        return self._images[key]

    def is_aerated(self, d: int, floor_hu: float | None) -> np.ndarray:
        """Where slice d is less dense than the floor (S, S) bool; nowhere without HU."""
        if floor_hu is None or not self.axial.is_hu:
            return np.zeros((self._size, self._size), bool)
        placed = self.frame.place(self.axial.array[d]).astype(np.float32)
        return cv2.blur(placed, (5, 5)) < floor_hu

    def values(self) -> np.ndarray:
        """The scan's own values in the frames (D, S, S): int16 HU or uint8."""
        return np.stack([self.frame.place(one) for one in self.axial.array])

    def labels_to_grid(self, labels: np.ndarray) -> np.ndarray:
        """Labels in the frame -> uint8 (D, H, W), each side's edge interpolated, cut at half."""
        shape = self.axial.shape
        out = np.zeros(shape, np.uint8)
        for d in np.flatnonzero(labels.any(axis=(1, 2))):
            soft = [
                self.frame.remove((labels[d] == side).astype(np.float32), shape[1:])
                for side in (1, 2)
            ]
            inside = soft[0] + soft[1] >= 0.5
            out[d] = np.where(inside, np.where(soft[0] >= soft[1], 1, 2), 0)
        return out

    def map_to_grid(self, values: np.ndarray, inside: np.ndarray) -> np.ndarray:
        """uint8 map in the frame -> uint8 (D, H, W), zero outside `inside`."""
        shape = self.axial.shape
        out = np.zeros(shape, np.uint8)
        for d in np.flatnonzero(values.any(axis=(1, 2))):
            back = self.frame.remove(values[d].astype(np.float32), shape[1:])
            out[d] = np.rint(back).astype(np.uint8)
        out[~inside] = 0
        return out
