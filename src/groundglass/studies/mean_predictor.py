"""The mean of several networks, asked as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from groundglass.datasets.index import PreparedScan
from groundglass.training.predict import ScanPredictor


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
