"""What a volume file's header promises, judged before a library makes room for it.

Headers of text may also name another file for the values: only a neighbor is accepted.
"""

from __future__ import annotations

import bz2
import gzip
import math
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from groundglass.errors import UnreadableError
from groundglass.io.limits import LIMITS, check_array, check_gzip_can_hold

_NIFTI1, _NIFTI2 = 348, 540
_CHUNK = 1 << 20
_PACKED = ("gzip", "gz", "bzip2", "bz2")
_SKIPS = ("line skip", "lineskip", "byte skip", "byteskip")
_META_LINES = 1000
_META_BYTES = {"CHAR": 1, "SHORT": 2, "INT": 4, "LONG": 4, "LONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8}


def check_nifti(path: Path) -> None:
    """Refuse header extensions over the limit: they are read with the header.

    Raises: UnreadableError; OSError and EOFError where it is no gzip.
    """
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    with opened(path, "rb") as file:
        head = file.read(_NIFTI2)
    if len(head) < _NIFTI1:
        raise UnreadableError(
            f"{path.name} is cut short after {len(head)} bytes",
            expected="a NIfTI header",
            remedy="Copy or export it again",
        )
    order = "<" if struct.unpack("<i", head[:4])[0] in (_NIFTI1, _NIFTI2) else ">"
    if struct.unpack(f"{order}i", head[:4])[0] == _NIFTI2 and len(head) == _NIFTI2:
        offset = struct.unpack(f"{order}q", head[168:176])[0]
    else:
        offset = struct.unpack(f"{order}f", head[108:112])[0]
    if not 0 <= offset <= LIMITS.header_bytes:  # False for NaN too
        raise UnreadableError(
            f"{path.name} says that its values begin at byte {offset:.0f}",
            expected=f"at most {LIMITS.header_bytes}",
        )


def check_nifti_values(path: Path, shape: tuple[int, ...], stored: np.dtype[Any]) -> None:
    """Refuse values that memory, or the packed file, cannot hold. Raises: UnreadableError."""
    # Values that are scaled on reading become float32 beside the stored ones.
    check_array(shape, stored.itemsize + 4, path.name)
    if path.name.lower().endswith(".gz"):
        needed = math.prod(shape) * stored.itemsize
        check_gzip_can_hold(path.stat().st_size, needed, path.name)


def check_nrrd(path: Path, header: Mapping[str, Any]) -> None:
    """Raises: UnreadableError where values are too large, elsewhere, or a packed bomb."""
    sizes = [int(size) for size in header.get("sizes", ())]
    voxel_bytes = _nrrd_bytes(str(header.get("type", "")))
    check_array(sizes, voxel_bytes, path.name)
    source = path
    elsewhere = header.get("data file") or header.get("datafile")
    if elsewhere:
        source = _neighbor(path, str(elsewhere))
    encoding = str(header.get("encoding", "")).lower()
    expected = math.prod(sizes) * voxel_bytes
    if encoding in _PACKED and any(int(header.get(key, 0)) > 0 for key in _SKIPS):
        raise UnreadableError(f"{path.name} skips into packed values", expected="no skip")
    if encoding in ("gzip", "gz"):
        _check_unpacked(source, zlib.decompressobj(zlib.MAX_WBITS | 16), expected, not elsewhere)
    elif encoding in ("bzip2", "bz2"):
        _check_unpacked(source, bz2.BZ2Decompressor(), expected, not elsewhere)


def check_metaimage(path: Path) -> None:
    """Raises: UnreadableError where values are too large or lie elsewhere."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        for _ in range(_META_LINES):
            name, separator, value = file.readline(_CHUNK).decode("latin-1").partition("=")
            if not separator:
                break
            fields[name.strip()] = value.strip()
            if name.strip() == "ElementDataFile":
                break
    sizes = [int(size) for size in re.findall(r"-?\d+", fields.get("DimSize", ""))]
    kind = fields.get("ElementType", "MET_SHORT").removeprefix("MET_").removeprefix("U")
    check_array(sizes, _META_BYTES.get(kind, 8), path.name)
    values = fields.get("ElementDataFile", "")
    if values.upper() != "LOCAL":
        _neighbor(path, values)


def _neighbor(path: Path, name: str) -> Path:
    """The file of values beside a header. Raises: UnreadableError for anything else."""
    plain = Path(name)
    if len(plain.parts) != 1 or plain.name in ("", "..") or "%" in name or name.startswith("LIST"):
        raise UnreadableError(
            f"{path.name} says that its values lie in {name[:200]!r}",
            expected="one file beside it",
            remedy="Store header and values in one file",
        )
    found = path.parent / plain
    if not found.is_file():
        raise UnreadableError(
            f"{path.name} names {name!r} for its values, which is not beside it",
            expected="that file",
        )
    return found


def _check_unpacked(source: Path, unpack: Any, expected: int, with_header: bool) -> None:
    """Unpack without keeping anything, and stop where more comes out than was promised."""
    unpacked = 0
    with source.open("rb") as file:
        if with_header:
            while file.readline(LIMITS.header_bytes) not in (b"\n", b"\r\n", b""):
                pass
        while chunk := file.read(_CHUNK):
            for length in _lengths(unpack, chunk):
                unpacked += length
                if unpacked > expected + _CHUNK:
                    raise UnreadableError(
                        f"{source.name} unpacks to more than the {expected} bytes of its header",
                        expected="values of the size that the header says",
                    )


def _lengths(unpack: Any, chunk: bytes) -> Iterator[int]:
    """Lengths of the pieces that a packed chunk gives, each at most `_CHUNK`."""
    if unpack.eof:
        return
    yield len(unpack.decompress(chunk, _CHUNK))
    if isinstance(unpack, bz2.BZ2Decompressor):  # keeps what waits; zlib hands it back
        while not (unpack.eof or unpack.needs_input):
            yield len(unpack.decompress(b"", _CHUNK))
        return
    while unpack.unconsumed_tail and not unpack.eof:
        yield len(unpack.decompress(unpack.unconsumed_tail, _CHUNK))


def _nrrd_bytes(kind: str) -> int:
    """Bytes of a voxel from the many names of a type (short, int16_t, unsigned short int, ...)."""
    digits = re.search(r"8|16|32|64", kind)
    if digits:
        return int(digits[0]) // 8
    words = (("char", 1), ("short", 2), ("long", 8), ("double", 8))
    return next((size for word, size in words if word in kind), 4)
