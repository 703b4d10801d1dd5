"""Zips of DICOM folders, unpacked with limits: members, bytes, and no path out of the folder."""

from __future__ import annotations

import errno
import shutil
import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from groundglass.errors import UnreadableError

MAX_MEMBERS = 50_000
MAX_BYTES = 16 * 2**30
"""More than any single study; a small zip that unpacks to this is an attack or a mistake."""
_CHUNK = 1 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""LZMA would let a member of some bytes ask for gigabytes of memory."""
_DIRECTORY_BYTES_PER_MEMBER = 512
_DIRECTORY_SIZE = 5
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,  # names that are no text, or hold a null
    IndexError,  # empty names
    OverflowError,
)
_BAD_NAMES = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL)


def extract_zip(
    path: Path, folder: Path, *, max_members: int = MAX_MEMBERS, max_bytes: int = MAX_BYTES
) -> None:
    """Unpack `path` below `folder`.

    Raises: UnreadableError where it is damaged, encrypted, too large, or leaves the folder.
    """
    try:
        _check_directory(path, max_members)
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            _check(members, path, folder, max_members, max_bytes)
            left = max_bytes
            for info in members:
                left -= _extract(archive, info, folder, left, path)
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    except OSError as error:
        if error.errno is not None and error.errno not in _BAD_NAMES:
            raise  # the disk's fault
        raise _damaged(path, error) from error


def _check_directory(path: Path, max_members: int) -> None:
    """Look at the directory's size before zipfile reads all of it into memory.

    Raises: UnreadableError.
    """
    with path.open("rb") as file:
        # Private, and on purpose: any other reading of these bytes than zipfile's could be fooled.
        record = zipfile._EndRecData(file)  # type: ignore[attr-defined]
    size = record[_DIRECTORY_SIZE] if record else 0
    if size > max_members * _DIRECTORY_BYTES_PER_MEMBER:
        raise UnreadableError(
            f"{path.name} has a directory of {size} bytes",
            expected=f"at most {max_members} members",
        )


def _damaged(path: Path, error: Exception) -> UnreadableError:
    return UnreadableError(
        f"{path.name} is a damaged or unsupported zip ({error})",
        expected="a whole zip",
        remedy="Unpack it with another tool and give the folder",
    )


def _check(
    members: list[zipfile.ZipInfo], path: Path, folder: Path, max_members: int, max_bytes: int
) -> None:
    if len(members) > max_members:
        raise UnreadableError(
            f"{path.name} has {len(members)} members", expected=f"at most {max_members}"
        )
    total = sum(info.file_size for info in members)
    if total > max_bytes:
        raise UnreadableError(
            f"{path.name} unpacks to {total} bytes", expected=f"at most {max_bytes}"
        )
    if total > shutil.disk_usage(folder).free:
        raise UnreadableError(
            f"{path.name} unpacks to {total} bytes, more than the temporary folder has free",
            expected="room for it",
            remedy="Set TMPDIR to a larger disk, or unpack it yourself",
        )
    for info in members:
        parts = PurePosixPath(info.filename.replace("\\", "/"))
        if not parts.parts or parts.is_absolute() or _leaves(parts):
            raise UnreadableError(
                f"{path.name} has the member {info.filename!r}, which leaves its folder",
                expected="relative paths",
            )
        if info.flag_bits & 1:
            raise UnreadableError(f"{path.name} is encrypted", expected="a zip without a password")
        if info.compress_type not in _METHODS:
            raise UnreadableError(
                f"{path.name} is compressed by method {info.compress_type}",
                expected="stored or deflated members",
                remedy="Pack it as an ordinary zip",
            )


def _leaves(name: PurePosixPath) -> bool:
    return ".." in name.parts or ":" in name.parts[0]


def _extract(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, folder: Path, left: int, path: Path
) -> int:
    """Write one member, counting what really comes out; links are left out."""
    if stat.S_ISLNK(info.external_attr >> 16):
        return 0
    target = folder / PurePosixPath(info.filename.replace("\\", "/"))
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(info) as source, target.open("wb") as out:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > left:
                raise UnreadableError(f"{path.name} unpacks to more than its directory says")
            out.write(chunk)
    return written
