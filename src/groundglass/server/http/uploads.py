"""Where bodies lie while they come: a bounded number of them, each in a folder that goes away.

A request's files are given to the spool only when the body came whole, so that a connection
that breaks, a malformed body or one too large leaves nothing behind.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from groundglass.server.http.problems import HttpError

_RETRY_SECONDS = 5
_CHECK_EVERY_BYTES = 64 << 20


class Uploads:
    """Slots for bodies being received, and their folders below `folder`.

    One server process owns the folder: what an earlier one left in it is removed.
    """

    def __init__(self, folder: Path, *, slots: int, free_disk_bytes: int) -> None:
        self._folder, self._slots, self._free = folder, slots, free_disk_bytes
        self._taken = 0
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)

    @property
    def taken(self) -> int:
        """Uploads that are being received now."""
        return self._taken

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Path]:
        """A folder of its own for one upload. Raises: HttpError (503) where all slots are taken."""
        if self._taken >= self._slots:
            raise HttpError(
                503,
                f"node receives {self._taken} uploads already",
                expected=f"at most {self._slots}",
                remedy="Send it again later",
                retry_after=_RETRY_SECONDS,
            )
        self.check_room()
        self._taken += 1
        place = self._folder / secrets.token_hex(8)
        try:
            place.mkdir(mode=0o700)
            yield place
        finally:
            await run_in_threadpool(shutil.rmtree, place, ignore_errors=True)
            self._taken -= 1

    def check_room(self) -> None:
        """Raises: HttpError (503) where the disk has less free than the limit."""
        free = shutil.disk_usage(self._folder).free
        if free < self._free:
            raise HttpError(
                503,
                f"disk of the node has {free >> 20} MiB free",
                expected=f"at least {self._free >> 20}",
                remedy="Tell the operator; send it again later",
                retry_after=60,
            )


class RoomWatch:
    """Looks at the free disk once per 64 MiB that came in."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads, self._since = uploads, 0

    def add(self, size_bytes: int) -> None:
        """Count a chunk. Raises: HttpError (503)."""
        self._since += size_bytes
        if self._since >= _CHECK_EVERY_BYTES:
            self._since = 0
            self._uploads.check_room()
