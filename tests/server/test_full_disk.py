"""A disk that is full, for real: queue and results."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from groundglass.errors import OutputError, QueueError
from groundglass.server.audit import AuditLog
from groundglass.server.job import Plan
from groundglass.server.jobs import JobStore
from groundglass.server.settings import ServeSettings
from groundglass.server.spool import Spool
from groundglass.server.worker import Worker

from .conftest import ORIGIN


@pytest.fixture
def settings(make_settings: Any, small_disk: Path) -> ServeSettings:
    """A node whose folder is on the small disk."""
    return make_settings(folder=small_disk / "node")


@pytest.fixture
def worker(settings: ServeSettings, jobs: JobStore, make_fake: Any) -> Iterator[Worker]:
    worker = Worker(settings, jobs, make=make_fake, name="w")
    yield worker
    worker.stop(0)
    worker.run()  # ends the analysis process


def fill(path: Path) -> None:
    """A file that takes all room there is."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


def for_each(action: Callable[[int], None], numbers: range) -> None:
    for number in numbers:
        action(number)


def test_a_queue_on_a_full_disk_keeps_what_it_said_it_has(small_disk: Path, jobs: JobStore) -> None:
    known = [jobs.submit("1.2", Plan("all", {"1.3": ["1.0"]}))[0].id]
    filler = small_disk / "filler"
    fill(filler)

    def submit(number: int) -> None:
        known.append(jobs.submit("1.2", Plan("all", {"1.3": [f"1.{number}"]}))[0].id)

    with pytest.raises(QueueError, match="full"):
        for_each(submit, range(1, 5000))
    filler.unlink()
    assert {job.id for job in jobs.list(limit=5000)} == set(known)
    with jobs.database.begin() as connection:
        assert connection.execute(sa.text("PRAGMA integrity_check")).scalar() == "ok"
    taken = jobs.claim("w")
    assert taken
    jobs.finish(taken[1], {})


def test_an_audit_line_that_does_not_fit_spoils_no_other(small_disk: Path) -> None:
    audit = AuditLog(small_disk / "audit.jsonl")
    page = os.statvfs(small_disk).f_bsize
    audit.write("queued", "1.2", job="first")
    while audit.path.stat().st_size < page - 700:
        audit.write("queued", "1.2", job="x")
    filler = small_disk / "filler"
    fill(filler)
    with pytest.raises(OutputError, match="No space"):
        audit.write("queued", "1.2", job="y" * 1000)
    assert not audit.path.read_bytes().endswith(b"\n")  # as much as there was room for
    filler.unlink()
    audit.write("queued", "1.2", job="last")
    whole, torn = [], 0
    for line in audit.path.read_text().splitlines():
        try:
            whole.append(json.loads(line)["job"])
        except ValueError:
            torn += 1
    assert (whole[0], whole[-1], torn) == ("first", "last", 1)


def test_a_result_that_does_not_fit_is_removed_and_tried_again(
    settings: ServeSettings, spool: Spool, jobs: JobStore, worker: Worker, monkeypatch: Any
) -> None:
    spool.receive("1.2", "1.3", "1.4", b"fill-first", origin=ORIGIN)
    job, _ = jobs.submit("1.2", Plan("all", {"1.3": ["1.4"]}))
    assert worker.work_once()
    tried = jobs.get(job.id)
    assert tried
    assert (tried.state, tried.tries, tried.error) == ("waiting", 1, "The node's disk is full.")
    assert list(settings.work_folder.iterdir()) == []
    monkeypatch.setattr(jobs, "_clock", lambda: tried.next_try)
    assert worker.work_once()
    done = jobs.get(job.id)
    assert done
    assert (done.state, done.tries) == ("done", 2)
