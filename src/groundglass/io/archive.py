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
from groundglass.io.limits import LIMITS

_CHUNK = 1 << 20
_ARCHIVES = (".zip", ".tar", ".tgz", ".gz.tar", ".tar.gz", ".tar.bz2", ".tar.xz", ".7z", ".rar")
_END = b"PK\x05\x06"
_END64 = b"PK\x06\x06"
_END64_BYTES, _LOCATOR64_BYTES = 56, 20
_END_BYTES = 22 + 65_535 + _END64_BYTES + _LOCATOR64_BYTES
_BYTES_A_MEMBER = 512
"""Of the list of members; more than any name of a scan's file needs."""
_UNPACKING = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    IndexError,
)
"""How a damaged or hostile zip fails: names that are none, bad streams."""
_BAD_NAMES = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL)
"""Names that no folder can hold, files that are folders; other errors are the disk's."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""LZMA would let a member of some bytes ask for gigabytes of memory."""


def extract_zip(
    path: Path,
    folder: Path,
    *,
    max_members: int = LIMITS.archive_members,
    max_bytes: int = LIMITS.archive_bytes,
) -> None:
    """Unpack `path` below `folder`; links and archives inside are left out.

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
    except _UNPACKING as error:
        raise _damaged(path, error) from error
    except OSError as error:
        if error.errno is not None and error.errno not in _BAD_NAMES:
            raise
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> UnreadableError:
    return UnreadableError(
        f"{path.name} is a damaged or unsupported zip ({error})",
        expected="a whole zip",
        remedy="Unpack it with another tool and give the folder",
    )


def _check_directory(path: Path, max_members: int) -> None:
    """Refuse a list of members that is too long, before it is read: that alone takes gigabytes."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _END_BYTES))
        tail = file.read()
    # The places are those where zipfile looks.
    bare = tail[-22:-18] == _END and tail[-2:] == b"\0\0"
    at = len(tail) - 22 if bare else tail.rfind(_END)
    if at < 0 or len(tail) < at + 22:
        return  # no zip at all, which zipfile says better
    length = struct.unpack("<L", tail[at + 12 : at + 16])[0]
    at64 = at - _LOCATOR64_BYTES - _END64_BYTES
    if at64 >= 0 and tail[at64 : at64 + 4] == _END64:
        length = struct.unpack("<Q", tail[at64 + 40 : at64 + 48])[0]
    most = min(LIMITS.archive_directory_bytes, max_members * _BYTES_A_MEMBER)
    if length > most:
        raise UnreadableError(
            f"{path.name} has a list of members of {length} bytes",
            expected=f"at most {most}",
            remedy="Unpack it yourself and give the folder",
        )


def _check(
    members: list[zipfile.ZipInfo], path: Path, folder: Path, max_members: int, max_bytes: int
) -> None:
    if len(members) > max_members:
        raise UnreadableError(
            f"{path.name} has {len(members)} members", expected=f"at most {max_members}"
        )
    total = sum(info.file_size for info in members)
    packed = max(1, sum(info.compress_size for info in members))
    if total > max_bytes:
        raise UnreadableError(
            f"{path.name} unpacks to {total} bytes", expected=f"at most {max_bytes}"
        )
    if total > LIMITS.archive_ratio_from_bytes and total / packed > LIMITS.archive_ratio:
        raise UnreadableError(
            f"{path.name} unpacks to {total} bytes, {total / packed:.0f} times its size",
            expected=f"at most {LIMITS.archive_ratio} times",
            remedy="If it is no attack, unpack it yourself and give the folder",
        )
    if total > shutil.disk_usage(folder).free:
        raise UnreadableError(
            f"{path.name} unpacks to {total} bytes, more than the temporary folder has free",
            expected="room for it",
            remedy="Set TMPDIR to a larger disk, or unpack it yourself",
        )
    for info in members:
        _check_name(info, path)
    if members and all(_is_archive(info) for info in members):
        raise UnreadableError(
            f"{path.name} holds nothing but archives ({members[0].filename!r})",
            expected="files of a scan",
            remedy="Unpack it and give the archive inside",
        )


def _check_name(info: zipfile.ZipInfo, path: Path) -> None:
    parts = PurePosixPath(info.filename.replace("\\", "/"))
    if (
        parts.is_absolute()
        or not parts.parts
        or ".." in parts.parts
        or ":" in parts.parts[0]
        or "\0" in info.orig_filename
    ):
        raise UnreadableError(
            f"{path.name} has the member {info.orig_filename!r}, which leaves its folder",
            expected="relative paths",
            remedy="Do not unpack it with other tools; export the scan again",
        )
    if info.flag_bits & 1:
        raise UnreadableError(f"{path.name} is encrypted", expected="a zip without a password")
    if info.compress_type not in _METHODS:
        raise UnreadableError(
            f"{path.name} is compressed by method {info.compress_type}",
            expected="stored or deflated members",
            remedy="Pack it as an ordinary zip",
        )


def _is_archive(info: zipfile.ZipInfo) -> bool:
    return info.filename.lower().endswith(_ARCHIVES)


def _extract(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, folder: Path, left: int, path: Path
) -> int:
    """Write one member, counting what really comes out; links and archives are left out."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG) or _is_archive(info):
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
