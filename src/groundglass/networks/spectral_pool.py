"""Spectral pooling: shrink or smooth a feature map by cutting its high frequencies.

The cut is separable and linear, so pooling H x W to h x w is `A @ X @ B.T` with two small real
matrices. That form is fast on every device, differentiable and exports to every engine; the FFT
form lives in the tests as its reference.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import nn


@functools.lru_cache(maxsize=256)
def spectral_matrix(size_in: int, size_out: int) -> np.ndarray:
    """The real (size_out, size_in) float64 matrix that resamples by cropping or padding the DFT.

    Mean-preserving: a constant stays the same constant. Conjugate-symmetric at even sizes: the
    Nyquist term keeps its real part only, so the result is real (Rippel et al. 2015).
    """
    kept = min(size_in, size_out)
    row = np.arange(size_out)[:, None] / size_out
    column = np.arange(size_in)[None, :] / size_in
    matrix = np.ones((size_out, size_in))
    for k in range(1, (kept - 1) // 2 + 1):
        matrix += 2.0 * np.cos(2.0 * np.pi * k * (row - column))
    if kept % 2 == 0:
        half = kept // 2
        matrix += np.cos(2.0 * np.pi * half * row) * np.cos(2.0 * np.pi * half * column)
    return matrix / size_in


@functools.lru_cache(maxsize=256)
def low_pass_matrix(size: int) -> np.ndarray:
    """The real (size, size) matrix that keeps the lower half of the band at full size."""
    half = (size + 1) // 2
    return spectral_matrix(half, size) @ spectral_matrix(size, half)


def _apply(x: torch.Tensor, rows: np.ndarray, columns: np.ndarray) -> torch.Tensor:
    a = torch.as_tensor(rows, dtype=x.dtype, device=x.device)
    b = torch.as_tensor(columns, dtype=x.dtype, device=x.device)
    return torch.matmul(torch.matmul(a, x), b.t())


class SpectralPool2d(nn.Module):
    """Spectral pooling by a factor: DFT, keep the centered low frequencies, inverse DFT.

    Source: CHS-Net section 3.1.1, Eq. 2.
    Shape: (N, C, H, W) -> (N, C, ceil(H / factor), ceil(W / factor)).
    Differs: the paper leaves scale and symmetry open; ours keeps the mean and gives a real
    result at even sizes too.
    """

    def __init__(self, factor: int = 2) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = int(x.shape[-2]), int(x.shape[-1])
        rows = spectral_matrix(height, -(-height // self.factor))
        columns = spectral_matrix(width, -(-width // self.factor))
        return _apply(x, rows, columns)


class SpectralLowPass2d(nn.Module):
    """'Same' spectral pooling: low-pass to half the band, at full size.

    Source: CHS-Net section 3.1.1 ("valid or same padding"), the inception block's fourth branch.
    Shape: (N, C, H, W) -> the same.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = int(x.shape[-2]), int(x.shape[-1])
        return _apply(x, low_pass_matrix(height), low_pass_matrix(width))
