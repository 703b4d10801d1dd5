"""What a study keeps of its predictions: maps for the figures, histograms for calibration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from groundglass.datasets.index import PreparedScan
from groundglass.errors import DatasetError
from groundglass.metrics.calibration import LogitHistogram


@dataclass(frozen=True)
class KeptPrediction:
    """One test scan's lesion probability (D, S, S) uint8, 255 for 1, on the slices tested.

    `histogram` counts the pixels inside the lungs that the network was shown.
    """

    scan_id: str
    probability: np.ndarray
    histogram: LogitHistogram


def keep_prediction(
    folder: Path, scan: PreparedScan, probability: np.ndarray, lungs: np.ndarray
) -> None:
    """Store one scan's prediction, whole or not at all. Shape: (D, S, S) each, `lungs` 0/1."""
    histogram = LogitHistogram.of_probabilities(probability, scan.lesions, where=lungs > 0)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{scan.row.scan_id}.partial"
    with partial.open("wb") as stream:
        np.savez_compressed(
            stream,
            probability=np.rint(probability * 255).astype(np.uint8),
            histogram=histogram.counts,
        )
    partial.replace(folder / f"{scan.row.scan_id}.npz")


def kept_predictions(folder: Path) -> Iterator[KeptPrediction]:
    """Every prediction of a folder, in order of name. Raises: DatasetError where one is damaged."""
    for path in sorted(folder.glob("*.npz")):
        try:
            with np.load(path) as stored:
                yield KeptPrediction(
                    path.stem, stored["probability"], LogitHistogram(stored["histogram"])
                )
        except (OSError, KeyError, ValueError) as error:
            raise DatasetError(
                f"prediction {path} cannot be read: {error}",
                remedy="Delete its row under rows/ and run the study again",
            ) from error
