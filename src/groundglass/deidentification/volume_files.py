"""NIfTI and NRRD files without the texts in their headers; values are copied byte by byte."""

from __future__ import annotations

import contextlib
import gzip
import io
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from groundglass.errors import UnreadableError
from groundglass.io.limits import LIMITS
from groundglass.io.phantom_mark import HEADER_NOTE, is_phantom_header
from groundglass.io.volume_checks import check_nifti

_NIFTI_TEXTS = ("data_type", "db_name", "descrip", "aux_file", "intent_name")
NRRD_KEPT = (
    "type",
    "dimension",
    "space",
    "space dimension",
    "sizes",
    "spacings",
    "thicknesses",
    "axis mins",
    "axis maxs",
    "space directions",
    "space origin",
    "space units",
    "measurement frame",
    "kinds",
    "centers",
    "centerings",
    "endian",
    "encoding",
    "min",
    "max",
    "line skip",
    "byte skip",
)
"""Geometry and encoding. Labels, contents, dates, comments and key/values are texts and go."""
_CHUNK = 1 << 20


def clean_volume_file(path: Path, target: Path, kind: str) -> None:
    """Write `path`, of kind nifti or nrrd, to `target` without texts.

    Raises: UnreadableError for other kinds and damaged files, OSError where it cannot be written.
    """
    if kind not in _CLEANERS:
        raise UnreadableError(
            f"{path.name} is of the kind {kind}",
            expected="DICOM, NIfTI or NRRD",
            remedy="Convert it to NIfTI; look at pictures for text in them first",
        )
    try:
        _CLEANERS[kind](path, target)
    except UnreadableError:
        raise
    except (EOFError, ValueError, KeyError, struct.error, gzip.BadGzipFile) as error:
        raise UnreadableError(
            f"{path.name} cannot be read as {kind} ({error})",
            expected="a whole file of that kind",
            remedy="Copy or export it again",
        ) from error


def clean_nifti_header(header: Any) -> None:
    """Empty the texts of a nibabel header in place; that it is a phantom, no patient, stays."""
    is_phantom = is_phantom_header({"nifti_header": header})
    for name in _NIFTI_TEXTS:
        if name in header:  # NIfTI-2 has fewer
            header[name] = b""
    if is_phantom:
        header["descrip"] = HEADER_NOTE.encode()


def _nifti(path: Path, target: Path) -> None:
    import nibabel

    check_nifti(path)
    with _read(path) as source, _write(target) as out:
        head = source.read(540)
        kind: Any = nibabel.Nifti1Header if _is_first(head) else nibabel.Nifti2Header
        size = kind.sizeof_hdr
        header = kind(head[:size], check=False)
        start = int(header["vox_offset"])
        clean_nifti_header(header)
        header["vox_offset"] = begin = size + 4
        # Four zeros: no header extensions, which may hold whole DICOM headers.
        out.write(header.binaryblock + bytes(4))
        source.seek(max(start, begin))
        shutil.copyfileobj(source, out, _CHUNK)


def _is_first(head: bytes) -> bool:
    """NIfTI-1, of either byte order. Raises: ValueError where it is no NIfTI."""
    sizes = [struct.unpack(order + "i", head[:4])[0] for order in "<>"]
    if not {348, 540} & set(sizes):
        raise ValueError("no NIfTI header")
    return 348 in sizes


@contextlib.contextmanager
def _read(path: Path) -> Iterator[IO[bytes]]:
    """A file, through gzip where its name says so."""
    packed = path.name.lower().endswith(".gz")
    with path.open("rb") as raw:
        yield gzip.GzipFile(fileobj=raw) if packed else raw  # type: ignore[misc]


@contextlib.contextmanager
def _write(path: Path) -> Iterator[IO[bytes]]:
    """The same to write: the gzip header has no name and no time."""
    if not path.name.lower().endswith(".gz"):
        with path.open("wb") as plain:
            yield plain
        return
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed,
    ):
        yield packed  # type: ignore[misc]


def _nrrd(path: Path, target: Path) -> None:
    with path.open("rb") as source:
        magic = source.readline(LIMITS.header_bytes)
        if not magic.startswith(b"NRRD"):
            raise ValueError("no NRRD header")
        kept = io.BytesIO()
        kept.write(magic.rstrip() + b"\n")
        while (line := source.readline(LIMITS.header_bytes)).strip():
            field = line.decode("latin-1").partition(":")
            name = field[0].strip().lower()
            if name in ("data file", "datafile"):
                raise UnreadableError(
                    f"{path.name} has its values in another file",
                    expected="header and values in one file",
                    remedy="Save it as .nrrd",
                )
            is_pair = field[2].startswith("=")
            if name in NRRD_KEPT and not is_pair and not line.startswith(b"#"):
                kept.write(line.rstrip() + b"\n")
        with target.open("wb") as out:
            out.write(kept.getvalue() + b"\n")
            shutil.copyfileobj(source, out, _CHUNK)


_CLEANERS: dict[str, Callable[[Path, Path], None]] = {"nifti": _nifti, "nrrd": _nrrd}
