"""Convolution, batch norm, activation: the unit that most of the rivals are made of."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn


class ConvNormAct(nn.Sequential):
    """Convolution, batch norm and an activation, ReLU unless another (or None) is handed in.

    Shape: (N, C, H, W) -> (N, out, H, W), odd kernels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 3,
        *,
        dilation: int = 1,
        act: Callable[[], nn.Module] | None = nn.ReLU,
    ) -> None:
        padding = dilation * (kernel // 2)
        layers: list[nn.Module] = [
            nn.Conv2d(
                in_channels, out_channels, kernel, padding=padding, dilation=dilation, bias=False
            ),
            nn.BatchNorm2d(out_channels),
        ]
        if act is not None:
            layers.append(act())
        super().__init__(*layers)


def he_init(network: nn.Module) -> None:
    """He's normal start for every convolution: deep stacks of ReLU barely move from others."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
