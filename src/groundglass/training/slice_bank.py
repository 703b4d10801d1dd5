"""All slices that a run can draw, made once and kept on the device that trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from groundglass.training.augment import random_grid
from groundglass.training.samples import Samples, Source
from groundglass.training.settings import AugmentSettings, TrainSettings

HU_VARIANTS = 6
"""Images of each HU slice, each through a random window and equalization."""

CODE_EDGE, CODE_STEP = 128, 8
"""A lung plane holds CODE_EDGE + CODE_STEP * (pixels from the lungs' edge, negative inside)."""

_HOLES = 64
"""Lesion pixels noted of each slice, that a piece missing from the lungs may be centered on."""


@dataclass(frozen=True)
class BankEntry:
    """One scan in the bank: where its slices and their images begin, and which show lesions.

    Image k of slice j is at `first_image + k * slices + j`.
    """

    source: Source
    first: int
    first_image: int
    slices: int
    images: int
    with_lesions: np.ndarray
    without: np.ndarray


@dataclass(frozen=True)
class SliceBank:
    """Planes uint8 on the device: `images` (V, S, S), the others (F, S, S).

    In stage lesions `lungs` is coded by distance (see CODE_EDGE), so that lungs of any size can
    be cut from it, and `closed` is the same with their gaps closed; else `lungs` is 0 or 255.
    `hole_centers` (F, 64, 2) x, y in the frame, NaN where a slice has no lesion.
    """

    images: torch.Tensor
    lungs: torch.Tensor
    closed: torch.Tensor | None
    lesions: torch.Tensor
    soft: torch.Tensor | None
    sick: tuple[BankEntry, ...]
    healthy: tuple[BankEntry, ...]
    hole_centers: np.ndarray

    @classmethod
    def build(cls, samples: Samples, settings: TrainSettings, device: torch.device) -> SliceBank:
        """Every slice that `samples` can draw, with what OpenCV changes about it done ahead."""
        sources = [*samples.sick, *samples.healthy]
        entries: list[BankEntry] = []
        first = first_image = 0
        for source in sources:
            count = int(source.slices.size)
            images = HU_VARIANTS if source.scan.is_hu else 2
            place = {int(d): j for j, d in enumerate(source.slices)}
            entries.append(
                BankEntry(
                    source,
                    first,
                    first_image,
                    count,
                    images,
                    np.array([place[int(d)] for d in source.with_lesions], np.intp),
                    np.array([place[int(d)] for d in source.without], np.intp),
                )
            )
            first, first_image = first + count, first_image + count * images
        images = _threaded(
            lambda job: _image(samples, settings, *job),
            [(e, k, j) for e in entries for k in range(e.images) for j in range(e.slices)],
        )
        jobs = [(e, int(d)) for e in entries for d in e.source.slices]
        inside = settings.stage == "lesions"
        lungs = _threaded(lambda job: _lung_plane(job[0].source.lungs[job[1]], inside), jobs)
        closed = (
            _threaded(lambda job: _closed_plane(job[0], job[1], settings.seed), jobs)
            if inside
            else None
        )
        lesions = np.stack([e.source.scan.lesions[d] * np.uint8(255) for e, d in jobs])
        soft = None
        if any(e.source.soft is not None for e in entries):
            soft = np.stack(
                [lesions[i] if e.source.soft is None else e.source.soft[d]
                 for i, (e, d) in enumerate(jobs)]
            )  # fmt: skip

        def there(plane: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(plane).to(device)

        return cls(
            there(images),
            there(lungs),
            None if closed is None else there(closed),
            there(lesions),
            None if soft is None else there(soft),
            tuple(entries[: len(samples.sick)]),
            tuple(entries[len(samples.sick) :]),
            _hole_centers(lesions, settings.seed),
        )


def changed_share(augment: AugmentSettings) -> float:
    """How often a slice is shown equalized once more or on a coarser grid."""
    return 1 - (1 - augment.second_clahe) * (1 - augment.coarse)


def _threaded(make: Callable[..., np.ndarray], jobs: Sequence[tuple]) -> np.ndarray:
    """Stack what `make` gives for each job. OpenCV lets go of the interpreter, so threads help."""
    with ThreadPoolExecutor() as pool:
        return np.stack(list(pool.map(make, jobs, chunksize=16)))


def _image(
    samples: Samples, settings: TrainSettings, entry: BankEntry, variant: int, place: int
) -> np.ndarray:
    """Image `variant` of a slice: 8-bit slices as they are (0) and changed (1), HU at random."""
    index = int(entry.source.slices[place])
    rng = np.random.default_rng([settings.seed, entry.first_image, variant, place])
    image = samples.image(entry.source, index, rng)
    if entry.source.scan.is_hu:
        return image
    return random_grid(image, rng, settings.augment, always=True) if variant else image


def _lung_plane(lungs: np.ndarray, coded: bool) -> np.ndarray:
    mask = (lungs > 0).astype(np.uint8)
    if not coded:
        return mask * np.uint8(255)
    outside = cv2.distanceTransform(1 - mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    signed = np.where(mask > 0, 0.5 - inside, outside - 0.5)
    return np.clip(np.rint(CODE_EDGE + CODE_STEP * signed), 0, 255).astype(np.uint8)


def _closed_plane(entry: BankEntry, index: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, entry.first, index])
    reach = 2 * int(rng.integers(3, 9)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    return _lung_plane(cv2.morphologyEx(entry.source.lungs[index], cv2.MORPH_CLOSE, kernel), True)


def _hole_centers(lesions: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, len(lesions)])
    centers = np.full((len(lesions), _HOLES, 2), np.nan, np.float32)
    for place, plane in enumerate(lesions):
        rows, columns = np.nonzero(plane)
        if rows.size:
            picks = rng.integers(rows.size, size=_HOLES)
            centers[place] = np.stack([columns[picks], rows[picks]], axis=1)
    return centers
