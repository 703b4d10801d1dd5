"""A worker and its analysis process: whatever an analysis does, the job comes to an end."""

from __future__ import annotations

import json
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest

from groundglass.errors import QueueError
from groundglass.phantom.chest import Phantom
from groundglass.phantom.dicom_writer import write_dicom_series
from groundglass.server.analysis import PipelineAnalysis
from groundglass.server.intake import Intake
from groundglass.server.job import Job, Plan
from groundglass.server.jobs import JobStore
from groundglass.server.settings import AnalysisSettings, ServeSettings
from groundglass.server.spool import Spool
from groundglass.server.worker import Worker

from ..made_weights import write_rule_weights
from .conftest import ORIGIN, wait_for

MakeSettings = Callable[..., ServeSettings]


@pytest.fixture
def worker(settings: ServeSettings, jobs: JobStore, make_fake: Any) -> Iterator[Worker]:
    made = Worker(settings, jobs, make=make_fake, name="w")
    yield made
    made.stop(within_seconds=0)
    made.run()  # ends at once, and the analysis process with it


@pytest.fixture
def submit(spool: Spool, jobs: JobStore) -> Callable[..., Job]:
    """Spool a study of two objects, the first with orders for the stand-in, and queue it."""

    def run(orders: str, study: str = "1.2", **changes: Any) -> Job:
        for sop, data in (("1.4.1", orders), ("1.4.2", "")):
            spool.receive(study, "1.3", sop, data.encode(), origin=ORIGIN)
        return jobs.submit(study, Plan("all", {"1.3": ["1.4.1", "1.4.2"]}, **changes))[0]

    return run


def now(jobs: JobStore, job: Job) -> Job:
    found = jobs.get(job.id)
    assert found
    return found


def left_over(settings: ServeSettings) -> list[str]:
    """What tries left, and results."""
    places = (settings.work_folder, settings.results_folder)
    return [path.name for place in places if place.is_dir() for path in place.iterdir()]


def events(settings: ServeSettings) -> list[str]:
    if not settings.audit_file.exists():
        return []
    return [json.loads(line)["event"] for line in settings.audit_file.read_text().splitlines()]


def test_a_job_is_done_and_its_result_is_in_place(
    settings: ServeSettings, jobs: JobStore, worker: Worker, submit: Any, spool: Spool
) -> None:
    first, second = submit("", send_to=("pacs",)), submit("", study="1.9")
    spool.receive("1.2", "1.3", "1.4.0", b"die", origin=ORIGIN)  # came later: not of this job
    assert worker.work_once()
    assert worker.work_once()
    assert not worker.work_once()
    done, other = now(jobs, first), now(jobs, second)
    assert done.state == other.state == "done"
    assert done.result
    assert other.result
    assert done.result["process"] == other.result["process"] != os.getpid()
    assert (settings.results_folder / done.result["folder"] / "read.txt").read_text() == (
        "1.4.1\n1.4.2"
    )
    assert [one.peer for one in jobs.deliveries.of_job(done.id)] == ["pacs"]
    assert events(settings) == ["analyzed", "analyzed"]
    assert list(settings.work_folder.iterdir()) == []
    assert spool.study("1.2")


def test_an_error_that_stays_ends_the_job(
    settings: ServeSettings, jobs: JobStore, worker: Worker, submit: Any
) -> None:
    job = submit("no-lung")
    worker.work_once()
    failed = now(jobs, job)
    assert (failed.state, failed.tries, failed.error) == ("failed", 1, "No lung found.")
    assert left_over(settings) == []
    assert events(settings) == ["failed"]


def test_an_error_that_may_go_away_is_tried_again(
    jobs: JobStore, worker: Worker, submit: Any
) -> None:
    job = submit("disk")
    worker.work_once()
    assert now(jobs, job).state == "waiting"
    wait_for(worker.work_once)
    wait_for(worker.work_once)
    assert (now(jobs, job).state, now(jobs, job).tries) == ("failed", 3)


