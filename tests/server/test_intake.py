"""From the spool to the queue, and what is settled."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from groundglass.server.intake import Intake
from groundglass.server.jobs import JobStore
from groundglass.server.rules import EVERY_CT
from groundglass.server.settings import ServeSettings
from groundglass.server.spool import Spool

from .conftest import ORIGIN


def send(spool: Spool, number: int = 1) -> float:
    """One more object of a study; returns when it came."""
    spool.receive("1.2", "1.3", f"1.4.{number}", b"x", origin=ORIGIN)
    study = spool.study("1.2")
    assert study
    return study.last_received


def events(settings: ServeSettings) -> list[str]:
    return [json.loads(line)["event"] for line in settings.audit_file.read_text().splitlines()]


@pytest.fixture
def at(settings: ServeSettings, spool: Spool, jobs: JobStore) -> Callable[[float], None]:
    """Look at the spool at a time."""
    return lambda now: Intake(settings, spool, jobs, clock=lambda: now).look()


def test_a_quiet_study_is_queued_once(
    settings: ServeSettings, spool: Spool, jobs: JobStore, at: Callable[[float], None]
) -> None:
    last = send(spool)
    at(last + 0.1)
    assert jobs.list() == []
    for _ in range(3):
        at(last + 1)
    assert [job.plan.series for job in jobs.list()] == [{"1.3": ["1.4.1"]}]
    assert events(settings) == ["received", "queued"]
    assert spool.waiting() == 1


def test_later_objects_are_a_new_job_in_place_of_one_that_waits(
    settings: ServeSettings, spool: Spool, jobs: JobStore, at: Callable[[float], None]
) -> None:
    at(send(spool, 1) + 1)
    at(send(spool, 2) + 1)
    newest, oldest = jobs.list()
    assert (newest.state, oldest.state) == ("waiting", "canceled")
    assert newest.plan.series == {"1.3": ["1.4.1", "1.4.2"]}
    assert events(settings)[2:] == ["received", "queued", "canceled"]


def test_a_study_is_settled_when_its_jobs_are_at_their_end(
    spool: Spool, jobs: JobStore, at: Callable[[float], None]
) -> None:
    at(send(spool) + 1)
    taken = jobs.claim("w")
    assert taken
    at(send(spool))
    assert spool.waiting() == 1
    jobs.finish(taken[1], {})
    at(0)
    assert spool.waiting() == 0


def test_a_kill_between_queue_and_mark_repeats_no_job(
    spool: Spool, jobs: JobStore, at: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    last = send(spool)
    with monkeypatch.context() as patch:

        def killed(*_: Any) -> None:
            raise KeyboardInterrupt

        patch.setattr(spool, "mark_submitted", killed)
        with pytest.raises(KeyboardInterrupt):
            at(last + 1)
    at(last + 1)
    assert len(jobs.list()) == 1


def test_what_no_rule_wants_is_ignored_and_settled(
    make_settings: Callable[..., ServeSettings], spool: Spool, jobs: JobStore
) -> None:
    settings = make_settings(rules=(EVERY_CT,))
    last = send(spool)  # no DICOM: it says nothing of its modality
    Intake(settings, spool, jobs, clock=lambda: last + 1).look()
    assert jobs.list() == []
    assert spool.waiting() == 0
    assert events(settings) == ["received", "ignored"]
