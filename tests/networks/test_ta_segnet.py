"""TA-SegNet: its versions have what Table I says, and F_fus is what Eq. 7 says."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from groundglass.catalog import network_entry
from groundglass.errors import MissingExtraError, SettingsError
from groundglass.networks import ta_segnet
from groundglass.networks.build import build_network
from groundglass.networks.efficientnet_encoder import LITE0, EfficientNetEncoder
from groundglass.networks.encoder import PlainEncoder
from groundglass.networks.multi_scale_fusion import (
    DecoderFusion,
    EncoderDecoderFusion,
    FinestMap,
    Fusion,
)
from groundglass.networks.raiu_net import baseline_unet
from groundglass.networks.ta_segnet import TASegNet
from groundglass.networks.tri_level_attention import RawMixing, TriLevelAttention
from groundglass.training.onnx_export import export_onnx

from ..made_encoder import made_backbone, write_encoder

VERSIONS = range(1, 9)


def version(number: int, *, base: int = 2) -> TASegNet:
    if number == 8:
        pytest.importorskip("monai")
    network = build_network(f"ta-segnet-v{number}", base=base)
    assert isinstance(network, TASegNet)
    return network


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("number", "encoder", "encoder_tau", "decoder_tau", "fusion"),
    [
        (1, PlainEncoder, False, False, FinestMap),
        (2, PlainEncoder, False, False, DecoderFusion),
        (3, PlainEncoder, False, False, EncoderDecoderFusion),
        (4, PlainEncoder, True, False, FinestMap),
        (5, PlainEncoder, False, True, FinestMap),
        (6, PlainEncoder, True, True, FinestMap),
        (7, PlainEncoder, True, True, EncoderDecoderFusion),
        (8, EfficientNetEncoder, True, True, EncoderDecoderFusion),
    ],
)
def test_each_version_has_the_parts_of_table_1(
    number: int, encoder: type, encoder_tau: bool, decoder_tau: bool, fusion: type[Fusion]
) -> None:
    network = version(number)
    assert type(network.encoder) is encoder
    assert type(network.fusion) is fusion
    for units, there in (
        (network.encoder_attention, encoder_tau),
        (network.decoder_attention, decoder_tau),
    ):
        assert len(units) == 4
        assert all(type(unit) is (TriLevelAttention if there else nn.Identity) for unit in units)


def test_v1_is_the_baseline_unet() -> None:
    assert count(version(1)) == count(baseline_unet(base=2))


def test_the_default_is_v7() -> None:
    assert network_entry("ta-segnet").builder == network_entry("ta-segnet-v7").builder
    assert network_entry("ta-segnet").parameters == network_entry("ta-segnet-v7").parameters


@pytest.mark.parametrize("number", VERSIONS)
@pytest.mark.parametrize("size", [(32, 48), (33, 47)])
def test_the_fusion_map_has_the_size_of_the_input(number: int, size: tuple[int, int]) -> None:
    network = version(number).eval()
    x = torch.randn(2, 1, *size)
    channels = 4 * 2 if number in (2, 3, 7, 8) else 2
    with torch.no_grad():
        fused, both = network.fusion_map(x), network.forward_with_fusion(x)
        assert fused.shape == (2, channels, *size)
        assert network.fusion.channels == channels
        assert torch.equal(both.fusion, fused)
        assert torch.equal(both.logits, network(x))


def test_the_mask_is_read_from_the_fusion_map() -> None:
    network = version(7).eval()
    x = torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network.head(network.fusion_map(x)), network(x))


def test_fusion_by_hand() -> None:
    """Two levels of constant maps: E and D side by side, reduced, upsampled, stacked by level."""
    fusion = EncoderDecoderFusion([1, 2], [1, 1], 1).eval()
    encoded = [torch.full((1, 1, 4, 4), 2.0), torch.full((1, 2, 2, 2), 3.0)]
    decoded = [torch.full((1, 1, 4, 4), 5.0), torch.full((1, 1, 2, 2), 7.0)]
    with torch.no_grad():
        for level in fusion.reduce:
            level[0].weight.zero_()
        fusion.reduce[0][0].weight[0, :, 1, 1] = torch.tensor([1.0, 10.0])
        fusion.reduce[1][0].weight[0, :, 1, 1] = torch.tensor([1.0, 100.0, 10.0])
        fused = fusion(encoded, decoded, (4, 4))
    assert fusion.channels == 2
    expected = torch.tensor([52.0, 3.0 + 300.0 + 70.0]).reshape(1, 2, 1, 1).expand(1, 2, 4, 4)
    torch.testing.assert_close(fused, expected, atol=0, rtol=1e-4)  # batch norm's epsilon


def test_decoder_fusion_does_not_look_at_the_encoder() -> None:
    fusion = DecoderFusion([1, 2], [1, 1], 3).eval()
    decoded = [torch.randn(1, 1, 4, 4), torch.randn(1, 1, 2, 2)]
    with torch.no_grad():
        assert torch.equal(fusion([], decoded, (4, 4)), fusion(decoded, decoded, (4, 4)))
    assert fusion.channels == 6


def test_every_level_reaches_the_fusion_map_by_itself() -> None:
    """With the finer levels' reductions silent the coarsest still writes its own channels."""
    network = version(7).eval()
    with torch.no_grad():
        for level in network.fusion.reduce[:-1]:
            level[0].weight.zero_()
        fused = network.fusion_map(torch.randn(1, 1, 32, 32))
    assert not fused[:, :6].any()
    assert fused[:, 6:].any()


