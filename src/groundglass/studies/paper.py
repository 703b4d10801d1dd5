"""What a paper prints in its tables, as data: figures as printed, and how they are to be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from groundglass.studies.row import Target


@dataclass(frozen=True)
class PaperRow:
    """One row of a paper's table. `figures` holds those that it prints, by the names of `MEASURES`.

    `spread`: the deviations printed beside them. `digits`: of each figure, as a share of one, so
    that it stands for itself give or take `half_digit`. `study` names the `Paper`.
    """

    table: int
    key: str
    label: str
    target: Target
    figures: Mapping[str, float]
    parameters: int | None = None
    note: str = ""
    spread: Mapping[str, float] = field(default_factory=dict)
    digits: int = 2
    study: str = "chs-net"

    @property
    def half_digit(self) -> float:
        return 0.5 * 10**-self.digits

    def rounded(self, value: float) -> str:
        """A value with as many digits as the row's figures."""
        return f"{value:.{self.digits}f}"

    def printed_alone(self, name: str) -> str:
        """A figure without its deviation, a dash where the paper has none."""
        return self.rounded(self.figures[name]) if name in self.figures else "–"

    def printed(self, name: str) -> str:
        """A figure with its deviation, where the paper has one."""
        text, deviation = self.printed_alone(name), self.spread.get(name)
        return text if deviation is None else f"{text} ± {deviation:.{self.digits + 1}f}"


@dataclass(frozen=True)
class Reference:
    """A figure of others worth comparing with: `value` by `aggregation`, under `condition`."""

    key: str
    label: str
    target: Target
    aggregation: str
    dice: float
    std: float | None
    condition: str
    source: str
    cases: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Paper:
    """Everything that pages and checks need of one paper.

    `definitions`: what a page says of tests and of the paper's columns. `references` by table.
    `dice` and `jaccard` are its own words for them. `legend`: its mark in pictures. `same_test`:
    tables whose rows are all tested on the same slices. `share_from`: the measures that say on how
    much of all pixels the target is, if pooled; `measured_share` is what that is, in the words of
    `share_where`.
    """

    study: str
    titles: Mapping[int, str]
    rows: tuple[PaperRow, ...]
    definitions: tuple[str, ...]
    references: Mapping[int, tuple[Reference, ...]]
    dice: str
    jaccard: str
    legend: str
    same_test: tuple[int, ...]
    share_from: tuple[str, ...]
    measured_share: Mapping[str, float]
    share_where: str

    def row(self, table: int, key: str, target: str) -> PaperRow | None:
        """The paper's row in that table, or None where the paper has none."""
        for row in self.rows:
            if (row.table, row.key, row.target) == (table, key, target):
                return row
        return None
