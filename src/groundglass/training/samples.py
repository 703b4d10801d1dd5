"""What the network sees at step t: drawn from (seed, t) alone, so a run resumes exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from groundglass.datasets.index import PreparedScan
from groundglass.errors import DatasetError
from groundglass.intensity import Intensity
from groundglass.ops.slice_image import LungBox, frame_image, is_equalized, normalize
from groundglass.recipe import SliceRecipe
from groundglass.training.augment import random_intensity, random_mask_errors, random_warp
from groundglass.training.settings import TrainSettings

HU_WINDOWS = ((-1350.0, 150.0), (-1250.0, 250.0), (-1100.0, 500.0), (-1024.0, 1500.0))
"""Windows that HU slices are shown through in training, each end jittered by 100 HU."""


@dataclass(frozen=True)
class _Source:
    scan: PreparedScan
    slices: np.ndarray
    box: LungBox | None
    equalized: bool


class Samples:
    """Draws training batches from prepared scans.

    Scans weigh by a power of their slices (neighbors are alike); lesion-free scans get
    `healthy_share` of the batch. Shape of a batch: (N, 1, H, W) float32 input and 0/1 target.
    Raises: DatasetError where nothing is left to train on.
    """

    def __init__(self, scans: Sequence[PreparedScan], settings: TrainSettings) -> None:
        self._settings = settings
        self._recipe = SliceRecipe.from_dict(settings.recipe)
        sources = [self._source(scan) for scan in scans]
        self._sick = [s for s in sources if s.slices.size and not s.scan.row.is_healthy]
        self._healthy = [s for s in sources if s.slices.size and s.scan.row.is_healthy]
        if not self._sick:
            raise DatasetError(
                f"run {settings.name!r} has no scan with lesions left to train on",
                remedy="Check `index` and `hold_out`",
            )

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Input and target of `step`; equal for equal (seed, step)."""
        rng = np.random.default_rng([self._settings.seed, step])
        phase, _ = self._settings.phase_at(step)
        pairs = [self._sample(rng, phase.size) for _ in range(phase.batch)]
        images, targets = zip(*pairs, strict=True)
        return np.stack(images)[:, None], np.stack(targets)[:, None].astype(np.float32)

    def _source(self, scan: PreparedScan) -> _Source:
        has_lung = scan.lungs.any(axis=(1, 2))
        wanted = has_lung if self._settings.stage == "lesions" else np.ones_like(has_lung)
        projection = np.asarray(scan.lungs.any(axis=0))
        box = LungBox.around(projection, self._recipe) if has_lung.any() else None
        domain = Intensity(scan.row.domain, "index", "as the index says")
        equalized = is_equalized(scan.image, domain, self._recipe)
        return _Source(scan, np.flatnonzero(wanted)[:: self._settings.every], box, equalized)

    def _sample(
        self, rng: np.random.Generator, size: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        healthy = self._healthy and rng.random() < self._settings.healthy_share
        pool = self._healthy if healthy else self._sick
        counts = np.array([source.slices.size for source in pool], dtype=np.float64)
        weights = counts**self._settings.slice_power
        source = pool[rng.choice(len(pool), p=weights / weights.sum())]
        index = int(rng.choice(source.slices))
        image = self._image(source, index, rng)
        lungs, lesions = source.scan.lungs[index], source.scan.lesions[index]
        augment = self._settings.augment
        if self._settings.stage == "lungs":
            frame = image.shape[0]
            center, step = ((frame - 1) / 2, (frame - 1) / 2), frame / size[0]
            warp = random_warp(rng, center, step, size, settings=augment)
            shown = random_intensity(warp.image(image), rng, augment)
            return normalize(shown, self._recipe), warp.mask(lungs)
        box = source.box or LungBox.around(lungs, self._recipe)
        step = self._recipe.network_size[0] / size[0] / box.scale
        center = (  # of the box, in pixel centers
            box.top + box.size[0] / box.scale / 2 - 0.5,
            box.left + box.size[1] / box.scale / 2 - 0.5,
        )
        warp = random_warp(rng, center, step, size, settings=augment)
        mask = random_mask_errors(warp.mask(lungs), warp.mask(lesions), rng, augment)
        shown = random_intensity(warp.image(image), rng, augment) * mask
        return normalize(shown, self._recipe), warp.mask(lesions) * mask

    def _image(self, source: _Source, index: int, rng: np.random.Generator) -> np.ndarray:
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
