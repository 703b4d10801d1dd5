"""Rows of made-up counts that the tests of tables and plots share."""

from __future__ import annotations

from groundglass.metrics.aggregate import CaseScore
from groundglass.metrics.overlap import Confusion
from groundglass.studies.row import FoldScores, Protocol, Row, Target
from groundglass.studies.table import Conditions

A = CaseScore("a", (Confusion(8, 2, 0, 90), Confusion(0, 0, 0, 100)), "p1")
B = CaseScore("b", (Confusion(0, 0, 2, 98), Confusion(2, 0, 0, 98)), "p1")
C = CaseScore("c", (Confusion(0, 1, 0, 99), Confusion(0, 0, 0, 100)), "p2")
D = CaseScore("d", (Confusion(30, 10, 20, 40),), "p3")


def made_row(
    key: str = "chs-net",
    *,
    target: Target = "lesions",
    protocol: Protocol = "patients",
    folds: tuple[tuple[CaseScore, ...], ...] = ((A, B), (C, D)),
    note: str = "",
) -> Row:
    """A row of the given cases, fold by fold."""
    scores = tuple(FoldScores(number, cases) for number, cases in enumerate(folds))
    return Row(key, key.upper(), target, protocol, 2305705, scores, 812, 12.34, note)


def made_conditions(
    *, is_phantom: bool = False, study: str = "chs-net", notice: str = ""
) -> Conditions:
    return Conditions(
        budget="tiny: a check",
        data="4 scans",
        is_phantom=is_phantom,
        folds="0, 1 of 2",
        seeds=(0, 3),
        hardware="2 cores",
        date="2026-01-01",
        command="groundglass study chs-net --table 5 --budget tiny",
        minutes=61.25,
        notes=("A note of its own.",),
        study=study,
        notice=notice,
    )
