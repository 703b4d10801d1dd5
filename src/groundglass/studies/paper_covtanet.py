"""The figures that the CovTANet paper prints for diagnosis and severity, as data.

Source: Mahmud et al., arXiv 2101.00691, Table IV. Percent there, shares of one here.
`paper_covtanet_checks` says which cannot be true.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from groundglass.datasets.class_tasks import TASKS, ClassTask, ScanClass, find_task
from groundglass.datasets.grades import GRADES
from groundglass.datasets.mosmed_registry import PUBLISHED

COLUMNS = ("sensitivity", "specificity", "accuracy", "f1")
"""Columns of each comparison in their order. `f1` is what the paper calls F1."""

HALF_DIGIT, HALF_SPREAD_DIGIT = 0.0005, 0.00005
"""How far a printed figure, and its deviation, may be from what was rounded."""

FOLDS = 5
"""Source: CovTANet section III-B."""

_TABLE_4 = {
    "vgg-19": (
        "54.4±0.37 63.4±0.28 58.4±0.32 58.6±0.33",
        "63.4±0.32 70.8±0.37 65.9±0.28 66.9±0.39",
        "62.7±0.25 65.5±0.23 61.9±0.25 64.1±0.28",
    ),
    "resnet-50": (
        "61.1±0.29 65.7±0.33 62.5±0.44 63.3±0.37",
        "66.5±0.26 69.3±0.31 69.1±0.17 67.8±0.33",
        "61.1±0.36 63.8±0.29 64.8±0.34 62.4±0.37",
    ),
    "xception": (
        "56.8±0.38 57.9±0.41 59.9±0.27 57.3±0.43",
        "64.8±0.19 67.2±0.26 66.7±0.21 65.9±0.25",
        "62.9±0.33 65.1±0.32 63.1±0.22 63.9±0.34",
    ),
    "densenet121": (
        "59.7±0.27 64.6±0.21 61.1±0.39 62.1±0.28",
        "65.1±0.23 70.1±0.19 67.8±0.29 67.5±0.25",
        "60.2±0.28 64.4±0.21 60.6±0.26 62.2±0.27",
    ),
    "inception-v3": (
        "60.4±0.31 62.1±0.38 59.3±0.23 61.2±0.35",
        "66.6±0.28 69.8±0.24 66.2±0.32 68.2±0.31",
        "62.8±0.29 67.9±0.35 61.4±0.19 65.3±0.33",
    ),
    "covtanet": (
        "83.8±0.25 90.3±0.27 85.2±0.19 86.9±0.22",
        "93.9±0.13 96.6±0.11 95.8±0.17 94.2±0.21",
        "90.9±0.16 93.4±0.23 91.7±0.19 92.1±0.11",
    ),
}
"""Key -> one text for each of `TASKS`, in percent with what follows the ±."""

LABELS = {
    "vgg-19": "VGG-19",
    "resnet-50": "ResNet-50",
    "xception": "Xception",
    "densenet121": "DenseNet121",
    "inception-v3": "InceptionV3",
    "covtanet": "CovTANet",
}
"""As the paper spells them. All but CovTANet see the slices without TA-SegNet before them."""


@dataclass(frozen=True)
class PaperScore:
    """One network in one comparison of Table IV.

    `figures` and `spread` (printed after a ±, of what is not said) map each of `COLUMNS` to shares
    of one.
    """

    key: str
    label: str
    task: ClassTask
    figures: Mapping[str, float]
    spread: Mapping[str, float]

    def printed(self, name: str) -> str:
        """A figure with its deviation, as a share of one."""
        return f"{self.figures[name]:.3f} ± {self.spread[name]:.4f}"


def _scores() -> tuple[PaperScore, ...]:
    found = []
    for key, texts in _TABLE_4.items():
        for task, text in zip(TASKS, texts, strict=True):
            cells = zip(COLUMNS, text.split(), strict=True)
            pairs = {name: [float(part) for part in cell.split("±")] for name, cell in cells}
            found.append(
                PaperScore(
                    key=key,
                    label=LABELS[key],
                    task=task,
                    figures={n: round(value / 100, 3) for n, (value, _) in pairs.items()},
                    spread={n: round(spread / 100, 4) for n, (_, spread) in pairs.items()},
                )
            )
    return tuple(found)


TABLE_4: tuple[PaperScore, ...] = _scores()


def paper_score(key: str, task: str) -> PaperScore | None:
    """The paper's figures; None for another network. Raises: SettingsError for another task."""
    wanted = find_task(task)
    return next((one for one in TABLE_4 if (one.key, one.task) == (key, wanted)), None)


def class_size(scan_class: ScanClass) -> int:
    """Scans of a class in MosMedData as it was published, which is what the paper used."""
    wanted = ("normal", "") if scan_class == "normal" else ("findings", scan_class)
    return sum(count for grade, count in PUBLISHED.items() if GRADES[grade] == wanted)
