"""Case by case: MiniSeg's published maps against rows that a study has stored.

    python benchmarks/published_maps.py --work studies/chs-net-gpu [--cases 10] [--md FILE.md]

WORK is what `groundglass study chs-net` was given or chose. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from groundglass.errors import DatasetError, GroundglassError
from groundglass.metrics.aggregate import CaseScore
from groundglass.studies.paper_chs_net import REFERENCES
from groundglass.studies.row import PROTOCOLS, Row, read_row
from markdown_table import table

PUBLISHED = next(one for one in REFERENCES if one.key == "miniseg-maps")

FEWEST_SLICES = 5
"""Test slices of a case. One has two in all, with a few pixels: its Dice says nothing."""

FEWEST_CASES = 3


@dataclass(frozen=True)
class Compared:
    """A row, how many slices its networks were trained on, and the Dice of each of its cases."""

    row: Row
    train_slices: int
    dice: dict[str, float]

    @property
    def mean_difference(self) -> float:
        """Mean absolute difference to the published maps."""
        return _difference({case: (PUBLISHED.cases[case], own) for case, own in self.dice.items()})


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
        page = to_markdown(compare(arguments.work, fewest=arguments.cases))
    except GroundglassError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if arguments.md:
        arguments.md.parent.mkdir(parents=True, exist_ok=True)
        arguments.md.write_text(page, encoding="utf-8")
    print(page)
    return 0


def compare(work: Path, *, fewest: int = FEWEST_CASES) -> list[Compared]:
    """Stored rows for lesions, their folds together, each on the cases that all of them have.

    Raises: DatasetError where no row has `fewest` of the published cases, or they share none.
    """
    names: dict[tuple[str, str], list[Path]] = {}
    for protocol in PROTOCOLS:
        for path in sorted(work.glob(f"{protocol}-*/rows/*.json")):
            names.setdefault((protocol, path.name), []).append(path)
    found = []
    for paths in names.values():
        rows = [read_row(path) for path in paths]
        if rows[0].target != "lesions":
            continue
        dice = _published_cases(case for row in rows for fold in row.folds for case in fold.cases)
        if len(dice) >= fewest:
            slices = round(sum(row.train_slices for row in rows) / len(rows))
            found.append(Compared(rows[0], slices, dice))
    common = set.intersection(*(set(one.dice) for one in found)) if found else set()
    if not common:
        raise DatasetError(
            f"{work} has no rows for lesions that share any of {fewest} or more published cases",
            expected="the --work folder of a study",
            remedy="Run: groundglass study chs-net --table 2 --index INDEX",
        )
    shared = [replace(one, dice={case: one.dice[case] for case in sorted(common)}) for one in found]
    return sorted(shared, key=lambda one: one.mean_difference)


def _published_cases(cases: Iterable[CaseScore]) -> dict[str, float]:
    return {
        case.case_id: case.total.dice
        for case in cases
        if case.case_id in PUBLISHED.cases
        and case.total.dice is not None
        and len(case.slices) >= FEWEST_SLICES
    }


def _difference(pairs: dict[str, tuple[float, float]]) -> float:
    return float(np.mean([abs(one - other) for one, other in pairs.values()]))


def to_markdown(found: list[Compared]) -> str:
    """The rows, those nearest to the published maps first."""
    named = list(found[0].dice)
    published = {case: PUBLISHED.cases[case] for case in named}
    short = [case.removeprefix("coronacases_").removeprefix("radiopaedia_") for case in named]
    header = ["row", "test by", "training slices", "mean absolute difference", *short]
    rows: list[list[object]] = [
        ["MiniSeg's published maps", "", "", "", *_digits(published.values())],
        [f"{PUBLISHED.dice} for every case", "", "", _flat(published), *[""] * len(named)],
    ]
    for one in found:
        test_by, apart = PROTOCOLS[one.row.protocol], f"{one.mean_difference:.3f}"
        slices = f"{one.train_slices:,}"
        rows.append([one.row.label, test_by, slices, apart, *_digits(one.dice.values())])
    return (
        "# MiniSeg's published maps, case by case\n\n"
        f"Dice of lesions on the {len(named)} cases that all rows have with {FEWEST_SLICES} or "
        "more test slices. By patient all slices of a case are tested, by slice some third of "
        "them; the published maps are of all.\n\n" + table(header, rows, left=2)
    )


def _flat(published: dict[str, float]) -> str:
    return f"{_difference({case: (own, PUBLISHED.dice) for case, own in published.items()}):.3f}"


def _digits(values: Iterable[float]) -> list[str]:
    return [f"{value:.2f}" for value in values]


if __name__ == "__main__":
    sys.exit(main())
