from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logit

from groundglass.metrics.calibration import LogitHistogram
from groundglass.metrics.operating_point import operating_point


def histogram(low: float, high: float, *, count: int = 100) -> LogitHistogram:
    """Lesions at probability `high`, background at `low`."""
    logits = logit(np.array([high] * count + [low] * count))
    labels = np.array([1] * count + [0] * count)
    return LogitHistogram.of(logits, labels)


def test_the_threshold_lies_between_what_must_be_told_apart() -> None:
    patients = {"a": histogram(0.25, 0.37), "b": histogram(0.22, 0.4)}
    point = operating_point(patients, {"a": 0, "b": 0}, temperature=1.0)
    assert 0.25 < point.threshold < 0.37
    assert point.dice == 1.0
    assert point.dice_at_half == 0.0
    assert point.dice_by_threshold["0.50"] == 0.0
    assert point.dice_by_threshold[f"{point.threshold:.2f}"] == 1.0
    assert point.dice_by_threshold["0.20"] == pytest.approx(2 * 200 / (400 + 200), abs=1e-4)


def test_a_patient_left_out_is_judged_by_the_others_threshold() -> None:
    patients = {"a": histogram(0.2, 0.3), "b": histogram(0.6, 0.7), "c": histogram(0.6, 0.7)}
    point = operating_point(patients, dict.fromkeys(patients, 0), temperature=1.0)
    assert point.dice_left_out < point.dice
    assert point.range_left_out[0] <= point.threshold <= point.range_left_out[1]


def test_lesions_outside_the_lungs_count_as_missed() -> None:
    patients = {"a": histogram(0.2, 0.8)}
    whole = operating_point({**patients, "b": histogram(0.2, 0.8)}, {"a": 0, "b": 0}, temperature=1)
    less = operating_point(
        {**patients, "b": histogram(0.2, 0.8)}, {"a": 100, "b": 0}, temperature=1
    )
    assert whole.dice == 1.0
    assert less.dice == pytest.approx(2 * 200 / (200 + 300))
