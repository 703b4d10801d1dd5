"""Whatever a study makes from phantoms says so, whichever kind of phantom they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from groundglass.datasets.index import IndexRow
from groundglass.studies import results
from groundglass.studies.budget import find_budget
from groundglass.studies.phantom_words import phantom_words
from groundglass.studies.registry import find_study
from groundglass.studies.results import StudyRequest
from groundglass.studies.table_page import markdown
from groundglass.studies.table_row import table_rows

from .made_rows import made_row

ROW = IndexRow("a", "a", "a", "a.npz", "hu", 3, 10, 2, "threshold", "terms", "mosmed")


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        (("mosmed",), ""),
        (("mosmed-phantom",), " (made-up phantoms)"),
        (("mosmed", "phantom"), " (made-up phantoms)"),
        ((), ""),
    ],
)
def test_headings(sources: tuple[str, ...], words: str) -> None:
    assert phantom_words([replace(ROW, source=source) for source in sources]) == words


@pytest.mark.parametrize(
    ("source", "is_phantom"), [("mosmed", False), ("mosmed-phantom", True), ("phantom", True)]
)
def test_a_table_from_any_phantoms_says_so_in_its_page(
    source: str, is_phantom: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "hardware", lambda device: "2 cores")
    request = StudyRequest(
        study=find_study("ta-segnet"),
        table=1,
        budget=find_budget("tiny"),
        index=tmp_path / "prepared",
        work=tmp_path,
        out=tmp_path,
        folds=None,
        device="cpu",
        threads=1,
        seed=0,
    )
    runs: Any = SimpleNamespace(rows=[ROW, replace(ROW, source=source)])
    conditions = results._conditions(request, runs, [], (0,))
    assert conditions.is_phantom is is_phantom
    assert ("--index prepared" in conditions.command) is (source != "phantom")
    page = markdown(
        table_rows([made_row("ta-segnet-v1")], 1, study="ta-segnet"), conditions, table=1
    )
    assert ("made-up phantoms: says nothing about patients" in page) is is_phantom
    if source == "mosmed-phantom":
        assert "1 scans of mosmed-phantom" in page
