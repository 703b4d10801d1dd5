"""How far the probabilities of finished weights can be believed, on scans they never saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from safetensors.torch import load_file

from groundglass.datasets.index import PreparedScan
from groundglass.metrics.calibration import (
    LogitHistogram,
    Reliability,
    calibration_record,
    left_out_reliability,
)
from groundglass.metrics.operating_point import operating_point
from groundglass.networks.build import build_network
from groundglass.training.predict import ScanPredictor
from groundglass.weights.store import Weights


def calibrate_weights(
    weights: Weights,
    scans: Sequence[PreparedScan],
    *,
    data: str,
    device: str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> tuple[dict[str, Any], dict[str, Reliability]]:
    """The record for `weights pack --calibration`, and the curves for a picture.

    Counts every pixel inside the reference lungs, by the lesion network's own probabilities
    (temperature 1). The record also holds the threshold that is best for pooled Dice.
    Raises: InputError for fewer than two patients, or without lesions; WeightsError as `weights`.
    """
    stage = weights.stage("lesions")
    network = build_network(stage.network, base=stage.base)
    stored = load_file(weights.path("lesions", "safetensors"))
    network.load_state_dict(
        {k: v.float() if v.is_floating_point() else v for k, v in stored.items()}
    )
    predictor = ScanPredictor(network, stage.slice_recipe(), device=device)
    patients: dict[str, LogitHistogram] = {}
    outside: dict[str, int] = {}
    for scan in scans:
        if progress is not None:
            progress(scan.row.scan_id)
        group = scan.row.group
        found = LogitHistogram.of_probabilities(
            predictor.probability(scan), scan.lesions, where=scan.lungs > 0
        )
        patients[group] = patients.get(group, LogitHistogram.empty()) + found
        outside[group] = outside.get(group, 0) + int(scan.lesions.sum()) - found.positives
    record = calibration_record(patients, data=data, out_of_fold=True)
    point = operating_point(patients, outside, temperature=record["temperature"])
    whole = sum(patients.values(), LogitHistogram.empty())
    curves = {
        "as trained": Reliability.of(whole),
        "with temperature, patients left out": left_out_reliability(patients),
    }
    return {**record, "operating_point": asdict(point)}, curves
