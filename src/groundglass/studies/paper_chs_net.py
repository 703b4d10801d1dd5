"""The figures that the CHS-Net paper prints, as data; `paper_checks` says which cannot be true.

Source: Punn, Agarwal, arXiv 2012.07079, Tables 1 to 5.
"""

from __future__ import annotations

from dataclasses import dataclass

from groundglass.studies.paper import Paper, PaperRow, Reference
from groundglass.studies.row import Target

PRINTED = ("accuracy", "precision", "specificity", "recall", "dice", "jaccard")
"""The columns of Tables 2 to 5 in their order: Acc., Pre., Spe., Rec., DSC, JI."""

COPIED = "copied by the paper from the rival's own publication, on other data"

TITLES: dict[int, str] = {
    2: "CHS-Net on lungs and lesions",
    3: "CHS-Net and its rivals on lesions",
    4: "Components, lesions segmented directly (no lung stage)",
    5: "Components, lungs first, lesions inside them",
}


@dataclass(frozen=True)
class PaperSource:
    """One source of Table 1. `dimension` is the paper's text, d any number of slices."""

    label: str
    volumes: int
    dimension: str


TABLE_1_SOURCES = (
    PaperSource("COVID-19 CT segmentation nr. 2", 9, "630x630xd"),
    PaperSource("COVID-19 CT lung and infection segmentation", 20, "630x630xd, 512x512xd"),
)
TABLE_1_FUSED = {"slices": 3560, "lung_masks": 3560, "infection_masks": 2200}
"""The fused set of Table 1: slices of 256x256, dark ones dropped, 70 % to train, 30 % to test."""


def _row(
    table: int, key: str, label: str, target: Target, printed: str, parameters: int | None = None
) -> PaperRow:
    """`printed` is the row as the paper has it, a dash where it prints none."""
    pairs = zip(PRINTED, printed.split(), strict=True)
    figures = {name: float(text) for name, text in pairs if text != "-"}
    note = COPIED if table == 3 and key != "chs-net" else ""
    return PaperRow(table, key, label, target, figures, parameters, note)


ROWS = (
    _row(2, "chs-net", "CHS-Net", "lungs", "0.99 0.97 0.99 0.95 0.96 0.98"),
    _row(2, "chs-net", "CHS-Net", "lesions", "0.96 0.85 0.97 0.92 0.88 0.96"),
    _row(3, "miniseg", "MiniSeg", "lesions", "- - 0.97 0.84 0.77 0.82", 472_000),
    _row(3, "attention-unet-ftl", "U-Net based model", "lesions", "- - 0.99 0.87 0.83 -"),
    _row(3, "inf-net", "Inf-Net", "lesions", "- - 0.94 0.69 0.68 -", 33_000_000),
    _row(3, "semi-inf-net", "Semi-Inf-Net", "lesions", "- - 0.96 0.73 0.74 -", 33_000_000),
    _row(3, "chs-net", "CHS-Net", "lesions", "0.96 0.85 0.97 0.92 0.88 0.96", 4_200_000),
    _row(4, "bu", "BU", "lesions", "0.68 0.04 0.80 0.28 0.07 0.25"),
    _row(4, "bu-rib", "BU+RIB", "lesions", "0.75 0.55 0.90 0.35 0.43 0.50"),
    _row(4, "bu-rib-hp", "BU+RIB+HP", "lesions", "0.88 0.63 0.95 0.68 0.65 0.68"),
    _row(4, "raiu-net", "BU+RIB+HP+SSD (RAIU-Net)", "lesions", "0.92 0.69 0.96 0.75 0.72 0.77"),
    _row(5, "bu", "BU", "lungs", "0.92 0.73 0.95 0.78 0.75 0.77"),
    _row(5, "bu", "BU", "lesions", "0.75 0.21 0.80 0.32 0.25 0.28"),
    _row(5, "bu-rib", "BU+RIB", "lungs", "0.98 0.85 0.98 0.88 0.86 0.90"),
    _row(5, "bu-rib", "BU+RIB", "lesions", "0.88 0.68 0.94 0.53 0.60 0.64"),
    _row(5, "bu-rib-hp", "BU+RIB+HP", "lungs", "0.98 0.91 0.99 0.92 0.91 0.94"),
    _row(5, "bu-rib-hp", "BU+RIB+HP", "lesions", "0.95 0.75 0.95 0.81 0.78 0.85"),
    _row(5, "chs-net", "BU+RIB+HP+SSD (CHS-Net)", "lungs", "0.99 0.97 0.99 0.95 0.96 0.98"),
    _row(5, "chs-net", "BU+RIB+HP+SSD (CHS-Net)", "lesions", "0.96 0.85 0.97 0.92 0.88 0.96"),
)
"""Tables 2 to 5 as printed. Rows of one key and target in two tables need not agree."""

MEASURED_SHARE: dict[str, float] = {"lungs": 0.1534, "lesions": 0.0151}
"""Pixels that are lung, and lesion, of all pixels of the 1,190 slices with lesions of 15 cases.

Measured on the second source of Table 1, 256x256, slices without lesion left out: over the fused
set, where 1,360 of 3,560 slices have no lesion, the share of lesions is smaller still.
"""

_SLICES = (
    "15 of the 20 cases at 256x256, 8 bit, 1,190 slices: only those with infection, "
    "from the middle 60 % of each volume"
)

REFERENCES = (
    Reference(
        key="miniseg-maps",
        label="MiniSeg, its published five-fold label maps",
        target="lesions",
        aggregation="pooled",
        dice=0.814,
        std=None,
        condition=f"{_SLICES}; each case predicted by a network that did not see it",
        source="label maps published with Qiu et al., MiniSeg, AAAI 2021",
        cases={
            "coronacases_001": 0.771,
            "coronacases_002": 0.801,
            "coronacases_004": 0.780,
            "coronacases_005": 0.829,
            "coronacases_006": 0.856,
            "coronacases_007": 0.781,
            "coronacases_008": 0.845,
            "coronacases_010": 0.791,
            "radiopaedia_27_86410_0": 0.783,
            "radiopaedia_29_86490_1": 0.022,
            "radiopaedia_29_86491_1": 0.859,
            "radiopaedia_36_86526_0": 0.710,
            "radiopaedia_40_86625_0": 0.858,
            "radiopaedia_4_85506_1": 0.802,
            "radiopaedia_7_85703_0": 0.845,
        },
    ),
    Reference(
        key="nnu-net",
        label="nnU-Net, 3-D",
        target="lesions",
        aggregation="per volume",
        dice=0.777,
        std=0.187,
        condition="all 20 cases, five folds of 80 % to train and 20 % to test",
        source="quoted from the literature at second hand; not run here",
    ),
)
"""Figures of others, measured by others; shown beside a table, never mixed into it."""

PAPER = Paper(
    study="chs-net",
    titles=TITLES,
    rows=ROWS,
    definitions=(
        "**patient folds**: no patient is in training and test. **slice split (leaks patients)**: "
        "the paper's 70/30 over slices; slices of a test patient, neighbors of the test slices "
        "among them, were trained on, so these figures say nothing about a new patient.",
        "**paper**: as printed there, from other data (29 volumes, slice split). A number in "
        "brackets leads to what is wrong with the figure.",
    ),
    references=dict.fromkeys(TITLES, REFERENCES),
    dice="DSC",
    jaccard="JI",
    legend="paper (other data)",
    same_test=(4, 5),
    share_from=("precision", "specificity", "recall", "dice"),
    measured_share=MEASURED_SHARE,
    share_where="15 cases of its second source, on slices that all show lesions",
)

paper_row = PAPER.row
