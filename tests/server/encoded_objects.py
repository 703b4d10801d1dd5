"""Encoded DICOM objects for the tests, sound and odd."""

from __future__ import annotations

import io
import struct

import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from groundglass.phantom.chest import Phantom
from groundglass.phantom.dicom_objects import DicomForm
from groundglass.server.object_check import CheckedObject, check_object
from groundglass.server.object_walk import WalkLimits

MAX = 8 << 20
SECONDS = 2.0
"""No object of these tests may take longer, however it is damaged."""


def encoded(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    out = io.BytesIO()
    dataset.file_meta.TransferSyntaxUID = syntax
    implicit = syntax == ImplicitVRLittleEndian
    little = syntax != ExplicitVRBigEndian
    pydicom.dcmwrite(
        out, dataset, implicit_vr=implicit, little_endian=little, enforce_file_format=True
    )
    return out.getvalue()


def a_slice(phantom: Phantom) -> Dataset:
    dataset = DicomForm(phantom).slice_object(3, "main", 4)
    inner = Dataset()
    inner.CodeValue, inner.StudyInstanceUID = "T-28000", "1.2.3"
    outer = Dataset()
    outer.AnatomicRegionModifierSequence = Sequence([inner, Dataset()])
    dataset.AnatomicRegionSequence = Sequence([outer])
    return dataset


def element(tag: int, value: bytes, vr: bytes = b"UI") -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def data_set(*middle: bytes) -> bytes:
    """A bare explicit data set with the four UIDs and `middle` between them."""
    head = element(0x00080016, b"1.2.840.10008.5.1.4.1.1.2\0") + element(0x00080018, b"1.2.3.44")
    tail = element(0x0020000D, b"1.2.3.45") + element(0x0020000E, b"1.2.3.46")
    return head + b"".join(middle) + tail


def check_bare(data: bytes, limits: WalkLimits | None = None) -> CheckedObject:
    return check_object(
        data, max_bytes=MAX, transfer_syntax_uid=ExplicitVRLittleEndian, limits=limits
    )


def nested(depth: int, *, with_length: bool) -> bytes:
    """Sequences within items within sequences, `depth` of them."""
    if not with_length:
        start = struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF)
        start += struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
        stop = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
        return start * depth + stop * depth
    parts = []
    for level in range(depth):  # from the inside out, so that it stays linear
        inside = 20 * level
        item = struct.pack("<HHI", 0xFFFE, 0xE000, inside)
        parts.append(struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, inside + 8) + item)
    return b"".join(reversed(parts))
