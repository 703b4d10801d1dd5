"""DICOM files as such: how one is told, and one read whole, with a bound on a deflated one."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from groundglass.errors import UnreadableError
from groundglass.io.limits import LIMITS

_CHUNK = 1 << 20


def looks_like_dicom(path: Path) -> bool:
    """True where the file has the DICOM mark, or begins like one that was saved without it."""
    try:
        with path.open("rb") as file:
            return dicom_mark(file) != ""
    except OSError:
        return False


def dicom_mark(file: BinaryIO) -> str:
    """'part10' for the DICOM mark, 'bare' for a data set without it, else ''."""
    head = file.read(132)
    file.seek(0)
    if head[128:] == b"DICM":
        return "part10"
    # Group 2 or 8, a low element number: the beginning of a data set without the preamble.
    bare = len(head) >= 8 and head[:2] in (b"\x02\x00", b"\x08\x00") and head[3] == 0
    return "bare" if bare else ""


def read_dicom_file(path: Path) -> Dataset:
    """A file with all its attributes, pixels undecoded; also one saved without the DICOM mark.

    Raises: UnreadableError where it is a deflate bomb; what pydicom raises on damaged files.
    """
    with path.open("rb") as file:
        check_deflated(file)
        return pydicom.dcmread(file, force=True)


def check_deflated(file: BinaryIO) -> None:
    """Count what a deflated file (a transfer syntax packs all of it) unpacks to, without keeping
    it: pydicom unpacks it in one step. The file is at its start before and after.

    Raises: UnreadableError over the limit.
    """
    most = os.fstat(file.fileno()).st_size * LIMITS.deflate_ratio
    if most <= LIMITS.deflated_dicom_bytes:
        return  # too small for a bomb; so are nearly all slices
    part10 = dicom_mark(file) == "part10"
    file.seek(132 if part10 else 0)
    if part10 and _is_deflated(file):
        unpack, unpacked = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while chunk := file.read(_CHUNK):
            while chunk and not unpack.eof:
                unpacked += len(unpack.decompress(chunk, _CHUNK))
                chunk = unpack.unconsumed_tail
                if unpacked > LIMITS.deflated_dicom_bytes:
                    raise UnreadableError(
                        f"a deflated file unpacks to more than {LIMITS.deflated_dicom_bytes} bytes",
                        expected="a DICOM file of one image",
                        remedy="Export it without the deflated transfer syntax",
                    )
    file.seek(0)


def _is_deflated(file: BinaryIO) -> bool:
    """Whether the file meta information says so; leaves the file behind it."""
    start = file.tell()
    for implicit in (False, True):  # pydicom reads both
        file.seek(start)
        meta = read_dataset(
            file,
            is_implicit_VR=implicit,
            is_little_endian=True,
            stop_when=lambda tag, vr, length: tag >> 16 != 2,
        )
        if str(meta.get("TransferSyntaxUID", "")):
            return meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian
    return False
