"""Any order of calls and any passing of time: a job has one holder, and one end."""

from __future__ import annotations

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from groundglass.errors import LeaseLostError
from groundglass.server.job import Plan
from groundglass.server.jobs import JobStore
from groundglass.server.leases import Lease, Retries

from .conftest import Clock

LEASE_SECONDS = 60.0
TRIES = 3


class Queue(RuleBasedStateMachine):
    """Workers that are quick, slow, dead or late, against what ought to hold."""

    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.store = JobStore(
            "sqlite://", lease_seconds=LEASE_SECONDS, retries=Retries(TRIES, 10), clock=self.clock
        )
        self.holder: dict[str, Lease] = {}
        self.ended: dict[str, str] = {}
        self.submitted: set[str] = set()

    def teardown(self) -> None:
        self.store.close()

    @initialize()
    def first_job(self) -> None:
        self.submit(0)

    @rule(number=st.integers(0, 1))
    def submit(self, number: int) -> None:
        job, is_new = self.store.submit("1.2", Plan("all", {"1.3": [f"1.{number}"]}))
        assert is_new == (job.id not in self.submitted)
        self.submitted.add(job.id)

    @rule(target=leases, worker=st.sampled_from("ab"))
    def claim(self, worker: str) -> Lease | MultipleResults[Lease]:
        return self.claim_as(worker)

    def claim_as(self, worker: str) -> Lease | MultipleResults[Lease]:
        taken = self.store.claim(worker)
        if taken is None:
            return multiple()
        job, lease = taken
        assert job.id not in self.ended
        before = self.holder.get(job.id)
        assert before is None or before.until < self.clock.now
        assert before is None or before.token < lease.token
        assert job.tries <= TRIES
        self.holder[job.id] = lease
        return lease

    @rule(lease=leases)
    def beat(self, lease: Lease) -> None:
        if self._tries(lease, lambda: self.store.heartbeat(lease)):
            until = self.clock.now + LEASE_SECONDS
            self.holder[lease.id] = Lease(lease.id, lease.token, lease.owner, until)

    @rule(lease=leases)
    def finish(self, lease: Lease) -> None:
        if self._tries(lease, lambda: self.store.finish(lease, {"token": lease.token})):
            self.ended[lease.id] = "done"
            del self.holder[lease.id]

    @rule(lease=leases, can_retry=st.booleans())
    def fail(self, lease: Lease, can_retry: bool) -> None:
        if self._tries(lease, lambda: self.store.fail(lease, "bad", can_retry=can_retry)):
            job = self.store.get(lease.id)
            assert job is not None
            assert job.state == ("waiting" if can_retry and job.tries < TRIES else "failed")
            if job.state == "failed":
                self.ended[lease.id] = "failed"
            del self.holder[lease.id]

    @rule(seconds=st.sampled_from([1.0, 15.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @precondition(lambda self: self.holder)
    @rule(target=leases)
    def another_takes_over(self) -> Lease | MultipleResults[Lease]:
        self.clock.now += LEASE_SECONDS + 1
        return self.claim_as("c")

    @rule()
    def set_aside(self) -> None:
        for job in self.store.set_aside_dead():
            assert self.holder.pop(job.id).until < self.clock.now
            assert job.tries == TRIES
            self.ended[job.id] = "failed"

    @invariant()
    def ends_stay(self) -> None:
        states = {job.id: job.state for job in self.store.list()}
        assert set(states) == self.submitted
        assert {job: states[job] for job in self.ended} == self.ended
        assert {job for job, state in states.items() if state == "running"} == set(self.holder)

    def _tries(self, lease: Lease, action: object) -> bool:
        """Whether it worked, which it must for the holder and must not for anybody else."""
        holder = self.holder.get(lease.id)
        is_holder = holder is not None and holder.token == lease.token
        try:
            action()  # type: ignore[operator]
        except LeaseLostError:
            assert not is_holder
            return False
        assert is_holder
        return True


TestQueue = Queue.TestCase
TestQueue.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking takes minutes
)


def test_jitter_shortens_a_wait_by_its_share_at_most() -> None:
    waits = [Retries(9, 10, 25, jitter=0.5).wait_seconds(2) for _ in range(300)]
    assert 10 <= min(waits) < 12
    assert 18 < max(waits) <= 20


def test_what_a_peer_asks_for_is_heeded_up_to_the_longest_wait() -> None:
    retries = Retries(9, backoff_seconds=10, longest_backoff_seconds=25)
    waits = [retries.wait_seconds(1, at_least=asked) for asked in (0, 9, 17, 1e9)]
    assert waits == [10, 10, 17, 25]


def test_waits_end_at_the_longest() -> None:
    retries = Retries(9, backoff_seconds=10, longest_backoff_seconds=25)
    assert [retries.wait_seconds(n) for n in (1, 2, 3, 10_000)] == [10, 20, 25, 25]
