"""Any image size through networks that halve it: pad to a multiple inside, crop back."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Zeros below and to the right. Shape: (N, C, H, W) -> H and W multiples of `multiple`."""
    pad_h, pad_w = -int(x.shape[-2]) % multiple, -int(x.shape[-1]) % multiple
    return functional.pad(x, (0, pad_w, 0, pad_h)) if pad_h or pad_w else x


def bilinear_to(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear resampling, corners not aligned. Shape: (N, C, h, w) -> (N, C, *size)."""
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=False)


def average_to(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Adaptive average pooling, which ONNX does not know.

    An export averages blocks, or, where they are not equal, multiplies by two small matrices: the
    same values in another order. Shape: (N, C, h, w) -> (N, C, *size).
    """
    if not torch.onnx.is_in_onnx_export():
        return functional.adaptive_avg_pool2d(x, size)
    height, width = int(x.shape[-2]), int(x.shape[-1])
    if height % size[0] or width % size[1]:
        return averages(height, size[0]).to(x) @ x @ averages(width, size[1]).to(x).T
    return functional.avg_pool2d(x, (height // size[0], width // size[1]))


def averages(length: int, parts: int) -> Tensor:
    """The matrix whose rows average the parts of an axis as adaptive pooling cuts it.

    Shape: (`parts`, `length`) float32.
    """
    out = torch.zeros(parts, length)
    for part in range(parts):
        start, end = part * length // parts, -(-(part + 1) * length // parts)
        out[part, start:end] = 1 / (end - start)
    return out
