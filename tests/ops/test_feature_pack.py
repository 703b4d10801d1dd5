"""Features in few bytes: by hand, and never off by more than is promised."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from groundglass.errors import InputError, SettingsError
from groundglass.ops.feature_pack import (
    RoundingError,
    RoundingMeter,
    pack_features,
    unpack_features,
)

maps = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=4, max_dims=4, max_side=4),
    elements=st.floats(-1e4, 1e4, width=32),
)


def test_eight_bit_by_hand() -> None:
    features = np.array([[[[0.0, 51.0], [102.0, 255.0]], [[-1.0, -1.0], [-1.0, -1.0]]]], np.float32)
    packed = pack_features(features, "uint8")
    assert packed["values"].tolist() == [[[[0, 51], [102, 255]], [[0, 0], [0, 0]]]]
    assert packed["low"].tolist() == [[0.0, -1.0]]
    assert packed["step"].tolist() == [[1.0, 0.0]]  # a flat map comes back as it was
    assert np.array_equal(unpack_features(packed), features)
    assert packed["values"].dtype == np.uint8


def test_a_faint_map_keeps_its_own_scale() -> None:
    """Beside a strong one, and in another slice, it is as fine as its own range allows."""
    faint = np.linspace(0, 1e-3, 16, dtype=np.float32).reshape(4, 4)
    features = np.stack([[faint, 1e5 * faint], [1e3 * faint, faint]])
    back = unpack_features(pack_features(features, "uint8"))
    np.testing.assert_allclose(back[0, 0], faint, atol=1e-3 / 510 * 1.001)
    np.testing.assert_allclose(back[1, 1], faint, atol=1e-3 / 510 * 1.001)


@settings(deadline=None, max_examples=50)
@given(maps)
def test_eight_bit_is_off_by_half_a_step_at_most(features: np.ndarray) -> None:
    packed = pack_features(features, "uint8")
    back = unpack_features(packed)
    assert back.dtype == np.float32
    assert back.shape == features.shape
    span = np.ptp(features, axis=(2, 3))
    largest = np.abs(back - features).max(axis=(2, 3))
    scale = np.abs(features).max(axis=(2, 3))
    assert (largest <= span / 510 + 1e-6 * scale + 1e-30).all()
    low = features.min(axis=(2, 3), keepdims=True)
    assert (back[features == low] == features[features == low]).all()  # so zeros stay zeros


@settings(deadline=None, max_examples=50)
@given(maps)
def test_half_precision_is_off_by_its_rounding_at_most(features: np.ndarray) -> None:
    packed = pack_features(features, "float16")
    assert set(packed) == {"values"}
    assert packed["values"].dtype == np.float16
    error = np.abs(unpack_features(packed) - features)
    assert (error <= np.abs(features) / 2048 + 2.0**-25).all()


def test_what_cannot_be_stored_is_refused() -> None:
    one = np.ones((1, 1, 1, 1), np.float32)
    with pytest.raises(SettingsError, match="storage is 'int4'; expected uint8 or float16"):
        pack_features(one, "int4")  # pyright: ignore[reportArgumentType]
    for storage in ("uint8", "float16"):
        for odd in (np.nan, np.inf):
            with pytest.raises(InputError, match="not finite"):
                pack_features(odd * one, storage)
    with pytest.raises(InputError, match=r"reach 70000; .* Store them as uint8"):
        pack_features(7e4 * one, "float16")
    assert unpack_features(pack_features(7e4 * one, "uint8")).item() == 7e4


def test_the_rounding_error_adds_up_over_batches() -> None:
    meter = RoundingMeter()
    assert meter.error == RoundingError(0.0, 0.0, 0.0)
    stored = {"values": np.zeros((1, 1, 1, 2), np.float16)}
    meter.add(np.array([[[[3.0, 0.0]]]], np.float32), stored)
    meter.add(np.array([[[[0.0, -4.0]]]], np.float32), stored)
    assert meter.error == RoundingError(largest=4.0, rms=2.5, relative=1.0)
