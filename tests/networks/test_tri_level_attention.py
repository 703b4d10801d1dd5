"""The tri-level attention unit, on maps small enough to follow by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from groundglass.networks.tri_level_attention import (
    BoundedMixing,
    ChannelAttention,
    PixelAttention,
    RawMixing,
    SpatialAttention,
    StridedSqueeze,
    TriLevelAttention,
)


class Fixed(nn.Module):
    """Answers what it was given, whatever it is asked."""

    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, x: Tensor) -> Tensor:
        return self.answer


def with_attention(pixel: Tensor, spatial: Tensor, channel: Tensor) -> TriLevelAttention:
    unit = TriLevelAttention(int(channel.shape[1]), mixing=RawMixing)
    unit.pixel, unit.spatial, unit.channel = Fixed(pixel), Fixed(spatial), Fixed(channel)
    return unit


def mixed(unit: TriLevelAttention, alpha: float) -> TriLevelAttention:
    with torch.no_grad():
        unit.mixing.alpha.fill_(alpha)
    return unit


def test_attentions_multiply_in_the_order_of_eq_4() -> None:
    """Two channels, 1 x 2 pixels: places over channels, channels over places, pixels once each."""
    channel = torch.tensor([0.5, 0.25]).reshape(1, 2, 1, 1)
    spatial = torch.tensor([1.0, 0.5]).reshape(1, 1, 1, 2)
    pixel = torch.tensor([[1.0, 0.8], [0.4, 0.2]]).reshape(1, 2, 1, 2)
    unit = with_attention(pixel, spatial, channel)
    expected = torch.tensor([[0.5, 0.2], [0.1, 0.025]]).reshape(1, 2, 1, 2)
    x = torch.tensor([[1.0, 2.0], [3.0, -4.0]]).reshape(1, 2, 1, 2)
    torch.testing.assert_close(unit.attention(x), expected)
    torch.testing.assert_close(mixed(unit, 0.0)(x), x * expected)  # Eq. 5
    torch.testing.assert_close(mixed(unit, 1.0)(x), x)
    torch.testing.assert_close(mixed(unit, 0.25)(x), 0.25 * x + 0.75 * x * expected)  # Eq. 6


def test_mixing_starts_at_one_half_both_ways() -> None:
    assert BoundedMixing()().item() == RawMixing()().item() == 0.5


def test_bounded_mixing_stays_within_bounds_and_raw_does_not() -> None:
    bounded, raw = BoundedMixing(), RawMixing()
    with torch.no_grad():
        bounded.logit.fill_(50.0)
        raw.alpha.fill_(50.0)
    assert bounded().item() == 1.0
    assert raw().item() == 50.0


def test_the_unit_mixes_within_bounds_unless_told() -> None:
    assert isinstance(TriLevelAttention(4).mixing, BoundedMixing)


def test_phases_expand_by_r_and_squeeze_by_q() -> None:
    """r = 2, q = 8, and four channels where an eighth would be fewer."""
    for channels, expanded, squeezed in ((64, 128, 8), (16, 32, 4), (1, 4, 4)):
        for attention in (ChannelAttention(channels), PixelAttention(channels)):
            assert attention.recalibrate[0].out_channels == expanded
            assert attention.generalize[0].out_channels == squeezed
            assert attention.recalibrate[2].out_channels == channels
            assert attention.generalize[2].out_channels == channels


def test_the_spatial_phases_expand_one_channel_and_squeeze_to_an_eighth() -> None:
    attention, sizes = SpatialAttention(8), []
    attention.recalibrate[0].register_forward_hook(lambda _m, _i, out: sizes.append(out.numel()))
    attention.generalize.squeeze.register_forward_hook(lambda _m, _i, o: sizes.append(o.numel()))
    attention(torch.randn(1, 8, 16, 24))
    assert sizes == [4 * 16 * 24, 16 * 24 // 8]


def test_channel_attention_is_eq_1_to_3_with_the_recalibrated_map_written_out() -> None:
    attention, x = ChannelAttention(6), torch.randn(2, 6, 5, 7)
    recalibrated = x * attention.recalibrate(x.mean(dim=(2, 3), keepdim=True))
    expected = attention.generalize(recalibrated.mean(dim=(2, 3), keepdim=True))
    torch.testing.assert_close(attention(x), expected)
    assert expected.shape == (2, 6, 1, 1)


def pass_on(conv: nn.Conv2d, *, channel: int = 0) -> None:
    """The first map out is the given one in, all others are 0."""
    with torch.no_grad():
        conv.weight.zero_()
        conv.bias.zero_()
        conv.weight[0, channel, conv.kernel_size[0] // 2, conv.kernel_size[1] // 2] = 1.0


def test_pixel_attention_by_hand() -> None:
    """2 is kept to 0.881 of itself and then counts 0.853; -1 passes no ReLU: one half twice."""
    attention = PixelAttention(1)
    for conv in (attention.recalibrate, attention.generalize):
        pass_on(conv[0])
        pass_on(conv[2])
    with torch.no_grad():
        found = attention(torch.tensor([2.0, -1.0]).reshape(1, 1, 1, 2))
    torch.testing.assert_close(
        found.flatten(), torch.tensor([0.8534, 0.5]), atol=1e-4, rtol=0
    )  # sigmoid(2 sigmoid(2)), sigmoid(relu(-1 / 2))


def test_spatial_attention_by_hand() -> None:
    """Described by its first channel, recalibrated in all, described again by its second."""
    attention = SpatialAttention(2)
    pass_on(attention.describe)
    pass_on(attention.recalibrate[0])
    pass_on(attention.recalibrate[2])
    pass_on(attention.describe_again, channel=1)
    attention.generalize = nn.Identity()
    x = torch.tensor([[2.0, -1.0], [10.0, 6.0]]).reshape(1, 2, 1, 2)
    with torch.no_grad():
        found = attention(x)
    assert found.shape == (1, 1, 1, 2)
    torch.testing.assert_close(found.flatten(), torch.tensor([8.808, 3.0]), atol=1e-3, rtol=0)


def test_pixel_attention_sees_one_pixel() -> None:
    x = torch.randn(1, 16, 5, 5, requires_grad=True)
    attention = PixelAttention(16)(x)
    assert attention.shape == x.shape
    attention[..., 2, 2].sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum(dim=(0, 1)).nonzero().tolist() == [[2, 2]]


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 3), (16, 16), (33, 47)])
def test_any_size_comes_back(size: tuple[int, int]) -> None:
    x = torch.randn(2, 4, *size)
    assert SpatialAttention(4)(x).shape == (2, 1, *size)
    assert TriLevelAttention(4)(x).shape == x.shape


def test_the_strided_convolution_is_undone_where_it_was() -> None:
    """Squeeze the average, restore the identity: a ramp over an odd width stays one."""
    squeeze = StridedSqueeze()
    with torch.no_grad():
        for parameter in squeeze.parameters():
            parameter.zero_()
        squeeze.squeeze[0].weight[:, 0, 2, 2] = 1.0
        squeeze.restore.weight[0, 0, 1, 1] = 1.0
    ramp = torch.arange(13.0).expand(1, 1, 9, 13)
    restored = torch.logit(squeeze(ramp / 10)[0, 0, 4], eps=1e-6)
    steps = [(b - a).item() for a, b in pairwise(restored)]
    assert min(steps) > -1e-5
    assert restored[6].item() == pytest.approx(0.6, abs=1e-4)


def test_attention_lies_between_zero_and_one() -> None:
    attention = TriLevelAttention(5).attention(10 * torch.randn(2, 5, 9, 6))
    assert attention.min() >= 0
    assert attention.max() <= 1


@pytest.mark.parametrize("mixing", [BoundedMixing, RawMixing])
def test_gradient_reaches_every_part(mixing: type[nn.Module]) -> None:
    unit = TriLevelAttention(8, mixing=mixing)
    unit(torch.rand(2, 8, 17, 12)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in unit.parameters())


def test_half_precision_stays_half() -> None:
    """The mixing scalar, float32 under autocast, must not lift whole maps to float32."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        x = torch.rand(1, 8, 12, 12).bfloat16().to(memory_format=torch.channels_last)
        out = TriLevelAttention(8)(x)
    assert out.dtype == torch.bfloat16
    assert out.is_contiguous(memory_format=torch.channels_last)
