"""DICOM objects that came with a request: checked one by one, kept when all have come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from groundglass.errors import GroundglassError, SpoolFullError, TooLargeError
from groundglass.server.http.parts import Part, PartSplitter
from groundglass.server.http.problems import HttpError
from groundglass.server.http.stow_reply import OtherStudyError, Outcome
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
    for one in taken:
        found, error = one.found, one.error
        if found is not None and error is None:
            error = _keep(found, one.path, spool, origin)
        one.path.unlink(missing_ok=True)
        uids = ("", "") if found is None else (found.sop_class_uid, found.sop_uid)
        if error is None:
            outcome.kept.append(uids)
        else:
            outcome.fail(error, *uids)
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


def refusal_of(error: GroundglassError) -> HttpError:
    """An error of the spool as an answer of its own, where there is no list of instances."""
    text = str(error)
    if isinstance(error, SpoolFullError):
        return HttpError(503, text, retry_after=60)
    return HttpError(413 if isinstance(error, TooLargeError) else 400, text)
