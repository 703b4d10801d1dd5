"""The parts of the comparison of distances, on made-up numbers."""

from __future__ import annotations

import numpy as np
import pytest

from familiarity import _cell, _outside, changes, distances
from groundglass.metrics.familiarity import LungLook

from ..training.made_cohort import graded_scan


def test_changes_keep_a_scan_a_scan() -> None:
    scan = graded_scan("mild_0", "mild")
    made = {name: change(scan) for name, change in changes(np.random.default_rng(0)).items()}
    for name, changed in made.items():
        assert changed.image.dtype == np.int16, name
        assert changed.image.shape == changed.lungs.shape == scan.image.shape, name
        assert not np.array_equal(changed.image, scan.image), name
    assert made["window -160 to 240 HU"].image.min() == -160
    assert made["300 HU off"].image.mean() == pytest.approx(scan.image.mean() + 300)
    assert (made["lungs full of water"].image[scan.lungs > 0] == 30).all()
    upside = made["upside down"]
    assert np.array_equal(upside.lungs[:, ::-1], scan.lungs)


def test_distances_by_hand() -> None:
    vectors = [np.array([-1.0, 0.0]), np.array([1.0, 0.0]), np.array([0.0, 3.0])]
    found = distances(vectors)
    mean, scale = np.mean(vectors, axis=0), np.std(vectors, axis=0)
    point = np.array([2.0, 2.0])
    alone = np.sqrt((((point - mean) / scale) ** 2).mean())
    assert found["scaled alone"](point) == pytest.approx(alone)
    near = [np.sqrt((((point - v) / scale) ** 2).mean()) for v in vectors]
    assert found["5 nearest"](point) == pytest.approx(np.mean(near))


def test_a_cell_and_the_shares_outside() -> None:
    def measure(v: np.ndarray) -> float:
        return float(v[0])

    own = [np.array([float(n)]) for n in range(4)]  # the limit is the largest: 3
    strange = [np.array([2.5]), np.array([9.0])]
    assert _cell(measure, own, strange) == "0.88 (50%)"
    scan = graded_scan("mild_0", "mild")
    looks = [LungLook(-2000.0, 0.0), LungLook(-1500.0, 1000.0)]
    assert _outside(looks, [scan]) == "100%, 0%"
