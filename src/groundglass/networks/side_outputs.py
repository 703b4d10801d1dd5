"""What a network with deep supervision returns when asked for more than its mask."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class SideOutputs(NamedTuple):
    """All outputs of a network with `has_side_outputs = True`, called with `side_outputs=True`.

    `masks`: logits (N, 1, H, W) at the size of the input, the main one first, then from fine to
    coarse (a paper's own order where it has one). `edge`: logits (N, 1, H, W) of the lesions'
    edge, or None.
    """

    masks: tuple[Tensor, ...]
    edge: Tensor | None = None
