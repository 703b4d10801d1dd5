"""A table's rows, each beside the paper's, and the conditions they were made under."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from groundglass.errors import SettingsError
from groundglass.studies.paper import Paper, PaperRow
from groundglass.studies.paper_checks import Fault, faults
from groundglass.studies.papers import find_paper
from groundglass.studies.row import Row
from groundglass.studies.row_summary import RowSummary, summarize

PHANTOM_WARNING = "made-up phantoms: says nothing about patients"


@dataclass(frozen=True)
class Conditions:
    """Under what a table was made; all of it is printed beneath it.

    `budget` begins with its name, up to a colon. `data` says which scans, `folds` which of them
    were run, `command` what makes the table again. `study` names the paper; `notice` says above the
    table how its data differ from the paper's.
    """

    budget: str
    data: str
    is_phantom: bool
    folds: str
    seeds: tuple[int, ...]
    hardware: str
    date: str
    command: str
    minutes: float
    notes: tuple[str, ...] = ()
    study: str = "chs-net"
    notice: str = ""

    @property
    def paper(self) -> Paper:
        return find_paper(self.study)


@dataclass(frozen=True)
class TableRow:
    """A row with its summary, the paper's row if it has one, and what is wrong with that."""

    summary: RowSummary
    paper: PaperRow | None
    faults: tuple[Fault, ...]

    @property
    def row(self) -> Row:
        return self.summary.row


def table_rows(rows: Sequence[Row], table: int, *, study: str = "chs-net") -> list[TableRow]:
    """Summarize rows and put those of the study's paper beside them, in the order given.

    Raises: SettingsError where two rows have one key, target and protocol.
    """
    printed = find_paper(study)
    seen: set[tuple[str, str, str]] = set()
    found = []
    for row in rows:
        name = (row.key, row.target, row.protocol)
        if name in seen:
            raise SettingsError(
                f"row {row.key!r} on {row.target} by {row.protocol} is there twice",
                expected="each once",
            )
        seen.add(name)
        paper = printed.row(table, row.key, row.target)
        found.append(TableRow(summarize(row), paper, faults(paper) if paper else ()))
    return found
