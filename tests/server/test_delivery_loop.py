"""Results to peers: sent once, tried again, or given up, whatever a peer does."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from groundglass.errors import SendError
from groundglass.server.deliveries import Delivery
from groundglass.server.delivery_loop import DeliveryLoop
from groundglass.server.job import Plan
from groundglass.server.jobs import JobStore
from groundglass.server.peers import DicomPeer, Peer
from groundglass.server.settings import SendSettings, ServeSettings
from groundglass.server.spool import Spool

from .conftest import wait_for

PACS = {"kind": "dicom", "ae_title": "PACS", "host": "pacs", "port": 104}


class FakePeer:
    """Takes files, and fails as told."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[str], frozenset[str]]] = []
        self.errors: list[Exception] = []
        self.waits_for: threading.Event | None = None

    def __call__(
        self,
        files: Sequence[Path],
        peer: Peer,
        *,
        settings: ServeSettings,
        sent: frozenset[str],
        note_sent: Callable[[str], None],
    ) -> None:
        assert isinstance(peer, DicomPeer)
        assert peer.ae_title == "PACS"
        self.calls.append(([path.name for path in files], sent))
        note_sent(f"1.{len(self.calls)}")
        if self.waits_for is not None:
            assert self.waits_for.wait(20)
            note_sent("1.99")
        if self.errors:
            raise self.errors.pop(0)


@pytest.fixture
def settings(make_settings: Callable[..., ServeSettings]) -> ServeSettings:
    send = SendSettings(tries=2, backoff_seconds=0.05)
    return make_settings(peers={"pacs": PACS}, send=send)


@pytest.fixture
def job_id(settings: ServeSettings, jobs: JobStore) -> str:
    """A job that is done, with two DICOM objects to send to the peer."""
    job, _ = jobs.submit("1.2", Plan("all", {"1.3": ["1.4"]}))
    taken = jobs.claim("w")
    assert taken
    folder = settings.results_folder / "r-1" / "dicom"
    folder.mkdir(parents=True)
    for name in ("sr.dcm", "seg.dcm", "no.txt"):
        (folder / name).write_text("x")
    jobs.finish(taken[1], {"folder": "r-1"}, send_to=["pacs"])
    return job.id


@pytest.fixture
def peer() -> FakePeer:
    return FakePeer()


@pytest.fixture
def loop(settings: ServeSettings, jobs: JobStore, peer: FakePeer) -> DeliveryLoop:
    return DeliveryLoop(settings, jobs, peer, name="s")


def delivery(jobs: JobStore, job_id: str) -> Delivery:
    return jobs.deliveries.of_job(job_id)[0]


def audited(settings: ServeSettings) -> list[dict[str, Any]]:
    return [json.loads(line) for line in settings.audit_file.read_text().splitlines()]


def test_a_result_is_sent_once(
    settings: ServeSettings, jobs: JobStore, loop: DeliveryLoop, peer: FakePeer, job_id: str
) -> None:
    loop.send_all()
    loop.send_all()
    assert peer.calls == [(["seg.dcm", "sr.dcm"], frozenset())]
    assert (delivery(jobs, job_id).state, delivery(jobs, job_id).sent) == ("done", ("1.1",))
    (line,) = audited(settings)
    assert (line["event"], line["peer"], line["objects"]) == ("sent", "pacs", 2)


def test_a_peer_says_when_it_wants_to_be_asked_again(
    jobs: JobStore, loop: DeliveryLoop, peer: FakePeer, job_id: str
) -> None:
    peer.errors = [SendError("too many requests", wait_seconds=500)]
    before = time.time()
    loop.send_all()
    assert 500 <= delivery(jobs, job_id).next_try - before < 600


def test_another_try_knows_what_the_peer_has(
    jobs: JobStore, loop: DeliveryLoop, peer: FakePeer, job_id: str
) -> None:
    peer.errors = [SendError("connection refused")]
    loop.send_all()
    waiting = delivery(jobs, job_id)
    assert (waiting.state, waiting.error) == ("waiting", "connection refused.")
    wait_for(loop.send_once)
    assert [sent for _, sent in peer.calls] == [frozenset(), frozenset({"1.1"})]
    assert (delivery(jobs, job_id).state, delivery(jobs, job_id).sent) == ("done", ("1.1", "1.2"))


@pytest.mark.parametrize(
    ("errors", "calls"),
    [
        ([SendError("SOP class refused", is_permanent=True)], 1),
        ([SendError("away"), OSError("DOE^JANE")], 2),
    ],
)
def test_a_peer_that_does_not_take_it(
    settings: ServeSettings,
    jobs: JobStore,
    loop: DeliveryLoop,
    peer: FakePeer,
    job_id: str,
    *,
    errors: list[Exception],
    calls: int,
) -> None:
    last = type(errors[-1]).__name__
    peer.errors = list(errors)
    wait_for(lambda: loop.send_once() and delivery(jobs, job_id).state == "failed")
    assert len(peer.calls) == calls
    assert "JANE" not in (delivery(jobs, job_id).error or "")
    (line,) = audited(settings)
    assert (line["event"], line["kind"]) == ("send_failed", last)


def test_a_result_without_objects_is_given_up(
    jobs: JobStore, loop: DeliveryLoop, peer: FakePeer, job_id: str, settings: ServeSettings
) -> None:
    for path in (settings.results_folder / "r-1" / "dicom").glob("*.dcm"):
        path.unlink()
    loop.send_all()
    assert peer.calls == []
    assert "holds no DICOM objects" in (delivery(jobs, job_id).error or "")
    assert delivery(jobs, job_id).state == "failed"


def test_a_peer_that_is_gone_from_the_settings_is_given_up(
    settings: ServeSettings, jobs: JobStore, peer: FakePeer, job_id: str
) -> None:
    other = settings.model_copy(update={"peers": {}})
    DeliveryLoop(other, jobs, peer, name="s").send_all()
    assert delivery(jobs, job_id).state == "failed"


def test_a_slow_peer_keeps_its_lease_until_it_is_canceled(
    jobs: JobStore, loop: DeliveryLoop, peer: FakePeer, job_id: str, spool: Spool
) -> None:
    peer.waits_for = threading.Event()
    thread = threading.Thread(target=loop.send_once)
    thread.start()
    wait_for(lambda: peer.calls)
    assert jobs.deliveries.cancel(job_id) == 1
    peer.waits_for.set()
    thread.join(10)
    assert not thread.is_alive()
    assert (delivery(jobs, job_id).state, delivery(jobs, job_id).sent) == ("canceled", ("1.1",))


def test_a_delivery_that_ends_its_sender_is_given_up(
    settings: ServeSettings, jobs: JobStore, loop: DeliveryLoop, job_id: str
) -> None:
    with jobs.database.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE deliveries SET state = 'running', tries = 2, lease_until = 0"
        )
    assert not loop.send_once()
    loop.set_aside_dead()
    assert delivery(jobs, job_id).state == "failed"
    assert [line["kind"] for line in audited(settings)] == ["Died"]
