"""One head: its temperature is used only where it helps patients that it was not fitted on."""

from __future__ import annotations

import numpy as np
import pytest

from groundglass.metrics.case_calibration import fit_case_temperature
from groundglass.metrics.scored_cases import ScoredCases
from groundglass.metrics.threshold_choice import choose_by_youden
from groundglass.training.head_calibration import calibrate_head


def drawn(count: int, *, sure: float, seed: int = 0) -> ScoredCases:
    """Labels drawn from honest probabilities whose logits are then multiplied by `sure`."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.standard_normal(count)
    labels = rng.random(count) < 1 / (1 + np.exp(-logits))
    return ScoredCases.of(sure * logits, labels)


def test_a_network_that_is_too_sure_gets_its_temperature() -> None:
    cases = drawn(200, sure=4.0)
    head, curves = calibrate_head("diagnosis", cases, choose_by_youden)
    assert head.temperature == fit_case_temperature(cases).temperature
    assert head.temperature == pytest.approx(4, rel=0.3)
    measured = head.measured
    assert measured["no_temperature"] == ""
    assert measured["after"]["log_loss"] < measured["before"]["log_loss"]
    assert measured["after"]["cases"] == 200
    assert measured["findings"] + measured["normal"] == 200
    counts = measured["left_out"]
    assert counts["tp"] + counts["fn"] == measured["findings"]
    assert measured["auroc_interval"]["low"] < measured["auroc"]
    assert list(curves) == [
        "diagnosis, as trained",
        "diagnosis, with temperature, patients left out",
    ]


def test_a_temperature_that_makes_others_worse_is_not_used() -> None:
    """An honest network, and so few scans that what is fitted is chance."""
    cases = drawn(12, sure=1.0)
    fitted = fit_case_temperature(cases).temperature
    assert fitted is not None
    head, _ = calibrate_head("severity", cases, choose_by_youden)
    measured = head.measured
    assert measured["after"]["log_loss"] > measured["before"]["log_loss"]
    assert head.temperature is None
    assert "too few scans to fit one" in measured["no_temperature"]
    chosen = choose_by_youden(cases)
    assert head.threshold == pytest.approx(1 / (1 + np.exp(-chosen.threshold)))


def test_chance_is_called_so() -> None:
    """Every positive case scores below every negative one."""
    head, _ = calibrate_head(
        "diagnosis", ScoredCases.of([0.0, 1.0, 2.0, 3.0], [1, 1, 0, 0]), choose_by_youden
    )
    assert "ranked no better than by chance, so every scan is called" in head.threshold_rule
    assert head.measured["where_chosen"] == {"sensitivity": 1.0, "specificity": 0.0}
