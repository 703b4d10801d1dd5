"""Every network there is, torch-free: the command line, the docs and the tests read this list."""

from __future__ import annotations

from dataclasses import dataclass

from groundglass.errors import SettingsError


@dataclass(frozen=True)
class NetworkEntry:
    """One network. `builder` is 'module:function', called with `base=`; the count is at base 16.

    Base 16 is the size of the paper; other bases scale every width by base / 16. `loss` is what
    its paper trains with, a name of `losses.build`. `published_parameters` is the paper's own
    count, `published_note` says what explains a difference. `needs` names a package of the extra
    `train` that this network alone is built with.
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
        "V7 with an EfficientNet-B0 encoder, from scratch",
        loss="focal-tversky",
        needs="monai",
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
)


def network_entry(name: str) -> NetworkEntry:
    """The entry called `name`. Raises: SettingsError listing what there is."""
    for entry in NETWORKS:
        if entry.name == name:
            return entry
    raise SettingsError(
        f"network {name!r} is unknown", expected=", ".join(entry.name for entry in NETWORKS)
    )
