"""What a network is shown of a prepared scan, by its recipe, for predictions and for features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from groundglass.datasets.index import PreparedScan
from groundglass.intensity import Intensity
from groundglass.ops.slice_image import (
    LungBox,
    frame_image,
    is_equalized,
    lesion_input,
    lung_input,
)
from groundglass.recipe import SliceRecipe


@dataclass(frozen=True)
class ScanInputs:
    """Inputs of the slices `picks` (K,) of a scan, made batch by batch.

    `mask` (D, S, S) bool are the lungs that the lesion stage is shown, `box` is theirs; None in the
    other stages, which see whole slices, and where there is no slice to show.
    """

    scan: PreparedScan
    recipe: SliceRecipe
    mask: np.ndarray
    picks: np.ndarray
    box: LungBox | None
    equalized: bool

    @classmethod
    def of(
        cls,
        scan: PreparedScan,
        recipe: SliceRecipe,
        *,
        lungs: np.ndarray | None = None,
        slices: np.ndarray | None = None,
    ) -> ScanInputs:
        """Of `slices`, left out all; the lesion stage shows those of them with lung.

        `lungs` (D, S, S) 0/1; left out, the reference lungs.
        """
        mask = (scan.lungs if lungs is None else lungs) > 0
        picks = np.arange(len(scan.image)) if slices is None else np.asarray(slices)
        inside = recipe.stage == "lesions"
        if inside:
            picks = picks[mask[picks].any(axis=(1, 2))]
        if not picks.size:
            return cls(scan, recipe, mask, picks, None, equalized=False)
        box = LungBox.around(np.asarray(mask.any(axis=0)), recipe) if inside else None
        domain = Intensity(scan.row.domain, "index", "as the index says")
        return cls(scan, recipe, mask, picks, box, is_equalized(scan.image, domain, recipe))

    def batch(self, chosen: np.ndarray) -> np.ndarray:
        """Shape: slices (K,) of `picks` -> (K, 1, network H, network W) float32."""
        return np.stack([self._input(int(d)) for d in chosen])[:, None]

    def _input(self, d: int) -> np.ndarray:
        scan, recipe = self.scan, self.recipe
        image = frame_image(scan.image[d], recipe, is_hu=scan.is_hu, is_equalized=self.equalized)
        if self.box is None:
            return lung_input(image, recipe)
        return lesion_input(image, self.mask[d], self.box, recipe)
