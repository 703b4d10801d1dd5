"""Whether a scan is like others, by numbers that can be computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundglass.errors import InputError, WeightsError
from groundglass.metrics.familiarity import FEWEST, Familiar, Limit, LungLook, PooledFeatures


def test_pooled_by_hand() -> None:
    maps = np.array([[[[0.0, 2.0]], [[1.0, 1.0]]], [[[4.0, 6.0]], [[1.0, 1.0]]]])  # (2, 2, 1, 2)
    assert PooledFeatures.of(maps).tolist() == [3.0, 1.0, np.sqrt(5.0), 0.0]


@given(st.integers(0, 2**31 - 1), st.integers(1, 5))
@settings(deadline=None, max_examples=25)
def test_parts_add_up_to_the_whole(seed: int, cut: int) -> None:
    maps = np.random.default_rng(seed).normal(3, 2, (6, 4, 3, 3)).astype(np.float32)
    parts = PooledFeatures()
    parts.add(maps[:cut])
    parts.add(maps[cut:])
    np.testing.assert_allclose(parts.vector, PooledFeatures.of(maps), rtol=1e-6)
    flat = maps.transpose(1, 0, 2, 3).reshape(4, -1).astype(float)
    expected = np.concatenate([flat.mean(axis=1), flat.std(axis=1)])
    np.testing.assert_allclose(parts.vector, expected, rtol=1e-6)


def test_nothing_has_no_vector() -> None:
    with pytest.raises(InputError, match="no feature map was added"):
        _ = PooledFeatures().vector


def cloud(count: int, *, seed: int = 0) -> list[np.ndarray]:
    """Two numbers that go together (correlation 0.95), one of a hundred times the scale."""
    rng = np.random.default_rng(seed)
    both = rng.standard_normal((count, 2)) @ np.linalg.cholesky([[1, 0.95], [0.95, 1]]).T
    return list(both * [1, 100] + [5, 700])


def test_distance_knows_scale_and_what_goes_together() -> None:
    familiar = Familiar.of(cloud(4000))
    assert familiar.distance(np.array([5.0, 700.0])) < 0.1
    along = familiar.distance(np.array([7.0, 900.0]))  # both two deviations up
    across = familiar.distance(np.array([7.0, 500.0]))  # one up, one down
    # By hand: the squares are 2 * 4 / (1 + r) and 2 * 4 / (1 - r), over two numbers.
    assert along == pytest.approx(np.sqrt(4 / 1.95), rel=0.05)
    assert across == pytest.approx(np.sqrt(4 / 0.05), rel=0.1)
    typical = [familiar.distance(one) for one in cloud(500, seed=1)]
    assert np.sqrt(np.mean(np.square(typical))) == pytest.approx(1, rel=0.1)


def test_fewer_scans_than_numbers_still_measure() -> None:
    rng = np.random.default_rng(0)
    vectors = list(rng.standard_normal((6, 40)))
    familiar = Familiar.of(vectors)
    fresh = familiar.distance(rng.standard_normal(40))
    far = familiar.distance(5 * rng.standard_normal(40))
    assert np.isfinite(familiar.precision).all()
    assert far > 3 * fresh


def test_a_number_that_never_changed_is_not_infinitely_telling() -> None:
    vectors = [np.array([1.0, 0.0]), np.array([2.0, 0.0]), np.array([3.0, 0.0])]
    found = Familiar.of(vectors).distance(np.array([2.0, 1e-4]))
    assert found < 10


def test_bytes_come_back_and_others_are_refused() -> None:
    familiar = Familiar.of(cloud(20))
    again = Familiar.from_bytes(familiar.to_bytes())
    point = np.array([1.0, 2.0])
    assert again.distance(point) == familiar.distance(point)
    for content in (b"", b"not a zip", familiar.to_bytes()[:100]):
        with pytest.raises(WeightsError, match="what the classifier knows is damaged"):
            Familiar.from_bytes(content)
    with pytest.raises(InputError, match=r"shape \(3,\); expected \(2,\)"):
        familiar.distance(np.zeros(3))


@pytest.mark.parametrize("vectors", [[np.ones(3)], [np.ones(3), np.ones(3)]])
def test_nothing_to_compare_with_is_refused(vectors: list[np.ndarray]) -> None:
    with pytest.raises(InputError):
        Familiar.of(vectors)


def test_each_scan_is_left_out_in_turn() -> None:
    vectors = cloud(5)
    third = Familiar.of([*vectors[:2], *vectors[3:]]).distance(vectors[2])
    assert Familiar.left_out(vectors)[2] == third


def test_the_look_of_the_lungs_by_hand() -> None:
    frames = np.array([[[-800, 9], [-830, 9], [-810, 9]], [[-900, 9], [0, 9], [0, 9]]], np.int16)
    lungs = np.array([[[1, 0], [1, 0], [1, 0]], [[1, 0], [0, 0], [0, 0]]], np.uint8)
    assert LungLook.of(frames, lungs) == LungLook(-820.0, 25.0)  # of 30 and 20
    gray = np.array([[[3], [250]]], np.uint8)  # no wrap around
    assert LungLook.of(gray, np.ones_like(gray)) == LungLook(126.5, 247.0)
    assert LungLook.of(frames[1:], lungs[1:]) is None
    assert LungLook.of(frames[:0], lungs[:0]) is None


def test_limits_by_hand() -> None:
    assert FEWEST == 19
    many = Limit.of([float(n) for n in range(1, 40)])  # 0.95 of 40 is 38
    assert many.value == 38
    assert "number 38 from the least of the distances of 39 held-out scans" in many.rule
    assert "about 5 % lie beyond" in many.rule
    few = Limit.of([1.0, 3.0, 2.0])
    assert few.value == 3
    assert "the largest of the distances of 3 held-out scans; of further scans" in few.rule
    assert "about 25 % lie beyond" in few.rule
    joined = Limit.of([1.0, 3.0, 2.0], [5.0] * 7)
    assert joined.value == 5
    assert "3 held-out scans and 7 learned from, each judged by the others" in joined.rule
    alone = Limit.of([1.0] * 19, [5.0] * 7)
    assert alone.value == 1
    with pytest.raises(InputError, match="no held-out scan sets the limit"):
        Limit.of([], [1.0])


def test_so_many_further_scans_lie_beyond() -> None:
    """The promise of the rule, over many draws of the held-out scans."""
    rng = np.random.default_rng(0)
    beyond = [
        float(rng.exponential() > Limit.of(list(rng.exponential(size=39))).value)
        for _ in range(4000)
    ]
    assert np.mean(beyond) == pytest.approx(0.05, abs=0.012)