@pytest.mark.parametrize("number", [4, 5, 6, 7])
def test_attention_changes_the_answer(number: int) -> None:
    """Each TAU is on the way to the mask: shut off in all but one (alpha 1), that one acts."""
    network = version(number, base=4).train()  # batch norm keeps small differences in sight
    units = [module for module in network.modules() if isinstance(module, TriLevelAttention)]
    x = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        for unit in units:
            unit.mixing.logit.fill_(40.0)
        through = network(x)
        for unit in units:
            unit.mixing.logit.fill_(-40.0)
            assert (network(x) - through).abs().max() > 1e-3
            unit.mixing.logit.fill_(40.0)


def test_the_papers_raw_mixing_is_a_part_like_any_other() -> None:
    unit = partial(TriLevelAttention, mixing=RawMixing)
    parts = replace(ta_segnet.FULL_PARTS, encoder_attention=unit, decoder_attention=unit)
    network = TASegNet(parts, base=2)
    assert sum(isinstance(module, RawMixing) for module in network.modules()) == 8
    assert count(network) == count(version(7))


@pytest.mark.parametrize("number", VERSIONS)
def test_forward_never_asks_the_device_for_a_value(number: int) -> None:
    """On the meta device, where there are no values, an `.item()` or a branch on data raises;
    so does a tensor made on the CPU. What passes can be captured in a CUDA graph."""
    with torch.device("meta"):
        network = version(number)
    x = torch.empty(2, 1, 32, 48, device="meta")
    assert network.train()(x).shape == (2, 1, 32, 48)
    assert network.fusion_map(x).device.type == "meta"


@pytest.mark.parametrize("number", [7, 8])
def test_autocast_keeps_half_precision_to_the_end(number: int) -> None:
    network = version(number, base=4).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = network.forward_with_fusion(torch.randn(2, 1, 32, 48))
    assert out.logits.dtype == out.fusion.dtype == torch.bfloat16
    assert torch.isfinite(out.logits).all()


@pytest.mark.parametrize("number", [7, 8])
def test_export(number: int, tmp_path: Path) -> None:
    """`export_onnx` itself compares ONNX Runtime's answer with the network's."""
    network = version(number, base=4).train()
    with torch.no_grad():
        for _ in range(20):  # running statistics near the data's
            network(torch.randn(2, 1, 32, 48))
    network.eval().half().float()  # as packed
    export_onnx(network, (32, 48), tmp_path / "network.onnx")
    assert (tmp_path / "network.onnx").stat().st_size > 1000


