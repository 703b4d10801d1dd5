"""What the network sees at step t: drawn from (seed, t) alone, so a run resumes exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from groundglass.datasets.index import PreparedScan
from groundglass.errors import DatasetError
from groundglass.intensity import Intensity
from groundglass.ops.slice_image import LungBox, frame_image, is_equalized, normalize
from groundglass.recipe import SliceRecipe
from groundglass.training.augment import (
    Warp,
    random_intensity,
    random_mask_errors,
    random_warp,
)
from groundglass.training.maps import load_map
from groundglass.training.opacity import add_opacity
from groundglass.training.paste import MOST_DONORS, Donor, paste_lesions
from groundglass.training.settings import TrainSettings

HU_WINDOWS = ((-1350.0, 150.0), (-1250.0, 250.0), (-1100.0, 500.0), (-1024.0, 1500.0))
"""Windows that HU slices are shown through in training, each end jittered by 100 HU."""


@dataclass(frozen=True)
class Source:
    """One scan to draw from. `lungs` is what the lesion stage sees of them; `soft` (D, S, S)
    uint8 probabilities, or None."""

    scan: PreparedScan
    slices: np.ndarray
    with_lesions: np.ndarray
    without: np.ndarray
    lungs: np.ndarray
    soft: np.ndarray | None
    box: LungBox | None
    equalized: bool


class Samples:
    """Draws training batches from prepared scans.

    Scans weigh by a power of their slices (neighbors are alike); lesion-free scans get
    `healthy_share` of the batch, lesion-free slices of the others `lesion_free_share` of the
    rest. Shape of a batch: (N, 1, H, W) float32 input and target 0..1 (0 or 1 but for soft
    targets).
    Raises: DatasetError where nothing is left to train on, or predicted lungs or soft targets
    are missing.
    """

    def __init__(self, scans: Sequence[PreparedScan], settings: TrainSettings) -> None:
        self._settings = settings
        self._recipe = SliceRecipe.from_dict(settings.recipe)
        sources = [self._source(scan) for scan in scans]
        self.sick = [s for s in sources if s.slices.size and not s.scan.row.is_healthy]
        self.healthy = [s for s in sources if s.slices.size and s.scan.row.is_healthy]
        if not self.sick:
            raise DatasetError(
                f"run {settings.name!r} has no scan with lesions left to train on",
                remedy="Check `index` and `hold_out`",
            )

    def batch(self, step: int, *, rank: int = 0, world: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Input and target of `step`; equal for equal (seed, step).

        Each slice is drawn from (seed, step, its place in the batch), so that `world` processes
        that take every `world`-th place together see the same batch as one alone.
        """
        phase, _ = self._settings.phase_at(step)
        pairs = [
            self._sample(np.random.default_rng([self._settings.seed, step, place]), phase.size)
            for place in range(rank, phase.batch, world)
        ]
        images, targets = zip(*pairs, strict=True)
        return np.stack(images)[:, None], np.stack(targets)[:, None].astype(np.float32)

    def _source(self, scan: PreparedScan) -> Source:
        settings = self._settings
        lungs = scan.lungs
        if settings.stage == "lesions" and settings.lungs is not None:
            lungs = load_map(Path(settings.lungs), scan)
            if lungs.size and lungs.max() > 1:
                raise DatasetError(
                    f"lungs of {scan.row.scan_id} in {settings.lungs} go up to {lungs.max()}",
                    expected="a mask of 0 and 1, not probabilities",
                )
        soft = None
        if settings.stage != "lungs" and settings.soft_targets is not None:
            soft = load_map(Path(settings.soft_targets), scan)
        has_lung = lungs.any(axis=(1, 2))
        wanted = has_lung if settings.stage == "lesions" else np.ones_like(has_lung)
        slices = np.flatnonzero(wanted)[:: settings.every]
        sick = scan.lesions[slices].any(axis=(1, 2))
        box = (
            LungBox.around(np.asarray(lungs.any(axis=0)), self._recipe) if has_lung.any() else None
        )
        domain = Intensity(scan.row.domain, "index", "as the index says")
        equalized = is_equalized(scan.image, domain, self._recipe)
        return Source(scan, slices, slices[sick], slices[~sick], lungs, soft, box, equalized)

    def pick(self, rng: np.random.Generator) -> tuple[Source, int]:
        """A scan and one of its slices, drawn as the settings say."""
        settings = self._settings
        healthy = self.healthy and rng.random() < settings.healthy_share
        pool = self.healthy if healthy else self.sick
        counts = np.array([source.slices.size for source in pool], dtype=np.float64)
        weights = counts**settings.slice_power
        source = pool[rng.choice(len(pool), p=weights / weights.sum())]
        slices = source.slices
        if settings.stage != "lungs" and source.with_lesions.size and source.without.size:
            free = rng.random() < settings.lesion_free_share
            slices = source.without if free else source.with_lesions
        return source, int(rng.choice(slices))

    def _sample(
        self, rng: np.random.Generator, size: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        source, index = self.pick(rng)
        image = self.image(source, index, rng)
        augment = self._settings.augment
        center, step = self.place(source, size)
        warp = random_warp(rng, center, step, size, settings=augment)
        shown, lungs = warp.image(image), warp.mask(source.lungs[index])
        if self._settings.stage == "lungs":
            return normalize(random_intensity(shown, rng, augment), self._recipe), lungs
        target = self._lesions(source, index, warp)
        if augment.paste and rng.random() < augment.paste:
            shown, target = self._with_others(shown, target, lungs, rng)
        if augment.opacity and rng.random() < augment.opacity:
            shown, target = add_opacity(shown, target, lungs, rng)
        if self._settings.stage == "direct" or not self._recipe.mask_outside:
            return normalize(random_intensity(shown, rng, augment), self._recipe), target
        lesions = warp.mask(source.scan.lesions[index])
        mask = random_mask_errors(lungs, lesions, rng, augment)
        shown = random_intensity(shown, rng, augment) * mask
        return normalize(shown, self._recipe), target * mask

    def _with_others(
        self, shown: np.ndarray, target: np.ndarray, lungs: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lesions of one to `MOST_DONORS` other slices, each at a random place of its own."""
        size = shown.shape[0], shown.shape[1]
        for _ in range(int(rng.integers(1, MOST_DONORS + 1))):
            other = self.sick[int(rng.integers(len(self.sick)))]
            if not other.with_lesions.size:
                continue
            index = int(rng.choice(other.with_lesions))
            center, step = self.place(other, size)
            warp = random_warp(rng, center, step, size, settings=self._settings.augment)
            donor = Donor(
                warp.image(self.image(other, index, rng)),
                warp.mask(other.scan.lungs[index]),
                warp.mask(other.scan.lesions[index]),
            )
            shown, target = paste_lesions(shown, target, lungs, donor)
        return shown, target

    def place(self, source: Source, size: tuple[int, int]) -> tuple[tuple[float, float], float]:
        """What an image of `size` shows of a frame: center (row, column) and pixels a pixel."""
        frame = source.scan.image.shape[1]
        if self._settings.stage != "lesions" or source.box is None:
            return ((frame - 1) / 2, (frame - 1) / 2), frame / size[0]
        box = source.box
        center = (
            box.top + box.size[0] / box.scale / 2 - 0.5,
            box.left + box.size[1] / box.scale / 2 - 0.5,
        )
        return center, self._recipe.network_size[0] / size[0] / box.scale

    def _lesions(self, source: Source, index: int, warp: Warp) -> np.ndarray:
        """The lesion target: the reference, mixed with the soft one where there is one."""
        mask = warp.mask(source.scan.lesions[index])
        if source.soft is None:
            return mask
        soft = warp.image(source.soft[index]).astype(np.float32) / 255.0
        share = np.float32(self._settings.soft_weight)
        return (1 - share) * mask + share * soft

    def image(self, source: Source, index: int, rng: np.random.Generator) -> np.ndarray:
        """The recipe's image; HU slices through a random window, sometimes unequalized."""
        frame = source.scan.image[index]
        if not source.scan.is_hu:
            return frame_image(frame, self._recipe, is_hu=False, is_equalized=source.equalized)
        low, high = HU_WINDOWS[rng.integers(len(HU_WINDOWS))]
        jitter = rng.uniform(-100, 100, 2)
        recipe = replace(
            self._recipe,
            window_hu=(low + jitter[0], high + jitter[1]),
            clahe_clip=float(rng.uniform(2.0, 8.0)),
        )
        plain = rng.random() < self._settings.augment.no_clahe_hu
        return frame_image(frame, recipe, is_hu=True, is_equalized=plain)
