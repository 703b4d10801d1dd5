"""The queue: one job for each content of a study, held by one worker at a time."""

from __future__ import annotations

import builtins
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from groundglass.server import leases
from groundglass.server.database import DELIVERIES, JOBS, WORKERS, Database
from groundglass.server.deliveries import DeliveryStore
from groundglass.server.job import Counts, Job, Plan
from groundglass.server.leases import Lease, Retries
from groundglass.server.settings import ServeSettings

_SEND_JITTER = 0.5
"""A peer that was away has all results waiting for it at once when it is back."""


class JobStore:
    """The queue in a database. Several processes on several machines may use it at once.

    Every call raises QueueError where the database cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        lease_seconds: float = 60.0,
        retries: Retries | None = None,
        send_retries: Retries | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.database = Database(url)
        self.lease_seconds = lease_seconds
        self.retries = retries or Retries()
        self._clock = clock
        self.deliveries = DeliveryStore(
            self.database,
            lease_seconds=lease_seconds,
            retries=send_retries or Retries(10),
            clock=clock,
        )

    @classmethod
    def from_settings(cls, settings: ServeSettings) -> JobStore:
        """The queue of a node."""
        send = settings.send
        return cls(
            settings.database_url,
            lease_seconds=settings.lease_seconds,
            retries=Retries(settings.tries, settings.backoff_seconds),
            send_retries=Retries(
                send.tries, send.backoff_seconds, send.longest_backoff_seconds, _SEND_JITTER
            ),
        )

    def submit(self, study_uid: str, plan: Plan) -> tuple[Job, bool]:
        """The job for this plan's content, and whether it is new: the same content is one job."""
        now, content = self._clock(), plan.content
        values = {
            "id": uuid.uuid4().hex,
            "state": "waiting",
            "tries": 0,
            "token": 0,
            "next_try": now,
            "submitted": now,
            "study_uid": study_uid,
            "content": content,
            "plan": asdict(plan),
        }
        with self.database.begin() as connection:
            insert = sqlite.insert if self.database.is_sqlite else postgresql.insert
            put = insert(JOBS).values(**values).on_conflict_do_nothing()
            is_new = connection.execute(put.returning(JOBS.c.id)).first() is not None
            same = sa.and_(JOBS.c.study_uid == study_uid, JOBS.c.content == content)
            row = connection.execute(sa.select(JOBS).where(same)).mappings().one()
        return Job.from_row(row), is_new

    def claim(self, owner: str) -> tuple[Job, Lease] | None:
        """The oldest job that is due, or whose worker went silent; None where there is none."""
        now = self._clock()
        with self.database.begin() as connection:
            terms = leases.Terms(now, self.lease_seconds, self.retries.tries)
            row = leases.claim(connection, JOBS, owner, terms)
        return None if row is None else (Job.from_row(row), leases.lease_of(row))

    def heartbeat(self, lease: Lease) -> Lease:
        """Hold the job for another lease. Raises: LeaseLostError where it is lost."""
        with self.database.begin() as connection:
            until = self._clock() + self.lease_seconds
            return leases.renew(connection, JOBS, lease, until)

    def finish(
        self, lease: Lease, result: Mapping[str, Any], *, send_to: Sequence[str] = ()
    ) -> None:
        """The job is done, and its deliveries wait: both or neither. Raises: LeaseLostError."""
        now = self._clock()
        with self.database.begin() as connection:
            leases.end(
                connection, JOBS, lease, state="done", now=now, result=dict(result), error=None
            )
            self.deliveries.add(connection, lease.id, send_to, now)

    def fail(self, lease: Lease, error: str, *, can_retry: bool) -> str:
        """The try failed: 'waiting' for another after a while, or 'failed' and set aside.

        Raises: LeaseLostError.
        """
        retries = self.retries if can_retry else None
        with self.database.begin() as connection:
            return leases.fail(connection, JOBS, lease, error, now=self._clock(), retries=retries)

    def release(self, lease: Lease) -> None:
        """Give the job back untried, as a worker does that is told to stop.

        Raises: LeaseLostError.
        """
        with self.database.begin() as connection:
            back = {"tries": JOBS.c.tries - 1}
            leases.put_back(connection, JOBS, lease, next_try=self._clock(), **back)

    def set_aside_dead(self) -> builtins.list[Job]:
        """Jobs that killed their worker on every try are failed from now on; returns them."""
        with self.database.begin() as connection:
            ids = leases.set_aside_dead(connection, JOBS, self._clock(), self.retries.tries)
            rows = connection.execute(sa.select(JOBS).where(JOBS.c.id.in_(ids))).mappings()
            return [Job.from_row(row) for row in rows]

    def cancel(self, job_id: str) -> bool:
        """Stop a job that waits or runs; a job at its end is left. Returns whether it did."""
        with self.database.begin() as connection:
            return bool(leases.cancel(connection, JOBS, JOBS.c.id == job_id, self._clock()))

    def retry(self, job_id: str) -> bool:
        """Put a failed or canceled job back, with all its tries. Returns whether it did."""
        with self.database.begin() as connection:
            done = connection.execute(
                JOBS.update()
                .where(JOBS.c.id == job_id, JOBS.c.state.in_(("failed", "canceled")))
                .values(state="waiting", tries=0, next_try=self._clock(), finished=None)
            )
            return done.rowcount == 1

    def get(self, job_id: str) -> Job | None:
        """One job, or None."""
        with self.database.begin() as connection:
            row = connection.execute(sa.select(JOBS).where(JOBS.c.id == job_id)).mappings().first()
        return None if row is None else Job.from_row(row)

    def open_studies(self) -> set[str]:
        """Studies with a job that waits or runs."""
        chosen = sa.select(JOBS.c.study_uid).where(JOBS.c.state.in_(("waiting", "running")))
        with self.database.begin() as connection:
            return {row.study_uid for row in connection.execute(chosen)}

    def supersede(self, job: Job) -> builtins.list[str]:
        """Stop older jobs of the same study that no worker has begun; returns their ids."""
        older = sa.and_(
            JOBS.c.study_uid == job.study_uid, JOBS.c.id != job.id, JOBS.c.state == "waiting"
        )
        with self.database.begin() as connection:
            return leases.cancel(connection, JOBS, older, self._clock())

    def list(
        self,
        *,
        state: str | None = None,
        study_uid: str | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> builtins.list[Job]:
        """Jobs, the newest first."""
        chosen = sa.select(JOBS).order_by(JOBS.c.submitted.desc(), JOBS.c.id)
        if state is not None:
            chosen = chosen.where(JOBS.c.state == state)
        if study_uid is not None:
            chosen = chosen.where(JOBS.c.study_uid == study_uid)
        with self.database.begin() as connection:
            rows = connection.execute(chosen.limit(limit).offset(offset)).mappings()
            return [Job.from_row(row) for row in rows]

    def finished_before(self, when: float) -> builtins.list[Job]:
        """Jobs at their end since before then, and with no delivery still on its way."""
        open_ones = sa.select(DELIVERIES.c.job_id).where(
            DELIVERIES.c.state.in_(("waiting", "running"))
        )
        chosen = sa.select(JOBS).where(
            JOBS.c.state.in_(leases.FINAL), JOBS.c.finished < when, JOBS.c.id.not_in(open_ones)
        )
        with self.database.begin() as connection:
            return [Job.from_row(row) for row in connection.execute(chosen).mappings()]

    def forget(self, job_id: str) -> bool:
        """Delete a job at its end with its deliveries: the same content may come again."""
        with self.database.begin() as connection:
            ended = sa.and_(JOBS.c.id == job_id, JOBS.c.state.in_(leases.FINAL))
            if connection.execute(JOBS.delete().where(ended)).rowcount != 1:
                return False
            connection.execute(DELIVERIES.delete().where(DELIVERIES.c.job_id == job_id))
            return True

    def counts(self) -> Counts:
        """For metrics and for /ready."""
        now = self._clock()
        due = sa.and_(JOBS.c.state == "waiting", JOBS.c.next_try <= now)
        with self.database.begin() as connection:
            by_state = [_by_state(connection, table) for table in (JOBS, DELIVERIES)]
            oldest = connection.execute(sa.select(sa.func.min(JOBS.c.next_try)).where(due)).scalar()
        return Counts(by_state[0], by_state[1], 0.0 if oldest is None else now - oldest)

    def worker_seen(self, name: str, job_id: str | None = None) -> None:
        """A worker says that it lives, and what it works on."""
        now = self._clock()
        with self.database.begin() as connection:
            known = WORKERS.update().where(WORKERS.c.name == name)
            if connection.execute(known.values(seen=now, job_id=job_id)).rowcount == 0:
                connection.execute(WORKERS.insert().values(name=name, seen=now, job_id=job_id))
            connection.execute(WORKERS.delete().where(WORKERS.c.seen < now - 86400))

    def workers(self, within_seconds: float) -> dict[str, str | None]:
        """Workers that said so lately, and the job of each."""
        lately = WORKERS.c.seen >= self._clock() - within_seconds
        with self.database.begin() as connection:
            rows = connection.execute(sa.select(WORKERS).where(lately))
            return {row.name: row.job_id for row in rows}

    def close(self) -> None:
        """Give the connections back."""
        self.database.close()


def _by_state(connection: sa.Connection, table: sa.Table) -> dict[str, int]:
    found = connection.execute(sa.select(table.c.state, sa.func.count()).group_by(table.c.state))
    counts: dict[str, int] = dict.fromkeys(leases.STATES, 0)
    counts.update((row[0], row[1]) for row in found)
    return counts
