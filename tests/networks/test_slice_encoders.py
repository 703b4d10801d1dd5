"""The rivals of Table IV: their published counts by arithmetic, their sizes, their blocks."""

from __future__ import annotations

import sys
from itertools import pairwise

import pytest
import torch
from torch import nn

from groundglass.classifier_catalog import classifier_entry
from groundglass.errors import MissingExtraError
from groundglass.networks.build import build_classifier
from groundglass.networks.inception_v3 import InceptionV3
from groundglass.networks.slice_encoders import TrunkEncoder
from groundglass.networks.vgg import VGG_19, WIDTHS
from groundglass.networks.xception import Xception, XceptionBlock

RIVALS = ("vgg-19", "resnet-50", "xception", "densenet-121", "inception-v3")


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def trunk(name: str, *, base: int = 16) -> nn.Module:
    entry = classifier_entry(name)
    if entry.needs:
        pytest.importorskip(entry.needs)
    with torch.device("meta" if base == 16 else "cpu"):
        encoder = build_classifier(name, base=base).encoder
    assert isinstance(encoder, TrunkEncoder)
    return encoder.trunk


def normed_channels(network: nn.Module) -> int:
    return sum(m.num_features for m in network.modules() if isinstance(m, nn.BatchNorm2d))


class TestPublishedCounts:
    """Of each, without the classifier, on color images: two channels more in the first layer."""

    def published(self, name: str) -> int:
        return classifier_entry(name).published_parameters or 0

    def test_vgg_19(self) -> None:
        """A weight for each of nine places, and a bias, per pair of widths; batch norm has two."""
        widths = [3, *(width for width, n in zip(WIDTHS, VGG_19, strict=True) for _ in range(n))]
        by_hand = sum(9 * a * b + b for a, b in pairwise(widths))
        assert by_hand == self.published("vgg-19")
        network = trunk("vgg-19")
        assert normed_channels(network) == sum(widths[1:]) == 5504
        assert count(network) + 2 * 64 * 9 - 5504 == by_hand

    def test_resnet_50(self) -> None:
        """25,557,032 with the classifier of 2048 to 1000."""
        assert self.published("resnet-50") == 25_557_032 - 2049 * 1000
        assert count(trunk("resnet-50")) + 2 * 64 * 49 == self.published("resnet-50")

    def test_xception(self) -> None:
        """22,855,952 in Table 3 of its paper, with the classifier; and by blocks."""
        assert self.published("xception") == 22_855_952 - 2049 * 1000

        def separable(a: int, b: int) -> int:
            return 9 * a + a * b + 2 * b

        def shortcut(a: int, b: int) -> int:
            return a * b + 2 * b

        stem = 9 * 3 * 32 + 2 * 32 + 9 * 32 * 64 + 2 * 64
        entry = sum(
            separable(a, b) + separable(b, b) + shortcut(a, b)
            for a, b in ((64, 128), (128, 256), (256, 728))
        )
        middle = 8 * 3 * separable(728, 728)
        leave = separable(728, 728) + separable(728, 1024) + shortcut(728, 1024)
        leave += separable(1024, 1536) + separable(1536, 2048)
        assert stem + entry + middle + leave == self.published("xception")
        assert count(trunk("xception")) + 2 * 32 * 9 == self.published("xception")

    def test_densenet_121(self) -> None:
        """7,978,856 with the classifier of 1024 to 1000; and layer by layer, growing by 32."""
        assert self.published("densenet-121") == 7_978_856 - 1025 * 1000
        channels, total = 64, 3 * 64 * 49 + 2 * 64
        for block, layers in enumerate((6, 12, 24, 16)):
            for _ in range(layers):
                total += 2 * channels + 128 * channels + 2 * 128 + 9 * 128 * 32
                channels += 32
            if block < 3:
                total += 2 * channels + channels * channels // 2
                channels //= 2
        assert total + 2 * channels == self.published("densenet-121")
        assert count(trunk("densenet-121")) + 2 * 64 * 49 == self.published("densenet-121")

    def test_inception_v3(self) -> None:
        """21,768,352 learned in the authors' own, where batch norms have shifts and no scales."""
        network = trunk("inception-v3")
        assert normed_channels(network) == 17_216
        assert self.published("inception-v3") == 21_768_352 + 17_216
        assert count(network) + 2 * 32 * 9 == self.published("inception-v3")


@pytest.mark.parametrize("name", RIVALS)
def test_the_last_map_is_a_thirty_second(name: str) -> None:
    network = trunk(name, base=1).eval()
    with torch.no_grad():
        small, large = network(torch.rand(1, 1, 64, 96)), network(torch.rand(1, 1, 128, 64))
    assert small.shape[2:] == (2, 3)
    assert large.shape[2:] == (4, 2)


@pytest.mark.parametrize("name", ["resnet-50", "densenet-121"])
def test_without_monai_it_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("monai.networks.nets.resnet", "monai.networks.nets.densenet"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"groundglass\[train\]"):
        build_classifier(name, base=1)


class TestXception:
    def test_a_middle_block_adds_its_input(self) -> None:
        block = XceptionBlock(4, 4, 4, 4, halved=False).eval()
        with torch.no_grad():
            for parameter in block.parameters():
                parameter.zero_()
            x = torch.randn(2, 4, 5, 6)
            assert torch.equal(block(x), x)

    def test_flows_have_three_eight_and_one_blocks(self) -> None:
        network = Xception(base=1)
        blocks = [
            sum(isinstance(module, XceptionBlock) for module in flow)
            for flow in (network.entry, network.middle, network.exit)
        ]
        assert blocks == [3, 8, 1]

    def test_the_shortcut_is_not_changed_by_the_first_relu(self) -> None:
        """The block's own input, negative values too, goes round it."""
        block = XceptionBlock(2, 2, halved=False).eval()
        x = torch.randn(1, 2, 4, 4)
        kept = x.clone()
        with torch.no_grad():
            block(x)
        assert torch.equal(x, kept)


class TestInceptionV3:
    def test_channels_along_the_way(self) -> None:
        """192 from the stem, then 288, 768 and 2048: at base 1, a sixteenth."""
        network = InceptionV3(base=1).eval()
        x, seen = torch.rand(1, 1, 64, 64), []
        with torch.no_grad():
            for part in (network.stem, network.fine, network.middle, network.coarse):
                x = part(x)
                seen.append((16 * x.shape[1], x.shape[2]))
        assert seen == [(192, 8), (288, 8), (768, 4), (2048, 2)]
        assert network.channels == 2048 // 16
