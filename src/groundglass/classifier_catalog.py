"""Every classifier of whole scans, torch-free: commands, docs and tests read this list."""

from __future__ import annotations

from dataclasses import dataclass

from groundglass.errors import SettingsError


@dataclass(frozen=True)
class ClassifierEntry:
    """One classifier of volumes: an encoder of slices under the joint head of CovTANet.

    `builder` is 'module:function', called with `base=`; base 16 is the full size, other bases scale
    every width by base / 16. `parameters` counts all of it at base 16. A slice has `in_channels`:
    1 is a gray image, 64 is TA-SegNet's fusion map; and `smallest` or more pixels along H and W.
    `published_parameters` is the encoder's own count without its classifier, for color images;
    `published_note` says what explains a difference. `needs` names a package of the extra `train`
    that this one alone is built with.
    """

    name: str
    builder: str
    parameters: int
    paper: str
    note: str
    in_channels: int
    smallest: int
    published_parameters: int | None = None
    published_note: str = ""
    needs: str = ""


CLASSIFIERS = (
    ClassifierEntry(
        "covtanet",
        "groundglass.networks.covtanet:covtanet",
        1_264_509,
        "Mahmud et al., CovTANet, arXiv 2101.00691",
        "regional feature extractor on TA-SegNet's fusion maps, two volumetric fusions",
        in_channels=64,
        smallest=16,
        published_note="CovTANet prints no count and no widths; 64 to 128 are ours",
    ),
    ClassifierEntry(
        "vgg-19",
        "groundglass.networks.slice_encoders:vgg_19",
        20_895_280,
        "Simonyan & Zisserman, VGG, ICLR 2015",
        "VGG-19 with batch norm on gray slices, from scratch",
        in_channels=1,
        smallest=64,
        published_parameters=20_024_384,
        published_note="the 5,504 biases became scales and shifts of batch norm, and two input "
        "channels less are 1,152 weights less",
    ),
    ClassifierEntry(
        "resnet-50",
        "groundglass.networks.slice_encoders:resnet_50",
        24_564_912,
        "He et al., ResNet, CVPR 2016",
        "ResNet-50 on gray slices, from scratch",
        in_channels=1,
        smallest=64,
        published_parameters=23_508_032,
        published_note="two input channels less are 6,272 weights less",
        needs="monai",
    ),
    ClassifierEntry(
        "xception",
        "groundglass.networks.slice_encoders:xception",
        21_869_528,
        "Chollet, Xception, CVPR 2017",
        "Xception on gray slices, from scratch",
        in_channels=1,
        smallest=64,
        published_parameters=20_806_952,
        published_note="printed as 22,855,952, with the 2,049,000 of its classifier; two input "
        "channels less are 576 weights less",
    ),
    ClassifierEntry(
        "densenet-121",
        "groundglass.networks.slice_encoders:densenet_121",
        7_879_664,
        "Huang et al., DenseNet, CVPR 2017",
        "DenseNet-121 on gray slices, from scratch",
        in_channels=1,
        smallest=64,
        published_parameters=6_953_856,
        published_note="two input channels less are 6,272 weights less",
        needs="monai",
    ),
    ClassifierEntry(
        "inception-v3",
        "groundglass.networks.slice_encoders:inception_v3",
        22_848_144,
        "Szegedy et al., Inception-v3, CVPR 2016",
        "Inception-v3 on gray slices, from scratch",
        in_channels=1,
        smallest=64,
        published_parameters=21_785_568,
        published_note="the authors' own batch norms have no scale, which makes 17,216 less; two "
        "input channels less are 576 weights less",
    ),
)


def classifier_entry(name: str) -> ClassifierEntry:
    """The entry called `name`. Raises: SettingsError listing what there is."""
    for entry in CLASSIFIERS:
        if entry.name == name:
            return entry
    raise SettingsError(
        f"classifier {name!r} is unknown", expected=", ".join(entry.name for entry in CLASSIFIERS)
    )
