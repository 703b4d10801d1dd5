"""What is deleted and when, and what never is."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from groundglass.server.job import Plan
from groundglass.server.jobs import JobStore
from groundglass.server.retention import Retention
from groundglass.server.settings import Retention as RetentionSettings
from groundglass.server.settings import ServeSettings
from groundglass.server.spool import Spool

from .conftest import ORIGIN

DAY = 86400.0


@pytest.fixture
def settings(make_settings: Callable[..., ServeSettings]) -> ServeSettings:
    return make_settings(retention=RetentionSettings(studies_days=2, results_days=5))


@pytest.fixture
def after_days(settings: ServeSettings, spool: Spool, jobs: JobStore) -> Callable[[float], None]:
    """Sweep so many days from now."""
    return lambda days: Retention(
        settings, spool, jobs, clock=lambda: time.time() + days * DAY
    ).sweep()


def analyzed(settings: ServeSettings, spool: Spool, jobs: JobStore, *peers: str) -> str:
    """A study that is done, settled, and has a result; the job's id."""
    spool.receive("1.2", "1.3", "1.4", b"x", origin=ORIGIN)
    job, _ = jobs.submit("1.2", Plan("all", {"1.3": ["1.4"]}))
    taken = jobs.claim("w")
    assert taken
    jobs.finish(taken[1], {"folder": "result-1"}, send_to=peers)
    (settings.results_folder / "result-1").mkdir(parents=True)
    study = spool.study("1.2")
    assert study
    assert spool.mark_settled(study)
    return job.id


def test_studies_go_first_and_results_later(
    settings: ServeSettings, spool: Spool, jobs: JobStore, after_days: Callable[[float], None]
) -> None:
    job = analyzed(settings, spool, jobs)
    after_days(1.9)
    assert spool.study("1.2")
    after_days(2.1)
    assert spool.study("1.2") is None
    assert (settings.results_folder / "result-1").exists()
    after_days(5.1)
    assert not (settings.results_folder / "result-1").exists()
    assert jobs.get(job) is None
    lines = [json.loads(line) for line in settings.audit_file.read_text().splitlines()]
    assert [(line["event"], line["what"]) for line in lines] == [
        ("deleted", "study"), ("deleted", "result"),
    ]  # fmt: skip


def test_what_waits_is_never_deleted(
    settings: ServeSettings, spool: Spool, jobs: JobStore, after_days: Callable[[float], None]
) -> None:
    spool.receive("1.2", "1.3", "1.4", b"x", origin=ORIGIN)
    after_days(1000)
    assert spool.study("1.2")
    study = spool.study("1.2")
    assert study
    spool.mark_settled(study)
    job, _ = jobs.submit("1.2", Plan("all", {"1.3": ["1.4"]}))
    after_days(1000)
    assert spool.study("1.2")
    assert jobs.get(job.id)


def test_a_result_on_its_way_stays(
    settings: ServeSettings, spool: Spool, jobs: JobStore, after_days: Callable[[float], None]
) -> None:
    job = analyzed(settings, spool, jobs, "pacs")
    after_days(1000)
    assert (settings.results_folder / "result-1").exists()
    jobs.deliveries.cancel(job)
    after_days(1000)
    assert not (settings.results_folder / "result-1").exists()


def test_uploads_go_with_their_result(
    settings: ServeSettings, jobs: JobStore, after_days: Callable[[float], None]
) -> None:
    settings.uploads_folder.mkdir()
    (settings.uploads_folder / "a.nii.gz").write_text("x")
    job, _ = jobs.submit("2.25.1", Plan("upload", upload="a.nii.gz"))
    jobs.cancel(job.id)
    after_days(4.9)
    assert (settings.uploads_folder / "a.nii.gz").exists()
    after_days(5.1)
    assert list(settings.uploads_folder.iterdir()) == []
