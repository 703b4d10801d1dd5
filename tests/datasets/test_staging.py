"""Cases prepared aside: all or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from groundglass.datasets.index import PreparedScan, read_index
from groundglass.datasets.staging import prepare_cases
from groundglass.errors import DatasetError

from .made_scans import made_scan


class Case:
    def __init__(self, scan_id: str) -> None:
        self.scan_id = scan_id


def prepare(case: Case) -> PreparedScan:
    if case.scan_id.startswith("bad"):
        raise DatasetError(f"{case.scan_id} is bad")
    return made_scan(case.scan_id, seed=1)


def join(problems: Sequence[DatasetError]) -> DatasetError:
    return DatasetError(" and ".join(problem.problem for problem in problems))


def run(folder: Path, *names: str, known: Sequence[DatasetError] = ()):
    return prepare_cases(
        [Case(name) for name in names], prepare, destination=folder, problems=known, join=join,
        progress=None,
    )  # fmt: skip


def test_all_is_put_into_place(tmp_path: Path) -> None:
    rows = run(tmp_path / "out", "a", "b")
    assert read_index(tmp_path / "out") == rows
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "a.npz",
        "b.npz",
        "index.csv",
    ]


def test_nothing_is_where_one_case_was_wrong(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"^bad is bad\.$"):
        run(tmp_path / "out", "a", "bad", "b")
    assert not (tmp_path / "out").exists()
    with pytest.raises(DatasetError, match=r"^known before and bad-1 is bad and bad-2 is bad\.$"):
        run(tmp_path, "bad-1", "a", "bad-2", known=[DatasetError("known before")])
    assert list(tmp_path.iterdir()) == []  # it was there, so it stays
