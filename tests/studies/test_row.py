"""A finished row goes to the disk and comes back the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from groundglass.errors import DatasetError, InputError, SettingsError
from groundglass.metrics.aggregate import CaseScore
from groundglass.metrics.overlap import Confusion
from groundglass.studies.row import (
    FoldScores,
    Row,
    from_dict,
    read_row,
    to_dict,
    write_row,
)

from .made_rows import A, B, made_row


def test_round_trip(tmp_path: Path) -> None:
    row = made_row(note="a note")
    write_row(tmp_path / "row.json", row)
    assert read_row(tmp_path / "row.json") == row
    assert [path.name for path in tmp_path.iterdir()] == ["row.json"]
    stored = json.loads((tmp_path / "row.json").read_text())
    assert stored["folds"][0]["cases"][0]["slices"] == [[8, 2, 0, 90], [0, 0, 0, 100]]


def test_the_leak_is_named() -> None:
    assert made_row(protocol="slices").protocol_label == "slice split (leaks patients)"
    assert "leak" not in made_row().protocol_label


def test_slices_of_one_scan_in_two_folds_join() -> None:
    first = CaseScore("s", (Confusion(1, 0, 0, 3),), "p")
    second = CaseScore("s", (Confusion(0, 2, 0, 2),), "p")
    row = made_row(folds=((first, A), (second,)))
    assert [case.case_id for case in row.cases] == ["a", "s"]
    assert row.cases[1].total == Confusion(1, 2, 0, 5)


@pytest.mark.parametrize(
    ("change", "error"),
    [({"target": "heart"}, SettingsError), ({"protocol": "random"}, SettingsError)],
)
def test_odd_settings_are_refused(change: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(change.values()))):
        made_row(**change)


def test_folds_are_there_and_each_once() -> None:
    with pytest.raises(InputError, match="no case"):
        FoldScores(0, ())
    with pytest.raises(InputError, match="folds \\[\\]"):
        made_row(folds=())
    twice = (FoldScores(1, (A,)), FoldScores(1, (B,)))
    with pytest.raises(InputError, match="\\[1, 1\\]"):
        Row("bu", "BU", "lungs", "patients", 1, twice, 1, 1.0)


def _damage(values: dict[str, Any], path: str) -> dict[str, Any]:
    damaged = json.loads(json.dumps(values))
    if path == "format":
        damaged["format"] = "other"
    elif path == "counts":
        damaged["folds"][0]["cases"][0]["slices"][0] = [1, 2, 3]
    elif path == "negative":
        damaged["folds"][0]["cases"][0]["slices"][0] = [1, 2, 3, -4]
    elif path == "target":
        damaged["target"] = "heart"
    else:
        del damaged[path]
    return damaged


@pytest.mark.parametrize("path", ["format", "counts", "negative", "target", "folds", "minutes"])
def test_damage_is_refused(path: str) -> None:
    with pytest.raises(DatasetError, match="stored row"):
        from_dict(_damage(to_dict(made_row()), path))


@pytest.mark.parametrize("text", [None, "{", "[]", "{}"])
def test_a_bad_file_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "row.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DatasetError, match=r"row\.json"):
        read_row(path)
