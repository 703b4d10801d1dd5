"""The queue: one worker for a job, nothing lost, nothing counted twice. SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from groundglass.errors import LeaseLostError, QueueError
from groundglass.server.database import METADATA
from groundglass.server.job import Plan
from groundglass.server.jobs import JobStore
from groundglass.server.leases import Retries

from .conftest import Clock

MakeStore = Callable[..., JobStore]


@pytest.fixture(params=["sqlite", "postgresql"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[MakeStore]:
    """Stores on one database, each with connections of its own."""
    url = f"sqlite:///{tmp_path / 'queue.sqlite'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres")
    made: list[JobStore] = []

    def make(tries: int = 3) -> JobStore:
        retries = Retries(tries, backoff_seconds=10, longest_backoff_seconds=25)
        store = JobStore(url, lease_seconds=60, retries=retries, send_retries=retries, clock=clock)
        made.append(store)
        return store

    yield make
    if request.param == "postgresql":
        with made[0].database.begin() as connection:
            for table in METADATA.sorted_tables:
                connection.execute(sa.delete(table))
    for store in made:
        store.close()


@pytest.fixture
def store(make_store: MakeStore) -> JobStore:
    return make_store()


def plan(number: int = 1, **changes: object) -> Plan:
    return Plan("all", {"1.3": [f"1.4.{number}"]}, **changes)  # type: ignore[arg-type]


def test_the_same_content_is_one_job(store: JobStore) -> None:
    first, is_new = store.submit("1.2", plan(1, send_to=("pacs",)))
    again, is_new_again = store.submit("1.2", plan(1))
    more, is_more_new = store.submit("1.2", plan(2))
    assert (is_new, is_new_again, is_more_new) == (True, False, True)
    assert again == first
    assert first.plan.send_to == ("pacs",)
    assert more.id != first.id
    assert store.get(first.id) == first
    assert store.open_studies() == {"1.2"}


def test_the_oldest_due_job_is_taken_by_one(store: JobStore, clock: Clock) -> None:
    old, _ = store.submit("1.2", plan(1))
    clock.now += 1
    young, _ = store.submit("1.5", plan(2))
    one, two = store.claim("a"), store.claim("b")
    assert one
    assert two
    assert (one[0].id, two[0].id) == (old.id, young.id)
    assert (one[0].state, one[0].owner, one[0].tries) == ("running", "a", 1)
    assert store.claim("c") is None


def test_a_silent_worker_loses_its_job_and_cannot_finish(store: JobStore, clock: Clock) -> None:
    store.submit("1.2", plan())
    slow = store.claim("slow")
    assert slow
    clock.now += 59
    assert store.claim("fast") is None
    clock.now += 2
    fast = store.claim("fast")
    assert fast
    assert fast[0].id == slow[0].id
    for late in (
        lambda: store.finish(slow[1], {"folder": "slow"}, send_to=["pacs"]),
        lambda: store.fail(slow[1], "late", can_retry=True),
        lambda: store.heartbeat(slow[1]),
        lambda: store.release(slow[1]),
    ):
        with pytest.raises(LeaseLostError, match="does not hold"):
            late()
    store.finish(fast[1], {"folder": "fast"})
    done = store.get(slow[0].id)
    assert done
    assert (done.state, done.result) == ("done", {"folder": "fast"})
    assert store.deliveries.of_job(done.id) == []
    with pytest.raises(LeaseLostError):
        store.finish(fast[1], {"folder": "twice"})


def test_a_heartbeat_holds_the_job(store: JobStore, clock: Clock) -> None:
    store.submit("1.2", plan())
    taken = store.claim("a")
    assert taken
    for _ in range(5):
        clock.now += 50
        store.heartbeat(taken[1])
        assert store.claim("b") is None
    store.finish(taken[1], {})


def test_a_failed_try_waits_longer_each_time_and_is_set_aside(
    store: JobStore, clock: Clock
) -> None:
    job, _ = store.submit("1.2", plan())
    for wait_seconds in (10, 20):
        taken = store.claim("a")
        assert taken
        assert store.fail(taken[1], "no room", can_retry=True) == "waiting"
        clock.now += wait_seconds - 1
        assert store.claim("a") is None
        clock.now += 1
    taken = store.claim("a")
    assert taken
    assert store.fail(taken[1], "no room again", can_retry=True) == "failed"
    failed = store.get(job.id)
    assert failed
    assert (failed.state, failed.tries, failed.error) == ("failed", 3, "no room again")
    clock.now += 1000
    assert store.claim("a") is None
    assert store.retry(job.id)
    assert store.claim("a")


def test_a_hopeless_error_is_not_tried_again(store: JobStore) -> None:
    store.submit("1.2", plan())
    taken = store.claim("a")
    assert taken
    assert store.fail(taken[1], "no lung", can_retry=False) == "failed"


def test_a_job_that_kills_its_workers_is_set_aside(store: JobStore, clock: Clock) -> None:
    job, _ = store.submit("1.2", plan())
    for _ in range(3):
        assert store.claim("a")
        assert store.set_aside_dead() == []
        clock.now += 61
    assert store.claim("a") is None
    dead = store.set_aside_dead()
    assert [(one.id, one.state) for one in dead] == [(job.id, "failed")]
    assert "died on each of 3 tries" in (dead[0].error or "")
    assert store.set_aside_dead() == []


def test_a_job_given_back_costs_no_try(store: JobStore) -> None:
    store.submit("1.2", plan())
    for _ in range(5):
        taken = store.claim("a")
        assert taken
        store.release(taken[1])
    taken = store.claim("a")
    assert taken
    assert taken[0].tries == 1
    assert taken[1].token == 6


def test_canceling_takes_the_job_from_its_worker(store: JobStore) -> None:
    job, _ = store.submit("1.2", plan())
    taken = store.claim("a")
    assert taken
    assert store.cancel(job.id)
    assert not store.cancel(job.id)
    with pytest.raises(LeaseLostError):
        store.finish(taken[1], {})
    assert store.open_studies() == set()


def test_older_jobs_of_a_study_give_way_unless_begun(store: JobStore, clock: Clock) -> None:
    begun, _ = store.submit("1.2", plan(1))
    assert store.claim("a")
    clock.now += 1
    waits, _ = store.submit("1.2", plan(2))
    other, _ = store.submit("1.9", plan(1))
    newest, _ = store.submit("1.2", plan(3))
    assert store.supersede(newest) == [waits.id]
    states = {job.id: job.state for job in store.list()}
    assert states == {
        begun.id: "running", waits.id: "canceled", other.id: "waiting", newest.id: "waiting",
    }  # fmt: skip


def test_deliveries_come_with_the_end_of_the_job(store: JobStore, clock: Clock) -> None:
    job, _ = store.submit("1.2", plan())
    taken = store.claim("a")
    assert taken
    assert store.deliveries.claim("s") is None
    store.finish(taken[1], {"folder": "x"}, send_to=["pacs", "archive", "pacs"])
    first, second = store.deliveries.claim("s"), store.deliveries.claim("s")
    assert first
    assert second
    assert {first[0].peer, second[0].peer} == {"pacs", "archive"}
    store.deliveries.note_sent(first[1], ["1.1"])
    assert store.deliveries.fail(first[1], "refused", can_retry=True) == "waiting"
    store.deliveries.finish(second[1])
    clock.now += 10
    again = store.deliveries.claim("s")
    assert again
    assert (again[0].id, again[0].sent, again[0].error) == (first[0].id, ("1.1",), "refused")
    counts = store.counts()
    assert (counts.jobs["done"], counts.deliveries["running"], counts.deliveries["done"]) == (
        1, 1, 1,
    )  # fmt: skip
    clock.now += 1000
    assert store.finished_before(clock.now) == []  # one is on its way
    assert store.deliveries.cancel(job.id) == 1
    with pytest.raises(LeaseLostError):
        store.deliveries.finish(again[1])
    assert store.deliveries.retry(job.id) == 1
    assert store.deliveries.cancel(job.id) == 1
    assert [one.id for one in store.finished_before(clock.now)] == [job.id]
    assert store.forget(job.id)
    assert (store.get(job.id), store.deliveries.of_job(job.id)) == (None, [])
    assert store.submit("1.2", plan())[1]


def test_a_job_under_way_is_not_forgotten(store: JobStore, clock: Clock) -> None:
    job, _ = store.submit("1.2", plan())
    clock.now += 1000
    assert store.finished_before(clock.now) == []
    assert not store.forget(job.id)
    assert store.get(job.id)


def test_listing_and_counting(store: JobStore, clock: Clock) -> None:
    for number in range(5):
        clock.now += 1
        store.submit("1.2" if number % 2 else "1.5", plan(number))
    assert store.claim("a")
    submitted = [job.submitted for job in store.list()]
    assert submitted == sorted(submitted, reverse=True)
    assert [job.submitted for job in store.list(limit=2, offset=1)] == submitted[1:3]
    assert len(store.list(study_uid="1.5")) == 3
    assert len(store.list(state="running")) == 1
    assert store.counts().oldest_waiting_seconds == 3
    store.worker_seen("a", "x")
    store.worker_seen("b")
    clock.now += 10
    store.worker_seen("b")
    assert store.workers(5) == {"b": None}
    assert store.workers(15) == {"a": "x", "b": None}


def test_workers_at_the_same_time_never_have_one_job(make_store: MakeStore) -> None:
    main = make_store()
    count = 24
    for number in range(count):
        main.submit(f"1.{number}", plan(number))
    taken: Counter[str] = Counter()
    start = threading.Barrier(4)

    def work(store: JobStore, name: str) -> None:
        start.wait()
        while (claimed := store.claim(name)) is not None:
            taken[claimed[0].id] += 1  # a second claim of a job would make it 2
            store.finish(claimed[1], {"by": name})

    threads = [threading.Thread(target=work, args=(make_store(), f"worker {n}")) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert taken == {job.id: 1 for job in main.list()}
    assert main.counts().jobs["done"] == count


def test_a_database_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(QueueError, match="cannot be used") as caught:
        JobStore("postgresql+psycopg://node:secret@127.0.0.1:1/none")
    assert "secret" not in str(caught.value)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(QueueError, match="unable to open"):
        JobStore(f"sqlite:///{tmp_path / 'absent' / 'queue.sqlite'}")
