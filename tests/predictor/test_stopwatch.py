"""Seconds add up by stage, also where a stage fails."""

from __future__ import annotations

import pytest

from groundglass.predictor.stopwatch import Stopwatch, peak_memory_mib


def test_stages_add_up_in_order() -> None:
    watch = Stopwatch()
    for name in ("b", "a", "b"):
        with watch.stage(name):
            pass
    assert list(watch.seconds) == ["b", "a"]
    assert all(spent >= 0 for spent in watch.seconds.values())


def test_a_failing_stage_is_counted() -> None:
    watch = Stopwatch()
    with pytest.raises(KeyError), watch.stage("x"):
        raise KeyError
    assert "x" in watch.seconds


def test_peak_memory_is_that_of_a_python() -> None:
    assert 10 < peak_memory_mib() < 1_000_000
