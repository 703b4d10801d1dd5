"""A learned classifier's answer made by hand, and a classifier that gives it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from groundglass.classification import HeadAnswer, ScanClassification
from groundglass.volume import Volume

RULE = "Youden's index on 9 made-up cases"


def made_head(
    probability: float,
    weights: Sequence[float],
    *,
    threshold: float = 0.5,
    is_calibrated: bool = True,
    regions: dict[int, np.ndarray] | None = None,
) -> HeadAnswer:
    logit = float(np.log(probability / (1 - probability)))
    return HeadAnswer(
        logit, probability, is_calibrated, threshold, RULE, np.asarray(weights, np.float32),
        regions or {},
    )  # fmt: skip


def made_classification(
    findings: float = 0.9,
    severe: float = 0.2,
    *,
    slices: Sequence[int] = (1, 3, 5, 6),
    weights: Sequence[float] = (0.1, 0.5, 0.3, 0.1),
    **changes: Any,
) -> ScanClassification:
    """Findings and severe with these probabilities, both heads with the same weights."""
    parts: dict[str, Any] = {
        "name": "made",
        "version": "3",
        "license": "CC0-1.0",
        "trained_on": "9 scans",
        "slices": np.asarray(slices),
        "diagnosis": made_head(findings, weights),
        "severity": made_head(severe, weights),
    }
    return ScanClassification(**{**parts, **changes})


class MadeClassifier:
    """Gives what `answer` makes of the scan's slices with lung, and counts how often."""

    def __init__(self, answer: Callable[[Sequence[int]], ScanClassification]) -> None:
        self.answer, self.count = answer, 0

    def classify(self, volume: Volume, lungs: np.ndarray) -> ScanClassification:
        self.count += 1
        _, order = volume.to_axial()
        filled = np.flatnonzero(order.apply(lungs).any(axis=(1, 2)))
        return self.answer(filled.tolist())
