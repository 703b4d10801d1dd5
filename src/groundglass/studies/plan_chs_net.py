"""Which rows Tables 2 to 5 of the CHS-Net paper have, and what each trains."""

from __future__ import annotations

from dataclasses import replace

from groundglass.studies.plan import RowPlan, rows_planned

_ABLATION = (("bu", "BU"), ("bu-rib", "BU+RIB"), ("bu-rib-hp", "BU+RIB+HP"))


_TA_SEGNET = RowPlan(
    "ta-segnet",
    "TA-SegNet as second stage, box unmasked",
    "ta-segnet",
    "box",
    lungs="raiu-net",
    cascade=True,
)
_LITE0 = RowPlan(
    "lite0",
    "EfficientNet-Lite0 from ImageNet",
    "ta-segnet-lite0",
    "box",
    lungs="raiu-net",
    cascade=True,
    begin="weights",
)
_MADE = replace(
    _LITE0, key="lite0-made", label=f"{_LITE0.label}, made lesions", paste=0.5, opacity=0.3
)
_LITE0_ROWS = (
    replace(_LITE0, key="lite0-scratch", label="EfficientNet-Lite0 from scratch", begin="scratch"),
    _LITE0,
    _MADE,
    replace(_MADE, key="lite0-made-flips", label=f"{_MADE.label}, mirrored too", flips=True),
    replace(_MADE, key="lite0-mean", label=f"{_MADE.label}, mean of three", learner="mean"),
    replace(
        _MADE,
        key="lite0-distilled",
        label=f"{_MADE.label}, distilled from three",
        learner="distilled",
    ),
    replace(_MADE, protocol="slices"),
)
"""What may be had beyond the paper from few patients, each row one step from another."""

PLANS: dict[int, tuple[RowPlan, ...]] = {
    2: (
        *(
            RowPlan(
                "chs-net", "CHS-Net", "raiu-net", target=target, protocol=protocol, cascade=True
            )
            for protocol in ("patients", "slices")
            for target in ("lungs", "lesions")
        ),
        RowPlan("context", "CHS-Net, box unmasked", "raiu-net", "context", cascade=True),
        RowPlan(
            "context-flips",
            "CHS-Net, box unmasked, mirrored too",
            "raiu-net",
            "context",
            flips=True,
            cascade=True,
        ),
        _TA_SEGNET,
        replace(
            _TA_SEGNET,
            key="ta-segnet-made",
            label=f"{_TA_SEGNET.label}, made lesions",
            paste=0.5,
            opacity=0.3,
        ),
        *_LITE0_ROWS,
    ),
    3: (
        RowPlan("miniseg", "MiniSeg", "miniseg", "direct"),
        RowPlan(
            "miniseg-published", "MiniSeg, close to its authors' training", "miniseg", "published"
        ),
        RowPlan("attention-unet-ftl", "Zhou et al.", "attention-unet-ftl", "direct"),
        RowPlan("inf-net", "Inf-Net", "inf-net", "direct"),
        RowPlan("inf-net-half", "Inf-Net, half of the patients", "inf-net", "half"),
        RowPlan("semi-inf-net", "Semi-Inf-Net, the other half unlabelled", "inf-net", "semi"),
        RowPlan("unet", "U-Net", "unet", "direct"),
        RowPlan("chs-net", "CHS-Net", "raiu-net"),
    ),
    4: (
        *(RowPlan(key, label, key, "direct") for key, label in _ABLATION),
        RowPlan("raiu-net", "BU+RIB+HP+SSD (RAIU-Net)", "raiu-net", "direct"),
    ),
    5: (
        *(
            RowPlan(key, label, network, target=target)
            for key, label, network in (
                *((key, label, key) for key, label in _ABLATION),
                ("chs-net", "BU+RIB+HP+SSD (CHS-Net)", "raiu-net"),
            )
            for target in ("lungs", "lesions")
        ),
        RowPlan("sigmoid", "CHS-Net, sigmoid gates", "raiu-net-sigmoid", lungs="raiu-net"),
        RowPlan("deep", "CHS-Net, deep supervision", "raiu-net-deep", lungs="raiu-net"),
        RowPlan("tversky", "CHS-Net, Tversky loss", "raiu-net", lungs="raiu-net", loss="tversky"),
    ),
}
"""Rows whose key the paper does not have are ours: options, or what a row is judged by."""


ELSEWHERE = "Table 1, the data, is printed by: groundglass audit INDEX"


def plan_of(table: int) -> tuple[RowPlan, ...]:
    """Rows of a table. Raises: SettingsError where it is none of 2 to 5."""
    return rows_planned(PLANS, table, remedy=ELSEWHERE)
