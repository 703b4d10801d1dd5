"""Temperatures of classifiers of scans: found where known, and judged on other patients."""

from __future__ import annotations

import json

import numpy as np
import pytest

from groundglass.errors import InputError
from groundglass.metrics.case_calibration import fit_case_temperature
from groundglass.metrics.scored_cases import ScoredCases


def drawn(prefix: str, *, number: int = 3000, times: float = 2.0, seed: int = 0) -> ScoredCases:
    """Labels drawn from sigmoid(truth); the network says `times` the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0.0, 1.5, number)
    labels = rng.random(number) < 1 / (1 + np.exp(-truth))
    return ScoredCases.of(times * truth, labels, [f"{prefix}{i}" for i in range(number)])


def test_a_known_temperature_is_found_and_helps_other_patients() -> None:
    fitted = fit_case_temperature(drawn("v"))
    assert fitted.temperature == pytest.approx(2.0, rel=0.1)
    assert fitted.reason == ""
    judged = fitted.judge(drawn("t", seed=1))
    assert judged.after is not None
    assert judged.before.ece is not None
    assert judged.after.ece is not None
    assert judged.after.ece < 0.03 < judged.before.ece
    assert judged.after.log_loss is not None
    assert judged.before.log_loss is not None
    assert judged.after.log_loss < judged.before.log_loss


def test_what_is_stored_counts_cases() -> None:
    fitted = fit_case_temperature(drawn("v", number=400))
    stored = json.loads(json.dumps(fitted.judge(drawn("t", number=50), bins=5).to_dict()))
    assert stored["temperature"] == fitted.temperature
    assert stored["fitted_on_patients"] == 400
    assert stored["before"]["cases"] == stored["after"]["cases"] == 50
    assert "pixels" not in stored["before"]
    assert sum(row[0] for row in stored["after"]["bins"]) == 50
    assert len(stored["after"]["bins"]) == 5


@pytest.mark.parametrize(
    ("logits", "labels", "reason"),
    [
        ([1.0, 2.0], [1, 1], "2 of 2 cases are positive, and a temperature needs both labels"),
        ([-3.0, 3.0], [0, 1], "the log loss still falls at temperature"),
        ([3.0, -3.0], [0, 1], "the log loss still falls at temperature"),
    ],
)
def test_where_none_can_be_fitted_the_reason_is_told(
    logits: list[float], labels: list[int], reason: str
) -> None:
    fitted = fit_case_temperature(ScoredCases.of(logits, labels, ["a", "b"]))
    assert fitted.temperature is None
    assert fitted.reason.startswith(reason)
    judged = fitted.judge(ScoredCases.of([0.0], [1], ["c"]))
    assert judged.after is None
    assert judged.before.brier == pytest.approx(0.25, abs=0.01)
    assert judged.to_dict()["after"] is None


def test_patients_it_was_fitted_on_are_refused() -> None:
    fitted = fit_case_temperature(drawn("v", number=200))
    with pytest.raises(InputError, match=r"the temperature was chosen on patients .* v3;"):
        fitted.judge(ScoredCases.of([1.0, 0.0], [1, 0], ["v3", "t"]))
