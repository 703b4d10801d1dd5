"""Received objects on disk: one file per SOP instance, whole or absent, within limits.

    spool/studies/<study>/<series>/<sop>.dcm
    spool/studies/<study>/<series>/origin.json    who sent the series
    spool/studies/<study>/submitted               which content the queue was given
    spool/studies/<study>/settled                 which content is dealt with
    spool/incoming/                               files being received

Several threads and processes may receive at once. Names are UIDs, never those of patients.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from groundglass.errors import BadObjectError, ConflictError, SpoolFullError
from groundglass.server import disk
from groundglass.server.room import Room
from groundglass.server.settings import Limits
from groundglass.server.spooled_study import Origin, SpooledStudy, read_study
from groundglass.server.study_mark import StudyMark, read_mark

_UID = re.compile(r"[0-9]+(\.[0-9]+)*", re.ASCII)


@dataclass(frozen=True)
class Receipt:
    """An object that is safe on disk. `is_new` is False where it was there already."""

    study_uid: str
    series_uid: str
    sop_uid: str
    path: Path
    size_bytes: int
    is_new: bool


class Spool:
    """The folder of received objects.

    `clean` and `remove` belong to the process that serves the folder. Raises: SpoolFullError
    where the folder cannot be made.
    """

    def __init__(self, folder: Path, limits: Limits | None = None) -> None:
        self.folder = Path(folder)
        self.limits = limits or Limits()
        self.incoming = self.folder / "incoming"
        self._studies = self.folder / "studies"
        try:
            for made in (self.folder, self._studies, self.incoming):
                made.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _no_room(error) from error
        self._room = Room(self.folder, self.limits)
        self._counting = threading.Lock()
        self._submitted: dict[str, StudyMark] = {}

    def receive(
        self, study_uid: str, series_uid: str, sop_uid: str, data: bytes | Path, *, origin: Origin
    ) -> Receipt:
        """Keep one object: when this returns, it survives a power cut.

        `data`: a Part 10 file, as bytes or on disk; a path from `new_part` is used up. The same
        object again changes nothing. Raises: BadObjectError (UIDs), TooLargeError, ConflictError
        (another data set under the UID), SpoolFullError (no room, too many studies waiting).
        """
        for name, uid in (("study", study_uid), ("series", series_uid), ("SOP instance", sop_uid)):
            check_uid(name, uid)
        final = self._studies / study_uid / series_uid / f"{sop_uid}.dcm"
        try:
            size = data.stat().st_size if isinstance(data, Path) else len(data)
            self._room.check_object(size)
            with disk.locked(self.folder / "lock", alone=False):
                if final.exists():
                    return _again(final, data, size)
                with self._counting:
                    self._room.take(study_uid, size)
                try:
                    return self._keep(final, data, size, origin)
                except BaseException:
                    self._forget(study_uid)
                    raise
        except OSError as error:
            raise _no_room(error) from error
        finally:
            if isinstance(data, Path) and data.parent == self.incoming:
                data.unlink(missing_ok=True)

    def new_part(self) -> Path:
        """An empty file, mode 0600, to stream an object into. Raises: SpoolFullError."""
        try:
            handle, name = tempfile.mkstemp(suffix=".part", dir=self.incoming)
        except OSError as error:
            raise _no_room(error) from error
        os.close(handle)
        return Path(name)

    def check_free_disk(self, coming_bytes: int = 0) -> None:
        """Raises: SpoolFullError where `coming_bytes` would leave too little room."""
        self._room.check_disk(coming_bytes)

    def studies(
        self, *, unsettled: bool = False, settled_before: float | None = None
    ) -> Iterator[SpooledStudy]:
        """Every study with an object, by UID; or those not dealt with yet, or dealt with so long.

        `settled_before`: seconds since 1970.
        """
        for folder in self._folders(unsettled=unsettled, settled_before=settled_before):
            study = read_study(folder)
            if study is not None:
                yield study

    def study(self, study_uid: str) -> SpooledStudy | None:
        """One study, or None where nothing of it is here. Raises: BadObjectError (UID)."""
        return read_study(self._studies / check_uid("study", study_uid))

    def quiet_studies(self, now: float, quiet_seconds: float) -> list[SpooledStudy]:
        """Studies that nothing came for in `quiet_seconds` and whose content was not submitted.

        Objects are listed of those alone that may be such a study: once, and when more came.
        """
        found, known = [], {}
        for folder in self._folders(unsettled=True):
            mark = read_mark(folder)
            if mark is None or now - mark.last_received < quiet_seconds:
                continue
            if self._submitted.get(folder.name) == mark:
                known[folder.name] = mark
                continue
            study = read_study(folder)
            if study is None or now - study.last_received < quiet_seconds:
                continue
            if study.content != study.submitted:
                found.append(study)
            elif mark.is_sure(now):
                known[folder.name] = mark
        self._submitted = known
        return found

    def submitted_studies(self, *, without: Collection[str] = ()) -> Iterator[SpooledStudy]:
        """Unsettled studies whose content the queue was given; the UIDs of `without` left out."""
        for folder in self._folders(unsettled=True):
            if folder.name in without:
                continue
            mark = read_mark(folder)
            if mark is None or mark.submitted_ns is None or mark.grew_since_submitted:
                continue
            study = read_study(folder)
            if study is not None and study.submitted == study.content:
                yield study

    def mark_submitted(self, study: SpooledStudy) -> None:
        """The queue has this content, or needs none of it: `quiet_studies` leaves it out."""
        self._mark(study.folder / "submitted", study.content)

    def mark_settled(self, study: SpooledStudy) -> bool:
        """This content is dealt with: it waits no longer. False where objects came meanwhile."""
        with disk.locked(self.folder / "lock", alone=True):
            now = read_study(study.folder)
            if now is None or now.content != study.content:
                return False
            self._mark(study.folder / "settled", study.content)
            return True

    def waiting(self) -> int:
        """Studies that are not dealt with yet."""
        return self._room.waiting()

    def remove(self, study: SpooledStudy) -> bool:
        """Delete the study. False where objects came since it was read: then it stays."""
        aside = self.incoming / f"{study.study_uid}.removed-{time.time_ns()}"
        with disk.locked(self.folder / "lock", alone=True):
            now = read_study(study.folder)
            if now is None or now.content != study.content:
                return False
            study.folder.rename(aside)
        self._forget(study.study_uid)
        shutil.rmtree(aside, ignore_errors=True)
        return True

    def clean(self) -> int:
        """Remove what killed receivers left; returns how many. Call before any front starts."""
        left = list(self.incoming.iterdir())
        left += [folder for folder in self._studies.iterdir() if read_study(folder) is None]
        for path in left:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        return len(left)

    def _folders(
        self, *, unsettled: bool = False, settled_before: float | None = None
    ) -> Iterator[Path]:
        for folder in sorted(self._studies.iterdir()):
            settled = _modified(folder / "settled")
            if unsettled and settled is not None:
                continue
            if settled_before is not None and (settled is None or settled >= settled_before):
                continue
            yield folder

    def _keep(self, final: Path, data: bytes | Path, size: int, origin: Origin) -> Receipt:
        series, study = final.parent, final.parent.parent
        part = self.new_part()
        try:
            if isinstance(data, Path):
                disk.copy_synced(data, part)
            else:
                disk.write_synced(part, data)
            disk.make_folder(study)
            disk.make_folder(series)
            if not (series / "origin.json").exists():
                self._mark(series / "origin.json", json.dumps(asdict(origin)))
            # First, so that a kill between the two cannot leave an object that nobody looks at.
            (study / "settled").unlink(missing_ok=True)
            if not disk.keep_as(part, final):  # another sender was faster
                self._forget(study.name)
                return _again(final, data, size)
        finally:
            part.unlink(missing_ok=True)
        return _receipt(final, size, is_new=True)

    def _mark(self, path: Path, text: str) -> None:
        """A small file, put in place whole; nothing where the study was removed meanwhile."""
        part = self.new_part()
        try:
            disk.write_synced(part, text.encode())
            with contextlib.suppress(FileNotFoundError):
                os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)

    def _forget(self, study_uid: str) -> None:
        with self._counting:
            self._room.forget(study_uid)


def check_uid(name: str, uid: str) -> str:
    """A UID that may be part of a path. Raises: BadObjectError."""
    if not isinstance(uid, str) or len(uid) > 64 or not _UID.fullmatch(uid):
        raise BadObjectError(
            f"{name} UID is {str(uid)[:80]!r}",
            expected="numbers with points between, 64 characters at most",
        )
    return uid


def _modified(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None


def _again(final: Path, data: bytes | Path, size: int) -> Receipt:
    if disk.same_data_set(final, data):
        return _receipt(final, size, is_new=False)
    raise ConflictError(
        f"object {final.stem} came with other content than the one kept under this UID",
        expected="the same data set",
        remedy="The first is kept; give a changed object a UID of its own",
    )


def _receipt(final: Path, size: int, *, is_new: bool) -> Receipt:
    series, study = final.parent, final.parent.parent
    return Receipt(study.name, series.name, final.stem, final, size, is_new=is_new)


def _no_room(error: OSError) -> SpoolFullError:
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return SpoolFullError(
        "the node's disk is full" if is_full else f"the spool cannot be written ({error.strerror})",
        remedy="Send again later",
    )
