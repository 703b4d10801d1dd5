"""DICOM objects that came with a request: checked one by one, kept when all have come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from groundglass.errors import GroundglassError
from groundglass.server.http.parts import Part, PartSplitter
from groundglass.server.http.stow_reply import Kept, OtherStudyError, Outcome
from groundglass.server.http.tokens import Caller
from groundglass.server.http.uploads import RoomWatch, Uploads
from groundglass.server.object_check import CheckedObject, check_file
from groundglass.server.spool import Spool
from groundglass.server.spooled_study import Origin


@dataclass(frozen=True)
class Taken:
    """A file that came: what it says of itself, or why it is no object for us."""

    path: Path
    found: CheckedObject | None
    error: GroundglassError | None = None


async def take_parts(
    chunks: AsyncIterator[bytes], splitter: PartSplitter, uploads: Uploads
) -> list[Part]:
    """Write a multipart body to disk; its parts. Raises: HttpError."""
    watch, parts = RoomWatch(uploads), []
    try:
        async for chunk in chunks:
            parts += await run_in_threadpool(splitter.write, chunk)
            watch.add(len(chunk))
        splitter.finish()
    finally:
        splitter.close()
    return parts


def check_objects(paths: Iterable[Path], *, study_uid: str = "", max_bytes: int) -> list[Taken]:
    """Look at each file; with `study_uid` all must be of that study."""
    return [_check(path, study_uid, max_bytes) for path in paths]


def keep_objects(taken: Iterable[Taken], spool: Spool, origin: Origin) -> Outcome:
    """Give the objects to the spool, one after the other; what became of each."""
    outcome = Outcome()
    for number, one in enumerate(taken, 1):
        found, error = one.found, one.error
        size = one.path.stat().st_size
        if found is not None and error is None:
            error = _keep(found, one.path, spool, origin)
        one.path.unlink(missing_ok=True)
        if found is not None and error is None:
            outcome.kept.append(Kept(found, size))
        elif error is not None:
            outcome.fail(number, error, found)
    return outcome


def _check(path: Path, study_uid: str, max_bytes: int) -> Taken:
    try:
        found = check_file(path, max_bytes=max_bytes)
    except GroundglassError as error:
        return Taken(path, None, error)
    if study_uid and found.study_uid != study_uid:
        other = OtherStudyError(
            f"object is of the study {found.study_uid}",
            expected=f"{study_uid}, as the address says",
        )
        return Taken(path, found, other)
    return Taken(path, found)


def _keep(
    found: CheckedObject, path: Path, spool: Spool, origin: Origin
) -> GroundglassError | None:
    try:
        spool.receive(found.study_uid, found.series_uid, found.sop_uid, path, origin=origin)
    except GroundglassError as error:
        return error
    return None


async def take_body(chunks: AsyncIterator[bytes], path: Path, uploads: Uploads) -> None:
    """Write a body that is one file to `path`. Raises: HttpError."""
    watch = RoomWatch(uploads)
    with path.open("xb") as file:
        async for chunk in chunks:
            await run_in_threadpool(file.write, chunk)
            watch.add(len(chunk))


def origin_of(request: Request, caller: Caller) -> Origin:
    """Who sent a request, for the rules and the audit."""
    address = request.client.host if request.client else ""
    return Origin(via="http", address=address, sender=caller.name)
