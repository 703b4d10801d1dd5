"""Where a classifier of scans gets its slices: feature maps on disk, or gray slices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from groundglass.datasets.index import IndexRow, load_prepared
from groundglass.errors import DatasetError
from groundglass.ops.slice_choice import choose_slices
from groundglass.ops.slice_image import frame_image, normalize, resize_image
from groundglass.recipe import SliceRecipe
from groundglass.training.scan_features import read_features
from groundglass.training.scan_inputs import ScanInputs

ALL_SLICES = 1_000_000
"""For `most`: every slice of the lungs' extent."""


@dataclass(frozen=True, eq=False)
class ScanSlices:
    """Slices of one scan from the feet to the head, as a classifier reads them.

    `slices` are their indices in the scan. Shape: `values` (K, C, h, w) float32, `slices` (K,).
    """

    values: np.ndarray
    slices: np.ndarray


class SliceSource(Protocol):
    """Slices of scans by id, chosen as `choose_slices` says."""

    def read(self, scan_id: str, *, most: int, offset: float = 0.5) -> ScanSlices: ...


class FeatureSlices:
    """The feature maps in a `FeatureCache.folder`, which must hold every scan asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, scan_id: str, *, most: int, offset: float = 0.5) -> ScanSlices:
        """Shape: (K, C, *grid). Raises: DatasetError as `read_features`."""
        found = read_features(self.folder, scan_id, most=most, offset=offset)
        return ScanSlices(found.features, found.slices)


class GraySlices:
    """Whole gray slices of prepared scans, made by a recipe of stage direct.

    A scan is prepared when it is first asked for, and kept in 8 bit: a byte a pixel, 2 to 3 GB for
    all of MosMedData at 256 x 256.
    """

    def __init__(self, folder: Path, rows: Iterable[IndexRow], recipe: SliceRecipe) -> None:
        self._folder, self._recipe = folder, recipe
        self._rows = {row.scan_id: row for row in rows}
        self._kept: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def read(self, scan_id: str, *, most: int, offset: float = 0.5) -> ScanSlices:
        """Shape: (K, 1, h, w), as `ScanInputs.batch` gives them.

        Raises: DatasetError for another scan, or where its file is missing.
        """
        if scan_id not in self._kept:
            self._kept[scan_id] = self._prepared(scan_id)
        images, has_lung = self._kept[scan_id]
        picks = choose_slices(has_lung, most, offset=offset)
        return ScanSlices(normalize(images[picks], self._recipe)[:, None], picks)

    def _prepared(self, scan_id: str) -> tuple[np.ndarray, np.ndarray]:
        """Images (D, h, w) uint8, and which slices show lung (D,)."""
        if scan_id not in self._rows:
            raise DatasetError(f"scan {scan_id} is not among those of {self._folder}")
        scan, recipe = load_prepared(self._folder, self._rows[scan_id]), self._recipe
        equalized = ScanInputs.of(scan, recipe).equalized
        images = [
            frame_image(frame, recipe, is_hu=scan.is_hu, is_equalized=equalized)
            for frame in scan.image
        ]
        small = np.stack([resize_image(image, recipe.network_size) for image in images])
        return small, np.asarray(scan.lungs.any(axis=(1, 2)))
