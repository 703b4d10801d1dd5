"""What a cohort of phantoms is made from: checked when made, kept in its marker file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from groundglass.errors import SettingsError

GRADES = ("CT-0", "CT-1", "CT-2", "CT-3", "CT-4")
CLASSES = {"CT-0": "normal", "CT-1": "mild", "CT-2": "severe", "CT-3": "severe", "CT-4": "severe"}
"""Source: CovTANet's section on the data: normal is CT-0, mild CT-1, severe CT-2 and above."""

SHARES = {"balanced": (6, 6, 3, 2, 1), "mosmed": (254, 684, 125, 45, 2)}
"""Scans of CT-0 to CT-4 in relation to each other. `balanced`: as many normal, mild and severe.
`mosmed`: as published (Morozov et al., arXiv 2005.06465)."""

EDGE_PERCENT = 25.0
EDGE_WIDTH_PERCENT = 3.0
"""So far from 25 % the chance of a wrong label has fallen by the factor e."""
MOST_SCANS = 9999  # names have four digits


@dataclass(frozen=True)
class CohortSettings:
    """A cohort: how many scans, whose (by seed), of what size, and how they are labeled.

    `size`: rows and columns; `slices`: fewest and most. `shares`: scans of CT-0 to CT-4 in
    relation to each other. `masks`: the share of the scans labeled CT-1 that get their lesion
    mask (all 50 of MosMedData are CT-1), or "all" for a mask of every scan. `edge_flips`: chance
    that a scan of exactly 25 % gets the other label; it falls with the distance from 25 %.

    A scan depends on all of this but `count`: a longer cohort begins with the shorter one.
    Raises: SettingsError.
    """

    count: int
    seed: int = 0
    size: int = 128
    slices: tuple[int, int] = (12, 48)
    shares: tuple[int, ...] = SHARES["balanced"]
    masks: float | Literal["all"] = 0.3
    edge_flips: float = 0.3

    def __post_init__(self) -> None:
        _check("count", self.count, 1, MOST_SCANS)
        _check("seed", self.seed, 0, 2**31 - 1)
        _check("size", self.size, 32, 1024)
        low, high = self.slices
        if not 4 <= low <= high <= 512:
            raise SettingsError(
                f"slices are {low} to {high}", expected="fewest and most, within 4 to 512"
            )
        if len(self.shares) != len(GRADES) or min(self.shares) < 0 or not sum(self.shares):
            raise SettingsError(
                f"shares are {self.shares}",
                expected=f"five numbers, of {', '.join(GRADES)}, not all 0",
            )
        if self.masks != "all":
            _check("masks", self.masks, 0, 1)
        _check("edge_flips", self.edge_flips, 0, 1)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**asdict(self), "slices": list(self.slices), "shares": list(self.shares)}


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise SettingsError(f"{name} is {value}", expected=f"{low:g} to {high:g}")


def grade_of(involvement_percent: float) -> str:
    """Grade by the involved share of the lungs: none, below 25, 50, 75 %, and above.

    Source: the publisher's grades, Morozov et al.; 25 % parts mild from severe in CovTANet.
    """
    if involvement_percent == 0:
        return "CT-0"
    return GRADES[1 + sum(involvement_percent >= edge for edge in (EDGE_PERCENT, 50.0, 75.0))]
