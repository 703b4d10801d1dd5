"""Which slices of a scan a classifier is given."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundglass.errors import SettingsError
from groundglass.ops.slice_choice import choose_slices


def lungs(depth: int, first: int, last: int) -> np.ndarray:
    found = np.zeros(depth, bool)
    found[first : last + 1] = True
    return found


def test_by_hand() -> None:
    assert choose_slices(lungs(20, 4, 15), 4).tolist() == [5, 8, 11, 14]  # of 12, the middle of 3
    assert choose_slices(lungs(20, 4, 15), 4, offset=0.0).tolist() == [4, 7, 10, 13]
    assert choose_slices(lungs(20, 4, 15), 4, offset=0.99).tolist() == [6, 9, 12, 15]
    assert choose_slices(lungs(20, 4, 15), 4, offset=np.nextafter(1, 0)).tolist() == [6, 9, 12, 15]
    assert choose_slices(lungs(3, 0, 2), 2, offset=np.nextafter(1, 0)).tolist() == [1, 2]
    assert choose_slices(lungs(20, 4, 15), 1).tolist() == [10]
    assert choose_slices(lungs(20, 4, 15), 12).tolist() == list(range(4, 16))
    assert choose_slices(lungs(20, 4, 15), 64).tolist() == list(range(4, 16))


def test_gaps_belong_to_the_extent_and_a_scan_without_lung_is_taken_whole() -> None:
    found = lungs(9, 2, 6)
    found[4] = False
    assert choose_slices(found, 64).tolist() == [2, 3, 4, 5, 6]
    assert choose_slices(np.zeros(6, bool), 3).tolist() == [1, 3, 5]
    assert choose_slices(np.zeros(2, bool), 3).tolist() == [0, 1]


@settings(deadline=None)
@given(st.data())
def test_evenly_spaced_within_the_extent(data: st.DataObject) -> None:
    depth = data.draw(st.integers(1, 700))
    first = data.draw(st.integers(0, depth - 1))
    last = data.draw(st.integers(first, depth - 1))
    most = data.draw(st.integers(1, 80))
    offset = data.draw(st.floats(0, 1, exclude_max=True))
    found = choose_slices(lungs(depth, first, last), most, offset=offset)
    count = last - first + 1
    assert len(found) == min(most, count)
    assert found[0] >= first
    assert found[-1] <= last
    steps = np.diff(found)
    assert (steps >= 1).all()
    if steps.size and count > most:
        assert steps.max() - steps.min() <= 1
        assert found[0] - first <= count / most
        assert last - found[-1] <= count / most


@pytest.mark.parametrize(("most", "offset"), [(0, 0.5), (4, 1.0), (4, -0.1)])
def test_bad_choices_are_refused(most: int, offset: float) -> None:
    with pytest.raises(SettingsError, match=r"slices at offset .* expected 1 slice or more"):
        choose_slices(np.ones(3, bool), most, offset=offset)
