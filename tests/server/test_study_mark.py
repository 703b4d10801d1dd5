"""Leaving studies alone by the times of their folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from groundglass.server import spool as spool_module
from groundglass.server.spool import Spool
from groundglass.server.study_mark import StudyMark, read_mark

from .conftest import ORIGIN


def put(spool: Spool, study: str, series: str, number: int) -> Path:
    receipt = spool.receive(study, series, f"{series}.{number}", b"x", origin=ORIGIN)
    return receipt.path


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The studies whose objects were listed, one after the other."""
    found: list[str] = []
    real = spool_module.read_study

    def read(folder: Path) -> object:
        found.append(folder.name)
        return real(folder)

    monkeypatch.setattr(spool_module, "read_study", read)
    return found


def test_a_mark_is_the_times_of_the_series_and_of_the_submission(tmp_path: Path) -> None:
    assert read_mark(tmp_path / "none") is None
    (tmp_path / "1.2" / "1.3").mkdir(parents=True)
    (tmp_path / "1.2" / "1.4").mkdir()
    os.utime(tmp_path / "1.2" / "1.3", ns=(0, 5_000_000_000))
    os.utime(tmp_path / "1.2" / "1.4", ns=(0, 7_000_000_000))
    mark = read_mark(tmp_path / "1.2")
    assert mark == StudyMark((("1.3", 5_000_000_000), ("1.4", 7_000_000_000)), None)
    assert mark.last_received == 7.0
    assert (mark.is_sure(7.5), mark.is_sure(8.0)) == (False, True)


@pytest.mark.parametrize(("submitted", "grew"), [(None, False), (4, True), (5, False), (6, False)])
def test_what_came_after_the_submission_is_known_without_a_list(
    submitted: int | None, grew: bool
) -> None:
    assert StudyMark((("1.3", 5),), submitted).grew_since_submitted is grew


def test_a_study_that_grows_or_waits_is_not_listed(spool: Spool, listed: list[str]) -> None:
    put(spool, "1.2", "1.3", 1)
    study = spool.study("1.2")
    assert study
    listed.clear()
    later = study.last_received + 100
    assert spool.quiet_studies(study.last_received + 29, 30) == []
    assert listed == []
    assert len(spool.quiet_studies(later, 30)) == 1
    spool.mark_submitted(study)
    listed.clear()
    for _ in range(3):
        assert spool.quiet_studies(later, 30) == []
        assert list(spool.submitted_studies(without={"1.2"})) == []
    assert listed == ["1.2"]


@pytest.mark.parametrize("series", ["1.3", "1.4"])
def test_one_more_object_is_found_in_a_study_that_was_left_alone(spool: Spool, series: str) -> None:
    put(spool, "1.2", "1.3", 1)
    study = spool.study("1.2")
    assert study
    spool.mark_submitted(study)
    os.utime(study.folder / "1.3", (study.last_received - 90, study.last_received - 90))
    assert spool.quiet_studies(study.last_received, 30) == []
    put(spool, "1.2", series, 2)
    (more,) = spool.quiet_studies(study.last_received + 100, 30)
    assert more.instances == 2
    assert list(spool.submitted_studies()) == []


def test_a_change_within_the_grain_of_a_folders_time_is_found(spool: Spool) -> None:
    folder = put(spool, "1.2", "1.3", 1).parent
    study = spool.study("1.2")
    assert study
    spool.mark_submitted(study)
    times = os.stat(folder).st_atime_ns, os.stat(folder).st_mtime_ns
    assert spool.quiet_studies(study.last_received + 0.5, 0.1) == []
    put(spool, "1.2", "1.3", 2)
    os.utime(folder, ns=times)
    assert len(spool.quiet_studies(study.last_received + 0.6, 0.1)) == 1
