"""`groundglass serve retry`: what failed waits again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from groundglass.server.job import Plan
from groundglass.server.jobs import JobStore
from groundglass.server.settings import read_settings

from .conftest import Groundglass


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobStore]:
    store = JobStore.from_settings(read_settings(folder=tmp_path))
    yield store
    store.close()


def test_a_failed_job_waits_again(groundglass: Groundglass, jobs: JobStore, tmp_path: Path) -> None:
    job, _ = jobs.submit("1.2", Plan("all", {"1.3": ["1.4"]}))
    assert groundglass("serve", "retry", job.id, "--folder", tmp_path).code == 1  # it waits
    taken = jobs.claim("w")
    assert taken
    jobs.fail(taken[1], "no lung", can_retry=False)
    config = tmp_path / "node.toml"
    config.write_text('folder = "."\n')
    answer = groundglass("serve", "retry", job.id, "--config", config)
    assert (answer.code, "waits again" in answer.out) == (0, True)
    again = jobs.get(job.id)
    assert again
    assert (again.state, again.tries) == ("waiting", 0)


def test_failed_deliveries_wait_again(
    groundglass: Groundglass, jobs: JobStore, tmp_path: Path
) -> None:
    job, _ = jobs.submit("1.2", Plan("all", {"1.3": ["1.4"]}))
    taken = jobs.claim("w")
    assert taken
    jobs.finish(taken[1], {"folder": "x"}, send_to=["pacs", "archive"])
    sending = jobs.deliveries.claim("s")
    assert sending
    jobs.deliveries.fail(sending[1], "refused", can_retry=False)
    answer = groundglass("serve", "retry", job.id, "--folder", tmp_path)
    assert answer.out == f"1 deliveries of job {job.id} wait again\n"
    assert {one.state for one in jobs.deliveries.of_job(job.id)} == {"waiting"}
    answer = groundglass("serve", "retry", job.id, "--folder", tmp_path)
    assert (answer.code, "none of its deliveries failed" in answer.err) == (1, True)


def test_an_unknown_job_is_an_error(groundglass: Groundglass, tmp_path: Path) -> None:
    answer = groundglass("serve", "retry", "nothing", "--folder", tmp_path)
    assert (answer.code, "'nothing' is not in the queue" in answer.err) == (1, True)
    assert groundglass("serve", "retry", "nothing").code == 2
