"""Any image size through networks that halve it: pad to a multiple inside, crop back."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Zeros below and to the right. Shape: (N, C, H, W) -> H and W multiples of `multiple`."""
    pad_h, pad_w = -int(x.shape[-2]) % multiple, -int(x.shape[-1]) % multiple
    return functional.pad(x, (0, pad_w, 0, pad_h)) if pad_h or pad_w else x


def bilinear_to(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear resampling, corners not aligned. Shape: (N, C, h, w) -> (N, C, *size)."""
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=False)
