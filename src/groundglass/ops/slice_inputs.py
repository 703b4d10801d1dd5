"""What a network is shown of a scan's frames, by its recipe: the same in training and analysis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from groundglass.intensity import Intensity
from groundglass.ops.slice_image import (
    LungBox,
    frame_image,
    is_equalized,
    lesion_input,
    lung_input,
)
from groundglass.recipe import SliceRecipe


@dataclass(frozen=True, eq=False)
class SliceInputs:
    """Inputs of the slices `picks` (K,) of the frames (D, S, S), made batch by batch.

    `mask` (D, S, S) bool are the lungs that the lesion stage is shown, `box` is theirs; None in the
    other stages, which see whole slices, and where there is no slice to show.
    """

    frames: np.ndarray
    recipe: SliceRecipe
    mask: np.ndarray
    picks: np.ndarray
    box: LungBox | None
    is_hu: bool
    equalized: bool

    @classmethod
    def of(
        cls,
        frames: np.ndarray,
        intensity: Intensity,
        recipe: SliceRecipe,
        *,
        lungs: np.ndarray,
        slices: np.ndarray | None = None,
    ) -> SliceInputs:
        """Of `slices`, left out all; the lesion stage shows those of them with lung.

        Shape: `frames` (D, S, S) int16 HU or uint8, `lungs` (D, S, S) 0/1.
        """
        mask = lungs > 0
        picks = np.arange(len(frames)) if slices is None else np.asarray(slices)
        inside = recipe.stage == "lesions"
        if inside:
            picks = picks[mask[picks].any(axis=(1, 2))]
        box, equalized = None, False
        if picks.size:
            box = LungBox.around(np.asarray(mask.any(axis=0)), recipe) if inside else None
            equalized = is_equalized(frames, intensity, recipe)
        return cls(frames, recipe, mask, picks, box, intensity.domain == "hu", equalized)

    def batch(self, chosen: np.ndarray) -> np.ndarray:
        """Shape: slices (K,) of `picks` -> (K, 1, network H, network W) float32."""
        return np.stack([self._input(int(d)) for d in chosen])[:, None]

    def _input(self, d: int) -> np.ndarray:
        recipe = self.recipe
        image = frame_image(self.frames[d], recipe, is_hu=self.is_hu, is_equalized=self.equalized)
        if self.box is None:
            return lung_input(image, recipe)
        return lesion_input(image, self.mask[d], self.box, recipe)
