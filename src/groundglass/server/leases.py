"""Leases on rows: one worker at a time, for a time, with a token that a late one cannot forge.

    waiting -> running -> done | failed | canceled
       ^---------'  try again, or the lease ran out

`token` counts how often a row was taken. Whoever ends a row must name the token it was given: a
worker that was slow, and whose row another took, changes nothing any more. Clocks of several
machines must agree to well below the lease's length; where they do not, work is done twice and
still counted once.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from groundglass.errors import LeaseLostError

FINAL = ("done", "failed", "canceled")
STATES = ("waiting", "running", *FINAL)


@dataclass(frozen=True)
class Lease:
    """The right to work on one row until `until`; renewed by heartbeats."""

    id: str
    token: int
    owner: str
    until: float


@dataclass(frozen=True)
class Retries:
    """After `tries` a row is set aside; between them it waits, each time twice as long.

    `jitter`: by which share at most a wait is shortened at random, so that what failed together
    does not come again together.
    """

    tries: int = 3
    backoff_seconds: float = 30.0
    longest_backoff_seconds: float = 3600.0
    jitter: float = 0.0

    def wait_seconds(self, tries_done: int, *, at_least: float = 0.0) -> float:
        """How long to wait after so many tries; `at_least` is heeded up to the longest wait."""
        doublings = min(max(tries_done, 1) - 1, 60)
        wait = min(self.backoff_seconds * 2.0**doublings, self.longest_backoff_seconds)
        wait *= 1 - self.jitter * random.random()
        return max(wait, min(at_least, self.longest_backoff_seconds))


def set_aside_dead(connection: sa.Connection, table: sa.Table, now: float, tries: int) -> list[str]:
    """Rows whose workers died on every try become failed; returns their ids."""
    done = connection.execute(
        table.update()
        .where(table.c.state == "running", table.c.lease_until < now, table.c.tries >= tries)
        .values(
            state="failed",
            finished=now,
            owner=None,
            lease_until=None,
            error=f"The worker died on each of {tries} tries, or was silent for too long.",
        )
        .returning(table.c.id)
    )
    return [row.id for row in done]


@dataclass(frozen=True)
class Terms:
    """When a row is taken, for how long, and how often at most."""

    now: float
    lease_seconds: float
    tries: int


def claim(
    connection: sa.Connection, table: sa.Table, owner: str, terms: Terms
) -> sa.RowMapping | None:
    """Take the oldest row that is due or whose lease ran out; None where there is none.

    A row that was tried often enough is left for `set_aside_dead`.
    """
    now = terms.now
    ran_out = (table.c.lease_until < now, table.c.tries < terms.tries)
    due = sa.or_(
        sa.and_(table.c.state == "waiting", table.c.next_try <= now),
        sa.and_(table.c.state == "running", *ran_out),
    )
    chosen = (
        sa.select(table.c.id)
        .where(due)
        .order_by(table.c.submitted, table.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)  # SQLite has one writer at a time and leaves it out
        .scalar_subquery()
    )
    taken = connection.execute(
        table.update()
        .where(table.c.id == chosen)
        .values(
            state="running",
            owner=owner,
            lease_until=now + terms.lease_seconds,
            tries=table.c.tries + 1,
            token=table.c.token + 1,
            started=now,
            finished=None,
        )
        .returning(*table.c)
    )
    return taken.mappings().first()


def renew(connection: sa.Connection, table: sa.Table, lease: Lease, until: float) -> Lease:
    """Hold on until then. Raises: LeaseLostError."""
    _change(connection, table, lease, {"lease_until": until})
    return Lease(lease.id, lease.token, lease.owner, until)


def end(
    connection: sa.Connection,
    table: sa.Table,
    lease: Lease,
    *,
    state: str,
    now: float,
    **values: Any,
) -> None:
    """Reach a final state. Raises: LeaseLostError; then nothing is changed."""
    changes = {"state": state, "finished": now, "owner": None, "lease_until": None, **values}
    _change(connection, table, lease, changes)


def fail(
    connection: sa.Connection,
    table: sa.Table,
    lease: Lease,
    error: str,
    *,
    now: float,
    retries: Retries | None,
    at_least_seconds: float = 0.0,
) -> str:
    """Note the error; wait for another try, or be set aside. Returns the new state.

    `retries` None: another try cannot help. Raises: LeaseLostError.
    """
    tries = connection.execute(sa.select(table.c.tries).where(table.c.id == lease.id)).scalar()
    if retries is None or tries is None or tries >= retries.tries:
        end(connection, table, lease, state="failed", now=now, error=error)
        return "failed"
    wait = retries.wait_seconds(tries, at_least=at_least_seconds)
    put_back(connection, table, lease, next_try=now + wait, error=error)
    return "waiting"


def put_back(
    connection: sa.Connection, table: sa.Table, lease: Lease, *, next_try: float, **values: Any
) -> None:
    """Give the row to whoever comes from `next_try` on. Raises: LeaseLostError."""
    changes = {"state": "waiting", "owner": None, "lease_until": None, "next_try": next_try}
    _change(connection, table, lease, {**changes, **values})


def cancel(connection: sa.Connection, table: sa.Table, where: Any, now: float) -> list[str]:
    """Stop rows that are not at their end; who works on one has lost it. Returns their ids."""
    done = connection.execute(
        table.update()
        .where(where, table.c.state.in_(("waiting", "running")))
        .values(state="canceled", finished=now, owner=None, lease_until=None)
        .returning(table.c.id)
    )
    return [row.id for row in done]


def lease_of(row: Mapping[Any, Any]) -> Lease:
    """The lease that `claim` gave."""
    return Lease(row["id"], row["token"], row["owner"], row["lease_until"])


def _change(
    connection: sa.Connection, table: sa.Table, lease: Lease, values: dict[str, Any]
) -> None:
    mine = (table.c.id == lease.id, table.c.token == lease.token, table.c.state == "running")
    if connection.execute(table.update().where(*mine).values(**values)).rowcount != 1:
        raise LeaseLostError(
            f"lease {lease.token} of {lease.id} does not hold any more",
            expected="a row that no one else took or canceled",
        )