def test_what_foreign_code_says_is_not_quoted(
    jobs: JobStore, worker: Worker, submit: Any, caplog: pytest.LogCaptureFixture
) -> None:
    job = submit("quote DOE^JANE")
    worker.work_once()
    said = now(jobs, job).error or ""
    assert said.startswith("The analysis broke off: ValueError in fake_analysis.py, line ")
    assert "JANE" not in said + caplog.text


def test_a_crash_ends_one_try_only(jobs: JobStore, worker: Worker, submit: Any) -> None:
    job = submit("die-first")
    other = submit("", study="1.9")
    worker.work_once()
    crashed = now(jobs, job)
    assert (crashed.state, crashed.error) == (
        "waiting",
        "The analysis process was killed by SIGSEGV.",
    )
    wait_for(lambda: worker.work_once() or now(jobs, job).state == "done")
    wait_for(lambda: not worker.work_once())
    assert (now(jobs, job).state, now(jobs, job).tries) == ("done", 2)
    assert (now(jobs, other).state, now(jobs, other).tries) == ("done", 1)


def test_a_study_that_always_crashes_is_set_aside(
    settings: ServeSettings, jobs: JobStore, worker: Worker, submit: Any
) -> None:
    job = submit("die")
    for _ in range(3):
        wait_for(worker.work_once)
    poison = now(jobs, job)
    assert (poison.state, poison.tries) == ("failed", 3)
    assert "memory runs out" in (poison.error or "")
    assert events(settings) == ["failed"]
    time.sleep(0.3)
    assert not worker.work_once()


def test_an_analysis_that_hangs_is_killed(
    make_settings: MakeSettings, jobs: JobStore, make_fake: Any, submit: Any
) -> None:
    short = make_settings(analysis=AnalysisSettings(minutes=0.01), tries=1)
    job = submit("sleep 60")
    store = JobStore.from_settings(short)
    worker = Worker(short, store, make=make_fake)
    worker.work_once()
    store.close()
    assert "longer than 0.01 minutes" in (now(jobs, job).error or "")


def test_a_canceled_job_is_killed_and_leaves_nothing(
    settings: ServeSettings, jobs: JobStore, worker: Worker, submit: Any
) -> None:
    job = submit("sleep 60")
    thread = threading.Thread(target=worker.work_once)
    thread.start()
    wait_for((settings.folder / "starts").exists)
    assert jobs.cancel(job.id)
    thread.join(10)
    assert not thread.is_alive()
    assert now(jobs, job).state == "canceled"
    assert left_over(settings) == []
    assert events(settings) == []


def test_told_to_stop_a_worker_gives_back_what_it_cannot_finish(
    settings: ServeSettings, jobs: JobStore, worker: Worker, submit: Any
) -> None:
    job = submit("sleep 60")
    thread = threading.Thread(target=worker.run)
    thread.start()
    wait_for((settings.folder / "starts").exists)
    worker.stop()
    thread.join(10)
    assert not thread.is_alive()
    given = now(jobs, job)
    assert (given.state, given.tries) == ("waiting", 0)
    assert left_over(settings) == []


def test_told_to_stop_a_worker_finishes_what_it_can(
    make_settings: MakeSettings, jobs: JobStore, make_fake: Any, submit: Any
) -> None:
    patient = make_settings(drain_seconds=30)
    first, second = submit("sleep 0.3"), submit("", study="1.9")
    store = JobStore.from_settings(patient)
    worker = Worker(patient, store, make=make_fake)
    thread = threading.Thread(target=worker.run)
    thread.start()
    wait_for((patient.folder / "starts").exists)
    worker.stop()
    thread.join(20)
    store.close()
    assert (now(jobs, first).state, now(jobs, second).state) == ("done", "waiting")


