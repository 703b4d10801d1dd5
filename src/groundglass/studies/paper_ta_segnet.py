"""The figures that the CovTANet paper prints for its segmentation network, TA-SegNet, as data.

Source: Mahmud et al., arXiv 2101.00691, Tables I to III. Percent there, shares of one here.
`paper_checks` says which cannot be true.
"""

from __future__ import annotations

from collections.abc import Mapping

from groundglass.studies.paper import Paper, PaperRow
from groundglass.studies.paper_chs_net import MEASURED_SHARE, REFERENCES

STUDY = "ta-segnet"

COLUMNS: dict[int, tuple[str, ...]] = {
    1: ("dice",),
    2: ("recall", "precision", "dice", "jaccard"),
    3: ("recall", "specificity", "dice", "jaccard"),
}
"""Columns of each table in their order. Sensitivity is recall, IoU is Jaccard."""

TITLES: dict[int, str] = {
    1: "Versions of TA-SegNet (ablation of CovTANet) on lesions",
    2: "TA-SegNet and the rivals of CovTANet's Table II on lesions",
    3: "TA-SegNet and the rivals of CovTANet's Table III on lesions",
}

_OURS = "whose encoder is pretrained on ImageNet. Ours is V7, which needs no weights from elsewhere"

_TABLE_1 = {
    "v1": "50.5±0.26",
    "v2": "52.4±0.17",
    "v3": "54.9±0.14",
    "v4": "54.6±0.14",
    "v5": "53.4±0.19",
    "v6": "57.1±0.33",
    "v7": "60.2±0.26",
    "v8": "62.3±0.18",
}

_TABLE_2 = {
    "fcn": "78.8±0.23 58.9±0.16 35.6±0.36 29.3±0.45",
    "unet": "94.3±0.34 74.4±0.32 50.5±0.26 40.3±0.23",
    "v-net": "84.5±0.42 64.6±0.54 40.2±0.33 36.4±0.26",
    "unet-plus-plus": "78.1±0.15 65.1±0.25 37.2±0.27 33.3±0.32",
    "cpf-net": "82.4±0.25 71.3±0.29 48.9±0.21 37.6±0.38",
    "cople-net": "85.5±0.18 73.1±0.20 51.1±0.21 41.2±0.38",
    "miniseg": "81.5±0.25 69.1±0.19 43.7±0.23 35.2±0.38",
    "inf-net": "92.8±0.27 76.9±0.34 51.8±0.31 41.6±0.27",
    "ta-segnet": "99.6±0.09 84.8±0.26 62.3±0.18 51.7±0.29",
}

_TABLE_3 = {
    "unet": "75.9±0.34 88.9±0.12 79.3±0.26 74.9±0.18",
    "multires-unet": "77.2±0.33 90.3±0.24 82.7±0.28 77.4±0.15",
    "attention-unet": "81.1±0.29 92.2±0.11 85.1±0.14 79.6±0.28",
    "cpf-net": "78.9±0.27 91.7±0.14 84.4±0.25 79.3±0.25",
    "gated-unet": "81.4±0.24 92.5±0.19 85.6±0.19 80.2±0.16",
    "inf-net": "82.7±0.26 94.8±0.21 86.9±0.34 81.1±0.18",
    "ta-segnet": "88.5±0.22 98.9±0.14 90.2±0.17 86.4±0.19",
}

_LABELS = {
    "fcn": "FCN",
    "unet": "Unet",
    "v-net": "Vnet",
    "unet-plus-plus": "Unet++",
    "cpf-net": "CPF-Net",
    "cople-net": "COPLE-Net",
    "miniseg": "Mini-SegNet",
    "inf-net": "Inf-Net",
    "multires-unet": "MultiResUnet",
    "attention-unet": "Attention-Unet",
    "gated-unet": "Gated-Unet",
    "ta-segnet": "TA-SegNet",
}
"""As the paper spells them."""

_NOTES = {
    (
        1,
        "v1",
    ): "the paper's V1 has the Dice of its U-Net in Table II; ours are two networks: V1 has "
    "the widths of the versions after it, the U-Net those of its own paper",
    (1, "v3"): "the table's marks of V3 repeat V4's (encoder TAU); built is what the text says of "
    "V3: encoder and decoder maps in the fusion, no TAU",
    (1, "v8"): "the paper's encoder is pretrained on ImageNet; ours starts from scratch unless the "
    "conditions name its weights",
    (2, "ta-segnet"): f"this row has the Dice of V8 in Table I, {_OURS}",
    (3, "ta-segnet"): f"the text calls V8 the proposed network, {_OURS}",
}


def _rows(table: int, printed: Mapping[str, str]) -> tuple[PaperRow, ...]:
    """Rows as the paper has them, in percent with the deviation over its five folds."""
    rows = []
    for key, text in printed.items():
        cells = zip(COLUMNS[table], text.split(), strict=True)
        pairs = {name: [float(part) for part in cell.split("±")] for name, cell in cells}
        rows.append(
            PaperRow(
                table=table,
                key=key,
                label=_LABELS.get(key, key.upper()),
                target="lesions",
                figures={name: round(value / 100, 3) for name, (value, _) in pairs.items()},
                note=_NOTES.get((table, key), ""),
                spread={name: round(deviation / 100, 4) for name, (_, deviation) in pairs.items()},
                digits=3,
                study=STUDY,
            )
        )
    return tuple(rows)


PAPER = Paper(
    study=STUDY,
    titles=TITLES,
    rows=(*_rows(1, _TABLE_1), *_rows(2, _TABLE_2), *_rows(3, _TABLE_3)),
    definitions=(
        "**patient folds**: no patient is in training and test.",
        "**paper**: as printed there (percent, divided by 100), mean ± deviation over its five "
        "folds; how it averages within a fold it does not say. Its sensitivity is recall, its IoU "
        "the Jaccard. A number in brackets leads to what is wrong with the figure, or to how its "
        "network differs from ours.",
    ),
    # Measured on Dataset-2, which is the second source of CHS-Net's Table 1: the same 20 cases.
    references={3: REFERENCES},
    dice="Dice",
    jaccard="IoU",
    legend="paper (its own data and folds)",
    same_test=(3,),
    share_from=("specificity", "recall", "dice"),
    measured_share=MEASURED_SHARE,
    share_where="15 of the 20 cases of Dataset-2, on slices that all show lesions",
)