class TestEfficientNetEncoder:
    def test_maps_halve_and_have_the_widths_of_b0(self) -> None:
        pytest.importorskip("monai")
        encoder = EfficientNetEncoder(base=16).eval()
        with torch.no_grad():
            maps = encoder(torch.randn(1, 1, 64, 96))
        assert encoder.widths == (16, 24, 40, 112, 320)
        assert [tuple(m.shape[1:]) for m in maps] == [
            (width, 32 // 2**i, 48 // 2**i) for i, width in enumerate(encoder.widths)
        ]

    def test_without_monai_it_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "monai.networks.nets.efficientnet", None)
        with pytest.raises(MissingExtraError, match=r"groundglass\[train\]"):
            build_network("ta-segnet-v8", base=4)

    @pytest.mark.parametrize("names", ["monai", "imagenet"])
    def test_named_weights_give_what_the_backbone_they_came_from_gives(
        self, tmp_path: Path, names: str
    ) -> None:
        """The gray image three times through the three-channel backbone."""
        file = write_encoder(tmp_path / "b0.pth", names=names)
        efficientnet = pytest.importorskip("monai.networks.nets.efficientnet")
        backbone = efficientnet.EfficientNetBNFeatures("efficientnet-b0", pretrained=False)
        backbone.load_state_dict(made_backbone().state_dict())
        encoder = EfficientNetEncoder(base=16, pretrained=file).eval()
        x = torch.randn(1, 1, 64, 64)
        with torch.no_grad():
            expected, maps = backbone.eval()(x.repeat(1, 3, 1, 1)), encoder(x)
        for one, other in zip(maps, expected, strict=True):
            torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)

    def test_lite0_has_neither_squeeze_and_excitation_nor_silu(self, tmp_path: Path) -> None:
        """Against MONAI's blocks run by hand, ReLU6 in place of their activation."""
        file = write_encoder(tmp_path / "lite0.pth", names="imagenet", kind=LITE0)
        backbone = made_backbone(kind=LITE0).eval()
        network = build_network("ta-segnet-lite0", encoder_weights=file).eval()
        encoder = network.encoder
        assert encoder.widths == (16, 24, 40, 112, 320)
        names = {type(module).__name__ for module in encoder.modules()}
        assert "ReLU6" in names
        assert not names & {"SiLU", "Swish", "MemoryEfficientSwish"}
        assert not [name for name, _ in encoder.named_parameters() if "_se_" in name]
        for module in backbone.modules():
            if hasattr(module, "_swish"):
                module._swish = torch.nn.ReLU6()
        x = torch.randn(1, 1, 64, 64)
        with torch.no_grad():
            maps, y = encoder(x), x.repeat(1, 3, 1, 1)
            for name in ("_conv_stem_padding", "_conv_stem", "_bn0"):
                y = backbone.get_submodule(name)(y)
            y = backbone.get_submodule("_blocks")(torch.nn.functional.relu6(y))
        torch.testing.assert_close(maps[-1], y, atol=1e-4, rtol=1e-3)

    def test_weights_go_through_the_network_of_v8(self, tmp_path: Path) -> None:
        file = write_encoder(tmp_path / "b0.pth")
        network = build_network("ta-segnet-v8", encoder_weights=file)
        kernel = made_backbone().get_submodule("_conv_stem").weight.sum(dim=1, keepdim=True)
        assert torch.equal(network.encoder.get_submodule("stem.1").weight, kernel)

    def test_older_files_have_no_counts_of_batches(self, tmp_path: Path) -> None:
        file = write_encoder(tmp_path / "b0.pth", base=4)
        state = {k: v for k, v in torch.load(file).items() if not k.endswith("_batches_tracked")}
        torch.save(state, file)
        assert EfficientNetEncoder(base=4, pretrained=file).stem[1].weight.shape[1] == 1

    def test_a_file_of_another_width_is_refused(self, tmp_path: Path) -> None:
        file = write_encoder(tmp_path / "b0.pth")
        with pytest.raises(
            SettingsError,
            match=r"_conv_stem\.weight has the shape \(32, 1, 3, 3\) in the encoder weights "
            r".*b0\.pth; expected EfficientNet-B0, as wide as at base 4: there \(8, 1, 3, 3\)\.",
        ):
            EfficientNetEncoder(base=4, pretrained=file)

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            ({}, r"_conv_stem\.weight is missing in the encoder weights"),
            ({"model": {}}, r"hold something else \(dict\); .* Save the state dict alone"),
            ([1, 2], r"hold something else \(list\)"),
            (b"not weights", r"cannot be read \(UnpicklingError\); expected a state dict of Eff"),
            (b"\x80\x02.", r"cannot be read \(IndexError\)"),
            (None, r"are not there; expected .*saved by torch\. Check the path; nothing is down"),
        ],
        ids=["empty", "nested", "list", "text", "pickle", "missing"],
    )
    def test_a_foreign_or_missing_file_is_refused(
        self, tmp_path: Path, content: object, words: str
    ) -> None:
        pytest.importorskip("monai")
        file = tmp_path / "b0.pth"
        if isinstance(content, bytes):
            file.write_bytes(content)
        elif content is not None:
            torch.save(content, file)
        with pytest.raises(SettingsError, match=rf"b0\.pth {words}|{words} .*b0\.pth"):
            EfficientNetEncoder(base=4, pretrained=file)


def test_a_network_without_such_an_encoder_takes_no_weights() -> None:
    with pytest.raises(
        SettingsError,
        match=r"encoder_weights is b0\.pth, and network 'ta-segnet' has no encoder that begins "
        r"with any; expected ta-segnet-v8 or ta-segnet-lite0\. Leave the weights out",
    ):
        build_network("ta-segnet", base=2, encoder_weights=Path("b0.pth"))


@pytest.mark.parametrize("base", [1, 3])
def test_lite0_has_even_bases(base: int) -> None:
    with pytest.raises(SettingsError, match=f"base of ta-segnet-lite0 is {base}; expected an even"):
        build_network("ta-segnet-lite0", base=base)
