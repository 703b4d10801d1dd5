"""The node's tables, and a connection that fits SQLite and PostgreSQL alike.

Times are seconds since 1970. Nothing in the tables says who a patient is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from groundglass.errors import MissingExtraError, QueueError

try:
    import sqlalchemy as sa
    from sqlalchemy import event, exc
    from sqlalchemy.schema import CreateIndex, CreateTable
except ModuleNotFoundError as error:
    raise MissingExtraError("sqlalchemy", "serve", "The node's queue") from error

METADATA = sa.MetaData()


def _leased(name: str, *columns: Any) -> sa.Table:
    """A table of things that one worker at a time may hold."""
    return sa.Table(
        name,
        METADATA,
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False, index=True),
        sa.Column("tries", sa.Integer, nullable=False, default=0),
        sa.Column("token", sa.Integer, nullable=False, default=0),
        sa.Column("owner", sa.String(200)),
        sa.Column("lease_until", sa.Float(53)),
        sa.Column("next_try", sa.Float(53), nullable=False),
        sa.Column("submitted", sa.Float(53), nullable=False),
        sa.Column("started", sa.Float(53)),
        sa.Column("finished", sa.Float(53)),
        sa.Column("error", sa.Text),
        *columns,
    )


JOBS = _leased(
    "jobs",
    sa.Column("study_uid", sa.String(64), nullable=False, index=True),
    sa.Column("content", sa.String(64), nullable=False),
    sa.Column("plan", sa.JSON, nullable=False),
    sa.Column("result", sa.JSON),
    sa.UniqueConstraint("study_uid", "content"),
)
DELIVERIES = _leased(
    "deliveries",
    sa.Column("job_id", sa.String(32), nullable=False, index=True),
    sa.Column("peer", sa.String(200), nullable=False),
    sa.Column("sent", sa.JSON, nullable=False, default=list),
    sa.UniqueConstraint("job_id", "peer"),
)
WORKERS = sa.Table(
    "workers",
    METADATA,
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("seen", sa.Float(53), nullable=False),
    sa.Column("job_id", sa.String(32)),
)


class Database:
    """Connections to `url`; the tables are made where they are missing. Raises: QueueError."""

    def __init__(self, url: str) -> None:
        self.url = sa.make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        options: dict[str, Any] = {"connect_args": {"timeout": 30}} if self.is_sqlite else {}
        try:
            self.engine = sa.create_engine(self.url, pool_pre_ping=not self.is_sqlite, **options)
        except ModuleNotFoundError as error:
            raise MissingExtraError("psycopg", "postgres", "PostgreSQL") from error
        if self.is_sqlite:
            event.listen(self.engine, "connect", _set_up_sqlite)
        with self.begin() as connection:
            if not self.is_sqlite:  # its IF NOT EXISTS fails where two start at once
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(7203411)"))
            for table in METADATA.sorted_tables:
                connection.execute(CreateTable(table, if_not_exists=True))
                for index in table.indexes:
                    connection.execute(CreateIndex(index, if_not_exists=True))

    @contextlib.contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """A transaction: committed at the end, undone by an exception. Raises: QueueError."""
        try:
            with self.engine.begin() as connection:
                yield connection
        except exc.SQLAlchemyError as error:
            said = str(getattr(error, "orig", None) or error).strip().splitlines()
            raise QueueError(
                f"database {self.url.render_as_string(hide_password=True)} cannot be used "
                f"({said[0] if said else type(error).__name__})",
                remedy="Check that it runs, and that this user may write to it",
            ) from error

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def _set_up_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # a finished job stays finished after a power cut
    cursor.close()
