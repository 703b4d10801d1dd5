"""Spectral pooling: the matrix form against the Fourier transform it stands for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from groundglass.networks.spectral_pool import (
    SpectralLowPass2d,
    SpectralPool2d,
    _apply_channels_last,
    low_pass_matrix,
    spectral_matrix,
)


def crop_spectrum(spectrum: np.ndarray, axis: int, size: int) -> np.ndarray:
    """Keep the centered `size` frequencies of one axis; at even sizes fold the Nyquist pair."""
    moved = np.moveaxis(spectrum, axis, 0)
    full = len(moved)
    if size == full:
        return spectrum
    out = np.zeros((size, *moved.shape[1:]), dtype=complex)
    for k in range(-((size - 1) // 2), (size - 1) // 2 + 1):
        out[k % size] = moved[k % full]
    if size % 2 == 0:
        half = size // 2
        out[half] = (moved[half] + moved[-half % full]) / 2
    return np.moveaxis(out, 0, axis)


def fft_pool(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The reference: DFT, crop, inverse DFT, mean kept. Shape (..., H, W) -> (..., h, w)."""
    spectrum = np.fft.fft2(x)
    for axis, length in zip((-2, -1), size, strict=True):
        spectrum = crop_spectrum(spectrum, axis, length)
    scale = (size[0] * size[1]) / (x.shape[-2] * x.shape[-1])
    pooled = np.fft.ifft2(spectrum) * scale
    assert np.abs(pooled.imag).max() < 1e-12  # the crop is conjugate-symmetric
    return pooled.real


def cosine(height: int, width: int, rows: int, columns: int) -> np.ndarray:
    """A pure 2-D cosine with `rows` periods down and `columns` across."""
    i, j = np.mgrid[:height, :width]
    return np.cos(2 * np.pi * (rows * i / height + columns * j / width))


def pool(x: np.ndarray, factor: int = 2) -> np.ndarray:
    return SpectralPool2d(factor)(torch.from_numpy(x)[None, None])[0, 0].numpy()


@pytest.mark.parametrize(
    ("shape", "factor"),
    [((8, 12), 2), ((9, 13), 2), ((8, 13), 2), ((10, 6), 2), ((12, 20), 4), ((15, 9), 3)],
)
def test_the_matrix_form_is_the_fft_form(shape: tuple[int, int], factor: int) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, *shape))
    ours = SpectralPool2d(factor)(torch.from_numpy(x)).numpy()
    size = -(-shape[0] // factor), -(-shape[1] // factor)
    assert ours.shape == (2, 3, *size)
    np.testing.assert_allclose(ours, fft_pool(x, size), atol=1e-12)


@pytest.mark.parametrize("shape", [(8, 12), (9, 13), (16, 7)])
def test_the_low_pass_is_cropping_and_padding_the_spectrum(shape: tuple[int, int]) -> None:
    x = np.random.default_rng(1).standard_normal(shape)
    half = (shape[0] + 1) // 2, (shape[1] + 1) // 2
    small = fft_pool(x, half)
    back = spectral_matrix(half[0], shape[0]) @ small @ spectral_matrix(half[1], shape[1]).T
    ours = SpectralLowPass2d()(torch.from_numpy(x)[None, None])[0, 0].numpy()
    np.testing.assert_allclose(ours, back, atol=1e-12)
    assert ours.shape == shape


@pytest.mark.parametrize("size", [(6, 10), (7, 9), (1, 2)])
def test_a_constant_keeps_its_value(size: tuple[int, int]) -> None:
    x = np.full(size, 3.25)
    np.testing.assert_allclose(pool(x), 3.25, atol=1e-12)
    low = SpectralLowPass2d()(torch.from_numpy(x)[None, None]).numpy()
    np.testing.assert_allclose(low, 3.25, atol=1e-12)


def test_the_mean_of_any_map_is_kept() -> None:
    x = np.random.default_rng(2).standard_normal((12, 18))
    assert pool(x).mean() == pytest.approx(x.mean(), abs=1e-12)


@pytest.mark.parametrize(("rows", "columns"), [(1, 0), (0, 2), (1, 3), (2, 1)])
def test_a_slow_cosine_stays_itself_in_its_own_axes(rows: int, columns: int) -> None:
    """The trap of this family: transforming width and channel. Non-square, so axes show."""
    pooled = pool(cosine(12, 20, rows, columns))
    assert pooled.shape == (6, 10)
    np.testing.assert_allclose(pooled, cosine(6, 10, rows, columns), atol=1e-12)


@pytest.mark.parametrize(("rows", "columns"), [(5, 0), (0, 7), (5, 1), (1, 9)])
def test_a_fast_cosine_is_removed(rows: int, columns: int) -> None:
    x = cosine(12, 20, rows, columns)
    np.testing.assert_allclose(pool(x), 0, atol=1e-12)
    low = SpectralLowPass2d()(torch.from_numpy(x)[None, None]).numpy()
    np.testing.assert_allclose(low, 0, atol=1e-12)


def test_channels_do_not_mix() -> None:
    x = torch.zeros(1, 3, 8, 8)
    x[0, 1] = torch.randn(8, 8)
    pooled = SpectralPool2d(2)(x)
    assert pooled[0, [0, 2]].abs().max() == 0
    assert pooled[0, 1].abs().max() > 0


@pytest.mark.parametrize("size", [1, 2, 7, 8])
def test_equal_sizes_are_the_identity(size: int) -> None:
    np.testing.assert_allclose(spectral_matrix(size, size), np.eye(size), atol=1e-12)


@pytest.mark.parametrize("size", [2, 5, 8, 9])
def test_the_low_pass_is_a_projection(size: int) -> None:
    """Once low, twice is the same; at even half sizes the Nyquist pair is halved each time."""
    matrix = low_pass_matrix(size)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    if (size + 1) // 2 % 2:
        np.testing.assert_allclose(matrix @ matrix, matrix, atol=1e-12)


def test_pooling_the_spectrum_to_one_term_is_the_global_average() -> None:
    x = np.random.default_rng(3).standard_normal((6, 10))
    one = spectral_matrix(6, 1) @ x @ spectral_matrix(10, 1).T
    assert one.item() == pytest.approx(x.mean(), abs=1e-12)
    whole = torch.nn.AdaptiveAvgPool2d(1)(torch.from_numpy(x)[None]).item()
    assert one.item() == pytest.approx(whole, abs=1e-12)


def test_gradients_pass() -> None:
    x = torch.randn(1, 2, 6, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(SpectralPool2d(2), x)
    assert torch.autograd.gradcheck(SpectralLowPass2d(), x)


@pytest.mark.parametrize("shape", [(13, 17), (8, 12)])
def test_the_channels_last_form_is_the_same_map(shape: tuple[int, int]) -> None:
    """What GPUs compute."""
    x = torch.randn(2, 3, *shape).to(memory_format=torch.channels_last)
    for layer in (SpectralPool2d(2), SpectralLowPass2d()):
        expected = layer(x)
        rows, columns = next(iter(layer._made.values()))
        found = _apply_channels_last(x, rows, columns)
        assert found.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_matrices_made_in_inference_serve_training() -> None:
    layer, x = SpectralPool2d(2), torch.randn(1, 1, 8, 8)
    with torch.inference_mode():
        layer(x)
    layer(x.requires_grad_()).sum().backward()
    assert x.grad is not None
    assert len(layer._made) == 1
