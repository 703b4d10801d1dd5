"""The rivals of CovTANet's Table IV: encoders of slices, each under the same joint head."""

from __future__ import annotations

from torch import Tensor, nn

from groundglass.errors import MissingExtraError
from groundglass.networks.conv_norm_act import ConvNormAct
from groundglass.networks.covtanet import VolumeClassifier
from groundglass.networks.inception_v3 import InceptionV3
from groundglass.networks.regional_features import SliceEncoder, to_regions
from groundglass.networks.vgg import VGG19
from groundglass.networks.xception import Xception

SMALLEST = 64
"""At 64 x 64 the last map of each is 2 x 2: in train mode batch norm can take one slice alone."""


class TrunkEncoder(SliceEncoder):
    """A network made for photographs as an encoder of slices: its last map, brought to F_reg.

    The map's regions are averaged, and Conv 1, batch norm, ReLU bring its channels (up to 2048) to
    those of F_reg, so that behind the encoder all classifiers are the same.

    Source: CovTANet section III-E, "slice-wise processing of the CT-volumes in the
    joint-classification scheme discarding the TA-SegNet", Table IV.
    Shape: gray slices (N, 1, H, W), H and W of 64 or more -> (N, 8 base, 4, 4).
    Differs: how their maps enter the scheme is not given. They start from scratch, as all networks
    here do; whether the paper's start from ImageNet is not said.
    """

    def __init__(self, trunk: nn.Module, trunk_channels: int, *, base: int) -> None:
        super().__init__()
        self.in_channels, self.channels, self.smallest = 1, 8 * base, SMALLEST
        self.trunk = trunk
        self.narrow = ConvNormAct(trunk_channels, self.channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.narrow(to_regions(self.trunk(x)))


def vgg_19(*, base: int = 16) -> VolumeClassifier:
    """VGG-19 under the joint head. Source: CovTANet Table IV."""
    trunk = VGG19(base=base)
    return VolumeClassifier(TrunkEncoder(trunk, trunk.channels, base=base))


def xception(*, base: int = 16) -> VolumeClassifier:
    """Xception under the joint head. Source: CovTANet Table IV."""
    trunk = Xception(base=base)
    return VolumeClassifier(TrunkEncoder(trunk, trunk.channels, base=base))


def inception_v3(*, base: int = 16) -> VolumeClassifier:
    """Inception-v3 under the joint head. Source: CovTANet Table IV."""
    trunk = InceptionV3(base=base)
    return VolumeClassifier(TrunkEncoder(trunk, trunk.channels, base=base))


def resnet_50(*, base: int = 16) -> VolumeClassifier:
    """ResNet-50, from MONAI, under the joint head.

    Source: CovTANet Table IV; He, Zhang, Ren, Sun, CVPR 2016, Table 1.
    Differs: one gray channel; the stride lies in the 3 x 3 convolution of a bottleneck, as in most
    implementations since, not in the 1 x 1 before it.
    Raises: MissingExtraError without MONAI.
    """
    try:
        from monai.networks.nets.resnet import ResNet
    except ImportError:
        raise MissingExtraError("monai", "train", "ResNet-50") from None
    planes = [4 * base * 2**i for i in range(4)]
    network = ResNet(
        "bottleneck",
        [3, 4, 6, 3],
        planes,
        spatial_dims=2,
        n_input_channels=1,
        conv1_t_stride=2,
        feed_forward=False,
        bias_downsample=False,
    )
    names = ("conv1", "bn1", "act", "maxpool", "layer1", "layer2", "layer3", "layer4")
    trunk = nn.Sequential(*(network.get_submodule(name) for name in names))
    return VolumeClassifier(TrunkEncoder(trunk, 4 * planes[-1], base=base))


def densenet_121(*, base: int = 16) -> VolumeClassifier:
    """DenseNet-121, from MONAI, under the joint head.

    Source: CovTANet Table IV; Huang, Liu, van der Maaten, Weinberger, CVPR 2017, Table 1.
    Differs: one gray channel.
    Raises: MissingExtraError without MONAI.
    """
    try:
        from monai.networks.nets.densenet import DenseNet
    except ImportError:
        raise MissingExtraError("monai", "train", "DenseNet-121") from None
    network = DenseNet(2, 1, 1, init_features=4 * base, growth_rate=2 * base)
    trunk = nn.Sequential(network.features, nn.ReLU(inplace=True))
    channels = network.get_parameter("features.norm5.weight").numel()
    return VolumeClassifier(TrunkEncoder(trunk, channels, base=base))
