"""Case by case: MiniSeg's published maps against rows that a study has stored.

    python benchmarks/published_maps.py --work studies/chs-net-gpu [--cases 10] [--md FILE.md]

WORK is what `groundglass study chs-net` was given or chose. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from groundglass.errors import DatasetError, GroundglassError
from groundglass.metrics.aggregate import CaseScore
from groundglass.studies.paper_chs_net import REFERENCES
from groundglass.studies.row import PROTOCOLS, Row, read_row
from markdown_table import table

FEWEST_SLICES = 5
"""One case has two slices with a few pixels: its Dice says nothing of either side."""

FEWEST_CASES = 3
"""Of which a correlation can be had at all."""


@dataclass(frozen=True)
class Compared:
    """A row, and its cases' (published, own) Dice by case."""

    row: Row
    dice: dict[str, tuple[float, float]]

    @property
    def mean_difference(self) -> float:
        """Mean of the absolute differences."""
        return float(np.mean([abs(published - own) for published, own in self.dice.values()]))

    @property
    def correlation(self) -> float:
        """Pearson's."""
        published, own = zip(*self.dice.values(), strict=True)
        return float(np.corrcoef(published, own)[0, 1])


def main(argv: list[str] | None = None) -> int:
    """Print the comparison; 1 where the folder holds no row to compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="folder of a study's runs")
    parser.add_argument(
        "--cases", type=int, default=FEWEST_CASES, help="leave out rows of fewer cases"
    )
    parser.add_argument("--md", type=Path, help="Markdown to write")
    arguments = parser.parse_args(argv)
    try:
        page = to_markdown(compare(arguments.work, fewest=max(FEWEST_CASES, arguments.cases)))
    except GroundglassError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if arguments.md:
        arguments.md.parent.mkdir(parents=True, exist_ok=True)
        arguments.md.write_text(page, encoding="utf-8")
    print(page)
    return 0


def compare(work: Path, *, fewest: int = FEWEST_CASES) -> list[Compared]:
    """Every stored row for lesions, its folds together. Raises: DatasetError where none fits."""
    names: dict[tuple[str, str], list[Path]] = {}
    for protocol in PROTOCOLS:
        for path in sorted(work.glob(f"{protocol}-*/rows/*.json")):
            names.setdefault((protocol, path.name), []).append(path)
    found = []
    for paths in names.values():
        rows = [read_row(path) for path in paths]
        if rows[0].target != "lesions":
            continue
        cases = [case for row in rows for fold in row.folds for case in fold.cases]
        dice = _beside_published(cases)
        if len(dice) >= fewest:
            found.append(Compared(rows[0], dice))
    if not found:
        raise DatasetError(
            f"{work} has no row for lesions of {fewest} or more of the published cases",
            expected="the --work folder of a study",
            remedy="Run: groundglass study chs-net --table 2 --index INDEX",
        )
    return sorted(found, key=lambda one: one.mean_difference)


def _beside_published(cases: list[CaseScore]) -> dict[str, tuple[float, float]]:
    reference = next(one for one in REFERENCES if one.key == "miniseg-maps")
    out = {}
    for case in cases:
        published, own = reference.cases.get(case.case_id), case.total.dice
        if published is not None and own is not None and len(case.slices) >= FEWEST_SLICES:
            out[case.case_id] = (published, own)
    return out


def to_markdown(found: list[Compared]) -> str:
    """The rows, those nearest to the published maps first."""
    header = ["row", "test by", "cases", "mean absolute difference of Dice", "correlation"]
    rows = [
        [
            one.row.label,
            PROTOCOLS[one.row.protocol],
            len(one.dice),
            f"{one.mean_difference:.3f}",
            f"{one.correlation:.2f}",
        ]
        for one in found
    ]
    named = sorted({case for one in found for case in one.dice})
    each = [["MiniSeg's published maps", "", *(_published(found, case) for case in named)]]
    for one in found:
        own = [f"{one.dice[case][1]:.2f}" if case in one.dice else "–" for case in named]
        each.append([one.row.label, PROTOCOLS[one.row.protocol], *own])
    short = [case.removeprefix("coronacases_").removeprefix("radiopaedia_") for case in named]
    return (
        "# MiniSeg's published maps, case by case\n\n"
        f"Lesions; cases of {FEWEST_SLICES} slices or more.\n\n{table(header, rows, left=2)}\n"
        f"Dice of each case:\n\n{table(['row', 'test by', *short], each, left=2)}"
    )


def _published(found: list[Compared], case: str) -> str:
    return next(f"{one.dice[case][0]:.2f}" for one in found if case in one.dice)


if __name__ == "__main__":
    sys.exit(main())
