"""The files of an upload, sorted by what their bytes say they are; zips are unpacked."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from groundglass.errors import UnreadableError
from groundglass.io.archive import extract_zip
from groundglass.server.http.node import Node
from groundglass.server.http.problems import HttpError

_HEAD_BYTES = 352


@dataclass
class UploadFiles:
    """DICOM files and NIfTI files on disk, and how many files of zips were neither."""

    dicom: list[Path] = field(default_factory=list)
    nifti: list[Path] = field(default_factory=list)
    ignored: int = 0


def sort_files(node: Node, files: Iterable[Path], folder: Path) -> UploadFiles:
    """Sort what came; zips unpack into `folder`, all together within the limits of one study.

    Raises: HttpError with 400 (a damaged zip), 413 or 415 (a file that is nothing of ours).
    """
    found = UploadFiles()
    unpacker = _Unpacker(node, folder)
    for number, path in enumerate(files, 1):
        kind = kind_of(path)
        if kind == "zip":
            inside = unpacker.unpack(path)
            dicom = [one for one in inside if kind_of(one) == "dicom"]
            found.dicom += dicom
            found.ignored += len(inside) - len(dicom)
        elif kind == "dicom":
            found.dicom.append(path)
        elif kind == "nifti":
            found.nifti.append(path)
        else:
            raise HttpError(
                415,
                f"file {number} is neither DICOM nor a zip nor NIfTI",
                expected="DICOM files, a zip of them, or NIfTI",
            )
    if not found.dicom and not found.nifti:
        raise HttpError(415, "upload holds no DICOM file", expected="at least one")
    return found


def kind_of(path: Path) -> str:
    """What a file is by its first bytes: 'zip', 'dicom', 'nifti' (packed or not) or ''."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip"
    if head[128:132] == b"DICM":
        return "dicom"
    if head[344:348] == b"n+1\0" or head[4:8] == b"n+2\0" or head[:2] == b"\x1f\x8b":
        return "nifti"
    return ""


class _Unpacker:
    """Unpacks the zips of one upload; their members and bytes are counted together."""

    def __init__(self, node: Node, folder: Path) -> None:
        self._node, self._folder = node, folder
        self._members = 2 * node.settings.limits.max_instances  # what is no DICOM is let in too
        self._bytes = node.body_limits.max_bytes
        self._zips = 0

    def unpack(self, path: Path) -> list[Path]:
        """The files of a zip, which is removed. Raises: HttpError."""
        self._zips += 1
        place = self._folder / f"unpacked-{self._zips}"
        place.mkdir(mode=0o700)
        kept_free = self._node.settings.limits.free_disk_mib << 20
        room = shutil.disk_usage(place).free - kept_free
        if room <= 0:
            self._node.uploads.check_room()
        try:
            extract_zip(
                path, place, max_members=self._members, max_bytes=max(0, min(self._bytes, room))
            )
        except UnreadableError as error:
            raise HttpError(400, str(error).replace(path.name, "zip", 1)) from error
        path.unlink()
        inside = sorted(one for one in place.rglob("*") if one.is_file())
        self._members -= len(inside)
        self._bytes -= sum(one.stat().st_size for one in inside)
        return inside
