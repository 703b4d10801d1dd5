"""Batch statistics that belong to the weights they are used with."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@torch.no_grad()
def refresh_batch_norm(
    network: nn.Module,
    batches: Iterable[torch.Tensor | tuple[torch.Tensor, ...]],
    *,
    mixed_precision: bool = False,
) -> None:
    """Recompute every batch norm's mean and variance as the plain mean over `batches`.

    A running average of weights needs statistics of its own: the running ones belong to the
    weights of some steps ago, and after a short training they still hold their start.
    Source: Izmailov et al. 2018 (stochastic weight averaging, section 3.2).
    Shape: each batch (N, 1, H, W), or a tuple of all that the network is called with. The network
    is left in evaluation mode; one without batch norm stays as it is.
    """
    layers = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    if not layers:
        network.eval()
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean over all batches
    network.train()
    for batch in batches:
        inputs = batch if isinstance(batch, tuple) else (batch,)
        with torch.autocast(inputs[0].device.type, torch.bfloat16, enabled=mixed_precision):
            network(*inputs)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    network.eval()
