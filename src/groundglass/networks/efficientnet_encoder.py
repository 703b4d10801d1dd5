"""EfficientNet as the encoder of a TA-SegNet."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from groundglass.errors import MissingExtraError, SettingsError
from groundglass.networks.encoder import Encoder


@dataclass(frozen=True)
class EfficientNetKind:
    """One member of the family. `blocks` as MONAI writes a stage: repeats, kernel, stride,
    expansion, channels in and out, squeeze and excitation; `activation` None: MONAI's own (SiLU).
    """

    name: str
    blocks: tuple[str, ...]
    activation: Callable[[], nn.Module] | None = None


B0 = EfficientNetKind(
    "EfficientNet-B0",
    (
        "r1_k3_s11_e1_i32_o16_se0.25",
        "r2_k3_s22_e6_i16_o24_se0.25",
        "r2_k5_s22_e6_i24_o40_se0.25",
        "r3_k3_s22_e6_i40_o80_se0.25",
        "r3_k5_s11_e6_i80_o112_se0.25",
        "r4_k5_s22_e6_i112_o192_se0.25",
        "r1_k3_s11_e6_i192_o320_se0.25",
    ),
)
"""Source: Tan & Le, EfficientNet, ICML 2019, Table 1."""

LITE0 = EfficientNetKind(
    "EfficientNet-Lite0",
    tuple(stage.removesuffix("_se0.25") for stage in B0.blocks),
    partial(nn.ReLU6, inplace=True),
)
"""B0 without squeeze and excitation, and with ReLU6: what exports and quantizes well. Its first
and last layers would not scale with the width; at base 16 nothing does.

Source: Liu, "Higher accuracy on vision models with EfficientNet-Lite", TensorFlow blog, 2020."""

_LAST_OF_ITS_SIZE = (0, 1, 2, 4, 6)
"""The stages whose maps are the last at 1/2, 1/4, 1/8, 1/16 and 1/32."""


class EfficientNetEncoder(Encoder):
    """An EfficientNet without its classifier, from MONAI, for one gray channel.

    Source: CovTANet section III-C and Table I, V8; for the network, see its `kind`.
    Shape: (N, 1, H, W), multiples of 32 -> five maps at 1/2 to 1/32 of the size, of 16, 24, 40,
    112 and 320 channels at base 16 (others scale them, rounded to multiples of eight).
    Differs: the paper does not say which of B0 to B7, and starts from ImageNet; here B0 unless
    `kind` says otherwise, from scratch unless `pretrained` names a file: nothing is downloaded.
    Running statistics move by
    a tenth a step as in the other networks, not by a hundredth, which short trainings lack time
    for. No block is skipped at random in training (EfficientNet: up to 20 %), as a run must be
    a function of its settings and seed, interrupted or not.
    Raises: MissingExtraError without MONAI; SettingsError where the file does not fit.
    """

    def __init__(
        self, *, base: int, kind: EfficientNetKind = B0, pretrained: Path | None = None
    ) -> None:
        super().__init__()
        try:
            from monai.networks.nets.efficientnet import EfficientNet
        except ImportError:
            raise MissingExtraError("monai", "train", "the EfficientNet encoder") from None
        norm = ("batch", {"eps": 1e-3, "momentum": 0.1})
        backbone = EfficientNet(
            list(kind.blocks),
            in_channels=1,
            width_coefficient=base / 16,
            norm=norm,
            drop_connect_rate=0.0,
        )
        if pretrained is not None:
            _load_pretrained(backbone, pretrained, kind=kind, base=base)
        # Taken apart, so that the classifier, which nothing here uses, is neither kept nor counted.
        padding, conv, batch_norm = (
            backbone.get_submodule(name) for name in ("_conv_stem_padding", "_conv_stem", "_bn0")
        )
        first = nn.SiLU(inplace=True) if kind.activation is None else kind.activation()
        self.stem = nn.Sequential(padding, conv, batch_norm, first)
        self.stages = nn.ModuleList(backbone.get_submodule("_blocks").children())
        if kind.activation is not None:
            for stage in self.stages:
                for block in stage.children():
                    block._swish = kind.activation()
        last_blocks = [[*self.stages[i].children()][-1] for i in _LAST_OF_ITS_SIZE]
        self.widths = tuple(
            block.get_parameter("_project_conv.weight").shape[0] for block in last_blocks
        )
        self.finest = 2

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        maps: list[Tensor] = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in _LAST_OF_ITS_SIZE:
                maps.append(x)
        return maps


def _load_pretrained(backbone: nn.Module, path: Path, *, kind: EfficientNetKind, base: int) -> None:
    """Fill `backbone` from a state dict of EfficientNet, as MONAI or EfficientNet-PyTorch names it.

    The latter is the format of the ImageNet files. Kernels of the first convolution for three
    channels are added up over them, which is the gray image given as each of the three. The
    classifier is left as it is, and so are the counts of batches, which older files lack.
    Raises: SettingsError.
    """
    given = _read(path, kind)
    wanted = backbone.state_dict()
    for name, tensor in wanted.items():
        if name.startswith(("_conv_head", "_bn1", "_fc")) or name.endswith("_batches_tracked"):
            continue
        # MONAI numbers blocks within stages, _blocks.1.2, where the ImageNet files number blocks
        # alone.
        value = given.get(name, given.get(re.sub(r"^_blocks\.\d+\.", "_blocks.", name)))
        if value is not None and value.ndim == 4 and name == "_conv_stem.weight":
            value = value.sum(dim=1, keepdim=True)
        if value is None or value.shape != tensor.shape:
            found = "is missing" if value is None else f"has the shape {tuple(value.shape)}"
            raise SettingsError(
                f"{name} {found} in the encoder weights {path}",
                expected=f"{kind.name}, as wide as at base {base}: there {tuple(tensor.shape)}",
                remedy="Name such a file; those of ImageNet fit base 16 alone",
            )
        wanted[name] = value
    backbone.load_state_dict(wanted)


def _read(path: Path, kind: EfficientNetKind) -> dict[str, Tensor]:
    """Raises: SettingsError where there is no file, or it is not a state dict."""
    expected = f"a state dict of {kind.name}, saved by torch"
    if not path.is_file():
        raise SettingsError(
            f"encoder weights {path} are not there",
            expected=expected,
            remedy="Check the path; nothing is downloaded",
        )
    try:
        given = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what torch raises depends on what it stumbles over
        raise SettingsError(
            f"encoder weights {path} cannot be read ({type(error).__name__})",
            expected=expected,
            remedy="Get the file again, or name another",
        ) from error
    if not isinstance(given, dict) or not all(isinstance(x, Tensor) for x in given.values()):
        raise SettingsError(
            f"encoder weights {path} hold something else ({type(given).__name__})",
            expected=expected,
            remedy="Save the state dict alone",
        )
    return given
