"""Fig. 8: what is measured under the pictures, and the pictures."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from groundglass.errors import InputError, MissingExtraError
from groundglass.studies.pooling_figure import (
    FACTORS,
    as_blocks,
    draw_pooling,
    pool_slice,
    sample_slice,
)

pytest.importorskip("torch")


def ramp(height: int = 32, width: int = 48) -> np.ndarray:
    row = np.arange(height)[:, None] / height
    column = np.arange(width)[None, :] / width
    return (100 + 50 * np.cos(2 * np.pi * row) + 20 * np.sin(2 * np.pi * column)).astype(np.float32)


def test_blocks() -> None:
    small = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert as_blocks(small, (4, 4))[0].tolist() == [1, 1, 2, 2]
    # a value that belongs to its block's first pixel is the nearest from both sides, and wraps
    assert as_blocks(small, (4, 8), on_first_pixel=True)[0].tolist() == [1, 1, 2, 2, 2, 2, 1, 1]
    assert as_blocks(np.ones((2, 3)), (5, 7)).shape == (5, 7)


def test_spectral_pooling_restores_what_is_smooth() -> None:
    one = pool_slice(ramp(), "spectral", 8)
    assert one.read_back == pytest.approx(0, abs=1e-5)
    assert one.values.shape == (4, 6)
    # the samples are the slice at each block's first pixel
    np.testing.assert_allclose(one.values, ramp()[::8, ::8], atol=1e-3)
    assert 0 < one.error < 1


def test_max_pooling_brightens_and_average_is_the_best_map_of_blocks() -> None:
    noisy = ramp() + np.random.default_rng(0).normal(0, 10, (32, 48)).astype(np.float32)
    brightest, mean = pool_slice(noisy, "max", 4), pool_slice(noisy, "average", 4)
    assert brightest.shown.min() >= noisy.min()
    assert (brightest.shown >= noisy).all()
    assert mean.error < brightest.error
    assert mean.error == pytest.approx(
        float(np.sqrt(np.mean((mean.shown - noisy) ** 2)) / noisy.std())
    )


def test_ringing_is_measured() -> None:
    edge = np.zeros((32, 32), dtype=np.float32)
    edge[8:24, 8:24] = 100
    assert pool_slice(edge, "spectral", 2).beyond > 0.01
    assert pool_slice(edge, "max", 2).beyond == 0


@pytest.mark.parametrize(
    ("image", "method", "what"),
    [
        (np.zeros((8, 8)), "max", "values 0.0 to 0.0"),
        (ramp(8, 3), "max", r"\(8, 3\)"),
        (np.ones((2, 8, 8)), "max", r"\(2, 8, 8\)"),
        (ramp(), "median", "median"),
    ],
)
def test_odd_input_is_refused(image: np.ndarray, method: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        pool_slice(image, method, 4)


def test_what_the_figure_says_of_the_sample_slice(tmp_path: Path) -> None:
    """The sentences of the module's docstring, on the slice that ships."""
    pytest.importorskip("matplotlib")
    found = {(one.method, one.factor): one for one in draw_pooling(tmp_path / "fig8.png")}
    assert sample_slice().shape == (256, 256)
    for factor in FACTORS:
        spectral = found["spectral", factor]
        assert spectral.error < found["max", factor].error
        assert spectral.read_back is not None
        assert spectral.read_back < found["average", factor].error
    for factor in (2, 8, 16):
        assert found["average", factor].error < found["spectral", factor].error
    assert found["spectral", 2].beyond > 0.05
    assert (tmp_path / "fig8.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["fig8.png"]


def test_without_matplotlib_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"groundglass\[train\]"):
        draw_pooling(tmp_path / "fig8.png", ramp())
