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


class _Resampling2d(nn.Module):
    """`A @ X @ B.T` with matrices that depend on the size alone.

    They are made once for each size, type and device: copied anew at every call, they would cost a
    GPU more than the product does, and could not be part of a CUDA graph.
    """

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[object, tuple[torch.Tensor, torch.Tensor]] = {}

    def _matrices(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = int(x.shape[-2]), int(x.shape[-1])
        key = (height, width, x.dtype, x.device)
        if key not in self._made:
            # Made during inference they must still serve training.
            with torch.inference_mode(False):
                rows, columns = (
                    torch.as_tensor(matrix, dtype=x.dtype, device=x.device)
                    for matrix in self._matrices(height, width)
                )
            self._made[key] = rows, columns
        rows, columns = self._made[key]
        if x.is_cuda and x.is_contiguous(memory_format=torch.channels_last):
            return _apply_channels_last(x, rows, columns)
        return torch.matmul(torch.matmul(rows, x), columns.t())


def _apply_channels_last(
    x: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor
) -> torch.Tensor:
    """The same product on (N, H, W, C) as it lies in memory, so that nothing is transposed."""
    count, channels, height, width = x.shape
    lying = x.permute(0, 2, 3, 1)
    tall = torch.matmul(rows, lying.reshape(count, height, width * channels))
    wide = torch.matmul(columns, tall.reshape(-1, width, channels))
    return wide.reshape(count, rows.shape[0], columns.shape[0], channels).permute(0, 3, 1, 2)


class SpectralPool2d(_Resampling2d):
    """Spectral pooling by a factor: DFT, keep the centered low frequencies, inverse DFT.

    Source: CHS-Net section 3.1.1, Eq. 2.
    Shape: (N, C, H, W) -> (N, C, ceil(H / factor), ceil(W / factor)).
    Differs: the paper leaves scale and symmetry open; ours keeps the mean and gives a real
    result at even sizes too.
    """

    def __init__(self, factor: int = 2) -> None:
        super().__init__()
        self.factor = factor

    def _matrices(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        return (
            spectral_matrix(height, -(-height // self.factor)),
            spectral_matrix(width, -(-width // self.factor)),
        )


class SpectralLowPass2d(_Resampling2d):
    """'Same' spectral pooling: low-pass to half the band, at full size.

    Source: CHS-Net section 3.1.1 ("valid or same padding"), the inception block's fourth branch.
    Shape: (N, C, H, W) -> the same.
    """

    def _matrices(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        return low_pass_matrix(height), low_pass_matrix(width)
