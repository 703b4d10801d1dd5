"""Reliability by hand, and temperatures that are known because the data were made with them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundglass.errors import InputError, SettingsError
from groundglass.metrics.calibration import (
    LOGIT_BINS,
    LogitHistogram,
    Reliability,
    calibration_record,
    fit_temperature,
    leave_one_out_temperatures,
    left_out_reliability,
)


def drawn(
    temperature: float, *, number: int = 60_000, seed: int = 0, bias: float = 0.0
) -> LogitHistogram:
    """Labels drawn from sigmoid(truth); the network says `temperature` times the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(-1.0, 2.0, number)
    labels = rng.random(number) < 1 / (1 + np.exp(-truth))
    return LogitHistogram.of(truth * temperature + bias, labels)


def test_reliability_by_hand() -> None:
    p = np.array([0.1, 0.1, 0.3, 0.9, 0.9])
    label = np.array([0, 1, 0, 1, 1])
    found = Reliability.of(LogitHistogram.of_probabilities(p, label), bins=2)
    low, high = found.bins
    assert (low.low, low.high, low.count, high.count) == (0.0, 0.5, 3, 2)
    assert low.mean_probability == pytest.approx(0.5 / 3, abs=2e-3)
    assert low.observed_share == pytest.approx(1 / 3)
    assert high.observed_share == 1.0
    assert found.ece == pytest.approx((3 * abs(1 / 3 - 0.5 / 3) + 2 * 0.1) / 5, abs=2e-3)
    assert found.brier == pytest.approx((0.01 + 0.81 + 0.09 + 0.01 + 0.01) / 5, abs=2e-3)
    expected = -(math.log(0.9) * 3 + math.log(0.1) + math.log(0.7)) / 5
    assert found.log_loss == pytest.approx(expected, abs=5e-3)
    assert found.mean_probability == pytest.approx(2.3 / 5, abs=2e-3)
    assert found.observed_share == pytest.approx(3 / 5)


def test_histograms_and_curves_add_up_to_those_of_all_data() -> None:
    one, other = drawn(1.0, number=500, seed=1), drawn(3.0, number=700, seed=2)
    whole = one + other
    assert (whole.total, whole.positives) == (1200, one.positives + other.positives)
    summed = Reliability.of(one, bins=7) + Reliability.of(other, bins=7)
    direct = Reliability.of(whole, bins=7)
    assert summed.to_dict() == direct.to_dict()
    assert LogitHistogram.empty().total == 0


def test_a_selection_counts_those_pixels_alone() -> None:
    logits, labels = np.array([[5.0, -5.0], [7.0, 0.0]]), np.array([[1, 0], [0, 0]])
    where = np.array([[True, True], [False, False]])
    found = LogitHistogram.of(logits, labels, where=where)
    np.testing.assert_array_equal(found.counts, LogitHistogram.of(logits[0], labels[0]).counts)
    assert found.total == 2


def test_logits_beyond_the_range_count_at_its_ends() -> None:
    found = LogitHistogram.of(np.array([-1e6, 1e6]), np.array([False, True]))
    assert (found.counts[0, 0], found.counts[1, LOGIT_BINS - 1]) == (1, 1)


def test_an_empty_curve_says_nothing() -> None:
    found = Reliability.of(LogitHistogram.empty(), bins=3)
    assert (found.ece, found.brier, found.log_loss, found.mean_probability) == (None,) * 4
    assert all(b.mean_probability is None and b.observed_share is None for b in found.bins)


@pytest.mark.parametrize("true", [0.5, 1.0, 1.7, 4.0])
def test_a_known_temperature_is_found(true: float) -> None:
    histogram = drawn(true)
    found = fit_temperature(histogram)
    assert found == pytest.approx(true, rel=0.04)
    after = Reliability.of(histogram, temperature=found)
    assert after.ece is not None
    assert after.ece < 0.012
    before = Reliability.of(histogram)
    assert after.log_loss is not None
    assert before.log_loss is not None
    assert after.log_loss <= before.log_loss


@settings(deadline=None, max_examples=40)
@given(st.floats(0.1, 20.0))
def test_no_other_temperature_has_less_log_loss(other: float) -> None:
    histogram = drawn(2.0, number=2000)
    best = Reliability.of(histogram, temperature=fit_temperature(histogram)).log_error
    assert Reliability.of(histogram, temperature=other).log_error >= best - 1e-6


def test_a_bias_is_not_mended_but_shows() -> None:
    histogram = drawn(1.0, bias=2.0)
    after = Reliability.of(histogram, temperature=fit_temperature(histogram))
    assert after.mean_probability is not None
    assert after.observed_share is not None
    assert after.mean_probability - after.observed_share > 0.1


def test_each_patient_is_judged_by_the_temperature_of_the_others() -> None:
    patients = {"a": drawn(2.0, seed=1), "b": drawn(2.0, seed=2), "c": drawn(6.0, seed=3)}
    temperatures = leave_one_out_temperatures(patients)
    assert temperatures["c"] == pytest.approx(2.0, rel=0.04)
    assert temperatures["a"] == pytest.approx(fit_temperature(patients["b"] + patients["c"]))
    judged = left_out_reliability(patients)
    expected = sum(
        Reliability.of(own, temperature=temperatures[name]).log_error
        for name, own in patients.items()
    )
    assert judged.log_error == pytest.approx(expected)
    assert judged.total == 3 * 60_000


def test_the_record_for_the_manifest() -> None:
    patients = {name: drawn(3.0, number=5000, seed=i) for i, name in enumerate("abcd")}
    record = calibration_record(patients, data="made up", out_of_fold=True, bins=5)
    assert record["temperature"] == pytest.approx(3.0, rel=0.1)
    low, high = record["temperature_leaving_one_out"]
    assert low <= record["temperature"] <= high
    assert (record["cases"], record["data"], record["out_of_fold"]) == (4, "made up", True)
    assert record["after"]["ece"] < record["before"]["ece"]
    assert sum(row[0] for row in record["after"]["bins"]) == record["after"]["pixels"] == 20_000


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        ([1.0, np.nan], [0, 1], "not finite"),
        ([1.0, 2.0], [0, 2], "other values than 0 and 1"),
        ([1.0, 2.0], [0], "labels and selection have shapes"),
    ],
)
def test_bad_data_are_refused(logits: list, labels: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        LogitHistogram.of(np.array(logits), np.array(labels))


def test_bad_probabilities_settings_and_fits_are_refused() -> None:
    with pytest.raises(InputError, match=r"span 0\.5 to 1\.5"):
        LogitHistogram.of_probabilities(np.array([0.5, 1.5]), np.array([0, 1]))
    with pytest.raises(SettingsError, match="temperature 0"):
        Reliability.of(LogitHistogram.empty(), temperature=0)
    with pytest.raises(InputError, match="2 bins are added"):
        Reliability.of(LogitHistogram.empty(), bins=3) + Reliability.of(
            drawn(1.0, number=5), bins=2
        )
    with pytest.raises(InputError, match="0 of 2 pixels are positive"):
        fit_temperature(LogitHistogram.of(np.array([1.0, 2.0]), np.array([0, 0])))
    for logits in ([-3.0, 3.0], [3.0, -3.0]):  # separated perfectly, and the wrong way round
        with pytest.raises(InputError, match="log loss still falls at temperature"):
            fit_temperature(LogitHistogram.of(np.array(logits), np.array([0, 1])))
    with pytest.raises(InputError, match="there are 1 patients"):
        leave_one_out_temperatures({"a": drawn(1.0, number=50)})
