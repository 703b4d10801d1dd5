"""Files that are whole or absent, and survive a power cut once written."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

MIB = 1 << 20
_CHUNK = 1 << 20
_PREAMBLE = 128


def write_synced(path: Path, data: bytes) -> None:
    """Write a file of mode 0600 and wait until the disk has it."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def copy_synced(source: Path, path: Path) -> None:
    """The same with the content of another file."""
    with (
        open(source, "rb") as there,
        open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file,
    ):
        shutil.copyfileobj(there, file, _CHUNK)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the folder's list of names."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def keep_as(part: Path, final: Path) -> bool:
    """Give the file its name; False where the name was taken meanwhile. `part` keeps its own."""
    try:
        os.link(part, final)
    except FileExistsError:
        return False
    sync_folder(final.parent)
    return True


def make_folder(folder: Path) -> None:
    """A folder of mode 0700 that survives a power cut; nothing where it is there."""
    if not folder.exists():
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)


@contextlib.contextmanager
def locked(path: Path, *, alone: bool) -> Iterator[None]:
    """Hold a lock on `path` among processes and threads, shared or alone."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def same_data_set(kept: Path, data: bytes | Path) -> bool:
    """Whether two Part 10 files hold the same data set, whoever wrote the file meta before it."""
    with open(kept, "rb") as ours:
        ours.seek(_data_set_offset(ours.read(_PREAMBLE + 16)))
        if isinstance(data, bytes):
            rest = memoryview(data)[_data_set_offset(data[: _PREAMBLE + 16]) :]
            size = os.fstat(ours.fileno()).st_size - ours.tell()
            return size == len(rest) and ours.read() == rest
        with open(data, "rb") as theirs:
            theirs.seek(_data_set_offset(theirs.read(_PREAMBLE + 16)))
            while chunk := ours.read(_CHUNK):
                if theirs.read(_CHUNK) != chunk:
                    return False
            return not theirs.read(1)


def _data_set_offset(head: bytes) -> int:
    """Where the data set begins, by the file meta's group length; 0 where there is none."""
    element = head[_PREAMBLE:]
    if len(element) < 16 or element[:12] != b"DICM\x02\x00\x00\x00UL\x04\x00":
        return 0
    return _PREAMBLE + 16 + int.from_bytes(element[12:16], "little")
