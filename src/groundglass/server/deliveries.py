"""Results on their way to peers: one row for each job and peer, leased as jobs are."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from groundglass.server import leases
from groundglass.server.database import DELIVERIES, Database
from groundglass.server.leases import Lease, Retries


@dataclass(frozen=True)
class Delivery:
    """One result for one peer. `sent`: SOP instance UIDs that the peer has taken already."""

    id: str
    job_id: str
    peer: str
    state: str
    tries: int
    next_try: float
    sent: tuple[str, ...]
    error: str | None
    finished: float | None


class DeliveryStore:
    """The deliveries in the node's database; part of `JobStore`."""

    def __init__(
        self,
        database: Database,
        *,
        lease_seconds: float,
        retries: Retries,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._clock = clock
        self.lease_seconds = lease_seconds
        self.retries = retries

    def add(self, connection: sa.Connection, job_id: str, peers: Sequence[str], now: float) -> None:
        """One delivery for each peer, in the transaction that finishes the job."""
        for peer in dict.fromkeys(peers):
            connection.execute(
                DELIVERIES.insert().values(
                    id=uuid.uuid4().hex,
                    state="waiting",
                    next_try=now,
                    submitted=now,
                    job_id=job_id,
                    peer=peer,
                    sent=[],
                )
            )

    def claim(self, owner: str) -> tuple[Delivery, Lease] | None:
        """The oldest delivery that is due; None where there is none."""
        with self._database.begin() as connection:
            now = self._clock()
            terms = leases.Terms(now, self.lease_seconds, self.retries.tries)
            row = leases.claim(connection, DELIVERIES, owner, terms)
        return None if row is None else (_delivery(row), leases.lease_of(row))

    def heartbeat(self, lease: Lease) -> Lease:
        """Hold it for another lease. Raises: LeaseLostError."""
        with self._database.begin() as connection:
            until = self._clock() + self.lease_seconds
            return leases.renew(connection, DELIVERIES, lease, until)

    def note_sent(self, lease: Lease, sent: Sequence[str]) -> None:
        """All SOP instance UIDs that the peer has by now, and another lease.

        Raises: LeaseLostError.
        """
        with self._database.begin() as connection:
            leases.renew(connection, DELIVERIES, lease, self._clock() + self.lease_seconds)
            mine = DELIVERIES.c.id == lease.id
            connection.execute(DELIVERIES.update().where(mine).values(sent=list(sent)))

    def finish(self, lease: Lease) -> None:
        """The peer has everything. Raises: LeaseLostError."""
        with self._database.begin() as connection:
            leases.end(connection, DELIVERIES, lease, state="done", now=self._clock(), error=None)

    def fail(
        self, lease: Lease, error: str, *, can_retry: bool, at_least_seconds: float = 0.0
    ) -> str:
        """'waiting' for another try, or 'failed' and set aside. Raises: LeaseLostError.

        `at_least_seconds`: how long the peer wants to be left alone.
        """
        retries = self.retries if can_retry else None
        with self._database.begin() as connection:
            return leases.fail(
                connection,
                DELIVERIES,
                lease,
                error,
                now=self._clock(),
                retries=retries,
                at_least_seconds=at_least_seconds,
            )

    def set_aside_dead(self) -> list[Delivery]:
        """Deliveries that killed their sender on every try are failed from now on."""
        with self._database.begin() as connection:
            ids = leases.set_aside_dead(connection, DELIVERIES, self._clock(), self.retries.tries)
            chosen = sa.select(DELIVERIES).where(DELIVERIES.c.id.in_(ids))
            return [_delivery(row) for row in connection.execute(chosen).mappings()]

    def cancel(self, job_id: str) -> int:
        """Send nothing more of a job; returns how many deliveries that stopped."""
        with self._database.begin() as connection:
            mine = DELIVERIES.c.job_id == job_id
            return len(leases.cancel(connection, DELIVERIES, mine, self._clock()))

    def retry(self, job_id: str) -> int:
        """Failed and canceled deliveries of a job wait again; returns how many."""
        with self._database.begin() as connection:
            again = sa.and_(
                DELIVERIES.c.job_id == job_id, DELIVERIES.c.state.in_(("failed", "canceled"))
            )
            changes = {"state": "waiting", "tries": 0, "next_try": self._clock(), "finished": None}
            return connection.execute(DELIVERIES.update().where(again).values(**changes)).rowcount

    def of_job(self, job_id: str) -> list[Delivery]:
        """The deliveries of a job, by peer."""
        chosen = sa.select(DELIVERIES).where(DELIVERIES.c.job_id == job_id)
        with self._database.begin() as connection:
            rows = connection.execute(chosen.order_by(DELIVERIES.c.peer)).mappings()
            return [_delivery(row) for row in rows]


def _delivery(row: Mapping[Any, Any]) -> Delivery:
    names = [name for name in Delivery.__dataclass_fields__ if name != "sent"]
    return Delivery(sent=tuple(row["sent"]), **{name: row[name] for name in names})
