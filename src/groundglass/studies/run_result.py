"""A finished training of a study, ready to predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from groundglass.datasets.index import PreparedScan
from groundglass.networks.build import build_network
from groundglass.recipe import SliceRecipe
from groundglass.training.checkpoint import load_result
from groundglass.training.predict import ScanPredictor
from groundglass.training.settings import TrainSettings


@dataclass(frozen=True)
class RunResult:
    """A finished run: where it is, what it trained on, how long it took, on which device.

    The device of `settings` is the one asked for now; a stored run may be of another.
    """

    folder: Path
    settings: TrainSettings
    seconds: float
    slices: int
    device: str = ""

    def predictor(self) -> ScanPredictor:
        """Its network, ready to predict in float32."""
        network = build_network(self.settings.network, base=self.settings.base)
        network.load_state_dict(load_result(self.folder).average)
        return ScanPredictor(network, self.recipe, device=self.settings.device)

    @property
    def recipe(self) -> SliceRecipe:
        return SliceRecipe.from_dict(self.settings.recipe)


class MeanPredictor:
    """Several predictors as one: the mean of their probabilities."""

    def __init__(self, predictors: Sequence[ScanPredictor]) -> None:
        self._predictors = predictors

    def probability(
        self, scan: PreparedScan, lungs: np.ndarray | None = None, *, flips: bool = False
    ) -> np.ndarray:
        """As `ScanPredictor.probability`. Shape: (D, S, S) float32, 0..1."""
        total = np.zeros(scan.image.shape, np.float32)
        for predictor in self._predictors:
            total += predictor.probability(scan, lungs, flips=flips)
        return total / np.float32(len(self._predictors))
