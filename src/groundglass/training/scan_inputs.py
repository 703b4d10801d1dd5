"""What a network is shown of a prepared scan, by its recipe, for predictions and for features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from groundglass.datasets.index import PreparedScan
from groundglass.intensity import Intensity
from groundglass.ops.slice_image import LungBox
from groundglass.ops.slice_inputs import SliceInputs
from groundglass.recipe import SliceRecipe


@dataclass(frozen=True, eq=False)
class ScanInputs:
    """`SliceInputs` of a prepared scan."""

    scan: PreparedScan
    shown: SliceInputs

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
        domain = Intensity(scan.row.domain, "index", "as the index says")
        mask = scan.lungs if lungs is None else lungs
        return cls(scan, SliceInputs.of(scan.image, domain, recipe, lungs=mask, slices=slices))

    @property
    def mask(self) -> np.ndarray:
        return self.shown.mask

    @property
    def picks(self) -> np.ndarray:
        return self.shown.picks

    @property
    def box(self) -> LungBox | None:
        return self.shown.box

    @property
    def equalized(self) -> bool:
        return self.shown.equalized

    def batch(self, chosen: np.ndarray) -> np.ndarray:
        """Shape: slices (K,) of `picks` -> (K, 1, network H, network W) float32."""
        return self.shown.batch(chosen)