def test_a_late_worker_publishes_nothing(
    settings: ServeSettings, jobs: JobStore, worker: Worker, submit: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Its job was another's before it could finish: the other's result stays the only one."""
    job = submit("")
    finish = jobs.finish

    def too_late(lease: Any, result: Any, **rest: Any) -> None:
        with jobs.database.begin() as connection:
            connection.exec_driver_sql("UPDATE jobs SET token = token + 1, owner = 'other'")
        finish(lease, result, **rest)

    monkeypatch.setattr(jobs, "finish", too_late)
    worker.work_once()
    assert (now(jobs, job).state, now(jobs, job).owner) == ("running", "other")
    assert left_over(settings) == []
    assert events(settings) == []


def test_a_database_that_goes_away_at_the_end_costs_a_try(
    settings: ServeSettings, jobs: JobStore, worker: Worker, submit: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    submit("")

    def gone(*_: Any, **__: Any) -> None:
        raise QueueError("database is away")

    monkeypatch.setattr(jobs, "finish", gone)
    with pytest.raises(QueueError):
        worker.work_once()
    assert left_over(settings) == []


def test_objects_that_were_deleted_fail_the_job(
    jobs: JobStore, worker: Worker, submit: Any, spool: Spool
) -> None:
    job = submit("")
    study = spool.study("1.2")
    assert study
    assert spool.remove(study)
    worker.work_once()
    assert now(jobs, job).state == "failed"
    assert "misses objects" in (now(jobs, job).error or "")


def test_a_real_study_without_a_word_of_the_patient(
    make_settings: MakeSettings, jobs: JobStore, spool: Spool, small_chest: Phantom,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The pipeline itself in its process, with weights that need no minutes."""
    for name in ("chs-net", "ta-segnet"):
        write_rule_weights(tmp_path / "weights" / name)
    monkeypatch.setenv("GROUNDGLASS_WEIGHTS", str(tmp_path / "weights"))
    series: dict[str, list[str]] = {}
    study = ""
    for path in write_dicom_series(small_chest, tmp_path / "scan"):
        scan = pydicom.dcmread(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scan.PatientName, scan.PatientID, scan.PatientBirthDate = "DOE^JANE", "4711", "bad day"
            scan.save_as(path)
        study, sop = str(scan.StudyInstanceUID), str(scan.SOPInstanceUID)
        series.setdefault(str(scan.SeriesInstanceUID), []).append(sop)
        spool.receive(study, str(scan.SeriesInstanceUID), sop, path, origin=ORIGIN)
    settings = make_settings(quiet_seconds=0.01, lease_seconds=60)
    wait_for(lambda: Intake(settings, spool, jobs).look() or jobs.list())
    worker = Worker(settings, jobs, make=PipelineAnalysis)
    worker.stop(within_seconds=60)
    assert worker.work_once()
    worker.run()
    (done,) = jobs.list()
    assert (done.state, done.error) == ("done", None)
    assert done.plan.series == {uid: sorted(sops) for uid, sops in series.items()}
    assert done.result
    findings = json.loads(
        (settings.results_folder / done.result["folder"] / "findings.json").read_text()
    )
    assert findings["scan"]["id"] == done.id
    assert findings["scan"]["series_uid"] == next(iter(series))
    assert findings["lesions"]["involvement_percent"] == done.result["involvement_percent"] > 1
    kept = [settings.audit_file, *settings.folder.glob("queue.sqlite*")]
    said = b"".join(path.read_bytes() for path in kept) + "".join(capfd.readouterr()).encode()
    assert study.encode() in said
    assert not {word for word in (b"JANE", b"4711", b"bad day") if word in said}


def test_an_upload_is_analyzed_as_it_is(
    settings: ServeSettings, jobs: JobStore, worker: Worker, spool: Spool
) -> None:
    settings.uploads_folder.mkdir()
    (settings.uploads_folder / "chest.nii.gz").write_text("")
    job, _ = jobs.submit("2.25.1", Plan("upload", upload="chest.nii.gz"))
    worker.work_once()
    result = now(jobs, job).result
    assert result
    assert (settings.results_folder / result["folder"] / "read.txt").read_text() == "chest.nii"
    assert (settings.uploads_folder / "chest.nii.gz").exists()
