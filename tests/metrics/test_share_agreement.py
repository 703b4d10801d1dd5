"""Agreement of shares, by hand."""

from __future__ import annotations

import pytest

from groundglass.errors import InputError
from groundglass.metrics.share_agreement import SharePair, share_agreement


def pair(reference: float, predicted: float, group: str) -> SharePair:
    return SharePair(f"scan {group}", group, reference, predicted)


def test_by_hand() -> None:
    # Errors +1, +3, -1: mean 1, standard deviation 2.
    found = share_agreement([pair(10, 11, "a"), pair(20, 23, "b"), pair(5, 4, "c")])
    assert found.count == 3
    assert found.bias == pytest.approx(1.0)
    assert found.absolute == pytest.approx(5 / 3)
    assert (found.low, found.high) == (pytest.approx(1 - 1.96 * 2), pytest.approx(1 + 1.96 * 2))
    assert found.bias_interval is not None
    assert -1 <= found.bias_interval.low <= 1 <= found.bias_interval.high <= 3


def test_one_scan_has_no_limits_and_one_patient_no_interval() -> None:
    one = share_agreement([pair(10, 12, "a")])
    assert (one.bias, one.absolute, one.low, one.high) == (2.0, 2.0, None, None)
    assert one.bias_interval is None
    twice = share_agreement([pair(10, 12, "a"), pair(10, 14, "a")])
    assert twice.bias_interval is None
    assert twice.low == pytest.approx(3 - 1.96 * 2**0.5)


def test_no_scan_is_an_error() -> None:
    with pytest.raises(InputError, match="no scan to compare shares"):
        share_agreement([])
