"""Every network there is, torch-free: the command line, the docs and the tests read this list."""

from __future__ import annotations

from dataclasses import dataclass

from groundglass.errors import SettingsError


@dataclass(frozen=True)
class NetworkEntry:
    """One network. `builder` is 'module:function', called with `base=`; the count is at base 16.

    Base 16 is the size of the paper; other bases scale every width by base / 16. `loss` is a name
    of `losses.build`: what its paper trains with, or the nearest there is. `published_parameters`
    is the paper's own count, `published_note` says what explains a difference. `needs` names a
    package of the extra `train` that this network alone is built with. `encoder` names the encoder
    that can begin with weights from a file; `builder` takes that file as `pretrained=` then.
    """

    name: str
    builder: str
    parameters: int
    paper: str
    note: str
    loss: str = "bce-dice"
    published_parameters: int | None = None
    published_note: str = ""
    needs: str = ""
    encoder: str = ""


_CHS_NET = "Punn & Agarwal, CHS-Net, arXiv 2012.07079"
_COVTANET = "Mahmud et al., CovTANet, arXiv 2101.00691"

NETWORKS = (
    NetworkEntry(
        "bu",
        "groundglass.networks.raiu_net:baseline_unet",
        1_942_289,
        _CHS_NET,
        "baseline U-Net of Tables 4 and 5: standard convolutions, max pooling",
    ),
    NetworkEntry(
        "bu-rib",
        "groundglass.networks.raiu_net:unet_rib",
        1_866_269,
        _CHS_NET,
        "BU + residual inception blocks, max pooling",
    ),
    NetworkEntry(
        "bu-rib-hp",
        "groundglass.networks.raiu_net:unet_rib_hp",
        2_106_141,
        _CHS_NET,
        "BU + RIB + hybrid pooling",
    ),
    NetworkEntry(
        "raiu-net",
        "groundglass.networks.raiu_net:raiu_net",
        2_305_705,
        _CHS_NET,
        "BU + RIB + HP + SSD attention: one stage of CHS-Net",
        published_note="4.2 M are printed for CHS-Net, which is two of these: 4,611,410 here",
    ),
    NetworkEntry(
        "raiu-net-sigmoid",
        "groundglass.networks.raiu_net:raiu_net_sigmoid",
        2_305_705,
        "option beside " + _CHS_NET,
        "RAIU-Net with sigmoid in place of ReLU gates",
    ),
    NetworkEntry(
        "raiu-net-deep",
        "groundglass.networks.raiu_net:raiu_net_deep",
        2_305_932,
        "option beside " + _CHS_NET,
        "RAIU-Net with deep supervision of its expansion stages",
    ),
    NetworkEntry(
        "unet",
        "groundglass.networks.unet:unet",
        31_036_481,
        "Ronneberger et al., U-Net, MICCAI 2015",
        "plain U-Net, widths 64 to 1024, with batch norm",
        published_note="31.0 M is the usual count of these widths",
    ),
    NetworkEntry(
        "attention-unet-ftl",
        "groundglass.networks.attention_unet:attention_unet",
        3_361_549,
        "Zhou, Canu & Ruan, arXiv 2004.06673",
        "U-Net with spatial and channel attention, residual dilated blocks",
        loss="focal-tversky",
        published_note="CHS-Net prints no count for it; the widths are ours",
    ),
    NetworkEntry(
        "miniseg",
        "groundglass.networks.miniseg:miniseg",
        82_620,
        "Qiu et al., MiniSeg, AAAI 2021",
        "two-path encoder of attentive hierarchical spatial pyramids",
        loss="miniseg",
        published_parameters=83_000,
        published_note="printed as 83K; three input channels and two classes make 82,912 of ours. "
        "CHS-Net cites the 472K of a preprint",
    ),
    NetworkEntry(
        "inf-net",
        "groundglass.networks.inf_net:inf_net",
        31_072_721,
        "Fan et al., Inf-Net, IEEE TMI 2020",
        "Res2Net-50, parallel partial decoder, reverse and edge attention, from scratch",
        loss="inf-net",
        published_parameters=33_122_000,
        published_note="printed as 33.122 M; the classifier of the backbone, never used, has "
        "2,049,000 of them, and with it ours has 33,121,721",
    ),
    NetworkEntry(
        "ta-segnet-v1",
        "groundglass.networks.ta_segnet:ta_segnet_v1",
        1_942_289,
        _COVTANET,
        "the U-Net that the ablation of Table I begins with",
        loss="focal-tversky",
    ),
    NetworkEntry(
        "ta-segnet-v2",
        "groundglass.networks.ta_segnet:ta_segnet_v2",
        1_977_025,
        _COVTANET,
        "decoder maps in the fusion",
        loss="focal-tversky",
    ),
    NetworkEntry(
        "ta-segnet-v3",
        "groundglass.networks.ta_segnet:ta_segnet_v3",
        2_011_585,
        _COVTANET,
        "encoder and decoder maps in the fusion",
        loss="focal-tversky",
    ),
    NetworkEntry(
        "ta-segnet-v4",
        "groundglass.networks.ta_segnet:ta_segnet_v4",
        2_134_285,
        _COVTANET,
        "attention (TAU) on the encoder maps",
        loss="focal-tversky",
    ),
    NetworkEntry(
        "ta-segnet-v5",
        "groundglass.networks.ta_segnet:ta_segnet_v5",
        2_134_285,
        _COVTANET,
        "attention on the decoder maps",
        loss="focal-tversky",
    ),
    NetworkEntry(
        "ta-segnet-v6",
        "groundglass.networks.ta_segnet:ta_segnet_v6",
        2_326_281,
        _COVTANET,
        "attention on both",
        loss="focal-tversky",
    ),
    NetworkEntry(
        "ta-segnet-v7",
        "groundglass.networks.ta_segnet:ta_segnet_v7",
        2_395_577,
        _COVTANET,
        "attention on both, both in the fusion",
        loss="focal-tversky",
    ),
    NetworkEntry(
        "ta-segnet-v8",
        "groundglass.networks.ta_segnet:ta_segnet_v8",
        6_969_379,
        _COVTANET,
        "V7 with an EfficientNet-B0 encoder, from scratch or from weights that a run names",
        loss="focal-tversky",
        needs="monai",
        encoder="EfficientNet-B0",
    ),
    NetworkEntry(
        "ta-segnet",
        "groundglass.networks.ta_segnet:ta_segnet_v7",
        2_395_577,
        _COVTANET,
        "TA-SegNet as it ships: V7, which needs no weights from elsewhere",
        loss="focal-tversky",
        published_note="CovTANet prints no count and no widths; 16 to 256 are ours",
    ),
    NetworkEntry(
        "ta-segnet-lite0",
        "groundglass.networks.ta_segnet:ta_segnet_lite0",
        3_750_481,
        "option beside " + _COVTANET,
        "V3 with an EfficientNet-Lite0 encoder, to begin with weights that a run names",
        needs="monai",
        encoder="EfficientNet-Lite0",
    ),
    NetworkEntry(
        "fcn",
        "groundglass.networks.fcn:fcn_8s",
        134_268_515,
        "Long, Shelhamer & Darrell, FCN, CVPR 2015",
        "FCN-8s: VGG-16 made convolutional, two skips of scores, from scratch",
        published_parameters=134_000_000,
        published_note="printed as 134M, of VGG-16 with 21 classes; ours has one class, one input "
        "channel and batch norm in the trunk",
    ),
    NetworkEntry(
        "v-net",
        "groundglass.networks.v_net:v_net",
        13_278_769,
        "Milletari, Navab & Ahmadi, V-Net, 3DV 2016",
        "residual stages of 5 x 5 convolutions, a 2-D reading",
        published_note="no count known; 5 x 5 x 5 kernels would have five times as many",
    ),
    NetworkEntry(
        "unet-plus-plus",
        "groundglass.networks.unet_plus_plus:unet_plus_plus",
        9_045_348,
        "Zhou et al., UNet++, DLMIA 2018",
        "nested, dense skips and deep supervision, widths 32 to 512",
        published_parameters=9_040_000,
        published_note="printed as 9.04M; biases in place of batch norm and three input channels "
        "make 9,042,276 of ours",
    ),
    NetworkEntry(
        "cpf-net",
        "groundglass.networks.cpf_net:cpf_net",
        32_353_254,
        "Feng et al., CPFNet, IEEE TMI 2020",
        "ResNet-34, pyramid guidance on the skips, pyramid fusion below, from scratch",
        published_note="43.27 M are what the authors' published network registers: 10.9 M of them "
        "belong to a classifier and to modules that its forward pass never calls",
    ),
    NetworkEntry(
        "cople-net",
        "groundglass.networks.cople_net:cople_net",
        10_517_681,
        "Wang et al., COPLE-Net, IEEE TMI 2020",
        "max beside average pooling, bridges on the skips, ASPP; widths 32 to 512",
        published_note="no count known; two classes would add 289",
    ),
    NetworkEntry(
        "multires-unet",
        "groundglass.networks.multires_unet:multires_unet",
        7_244_528,
        "Ibtehaz & Rahman, MultiResUNet, Neural Networks 2020",
        "blocks that see windows of 3, 5 and 7, convolutions along the skips",
        published_parameters=7_262_750,
        published_note="24,522 of theirs are running statistics, which are not learned; most of "
        "their batch norms have no scale, and their images three channels",
    ),
    NetworkEntry(
        "attention-unet",
        "groundglass.networks.attention_gates:attention_gate_unet",
        2_093_511,
        "Oktay et al., Attention U-Net, MIDL 2018",
        "additive attention gates on the skips, deep supervision, widths 16 to 256",
        published_note="theirs is 3-D, so its count says nothing of ours",
    ),
    NetworkEntry(
        "gated-unet",
        "groundglass.networks.gated_unet:gated_unet",
        2_376_399,
        "Schlemper et al., Attention Gated Networks, Medical Image Analysis 2019",
        "two attention gates per skip, the logits of all levels joined, widths 16 to 256",
        published_note="theirs is 3-D, so its count says nothing of ours",
    ),
)


def network_entry(name: str) -> NetworkEntry:
    """The entry called `name`. Raises: SettingsError listing what there is."""
    for entry in NETWORKS:
        if entry.name == name:
            return entry
    raise SettingsError(
        f"network {name!r} is unknown", expected=", ".join(entry.name for entry in NETWORKS)
    )


def check_encoder_weights(name: str, file: str) -> None:
    """Raises: SettingsError where the network called `name` has no encoder for `file`."""
    if not network_entry(name).encoder:
        raise SettingsError(
            f"encoder_weights is {file}, and network {name!r} has no encoder that begins with any",
            expected=" or ".join(entry.name for entry in NETWORKS if entry.encoder),
            remedy="Leave the weights out, or take such a network",
        )
