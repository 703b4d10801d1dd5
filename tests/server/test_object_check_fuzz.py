"""Damaged objects are refused or harmless, and quickly so."""

from __future__ import annotations

import contextlib
import io
import struct
import time

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import (
    ImplicitVRLittleEndian,
)

from groundglass.errors import BadObjectError
from groundglass.phantom.chest import Phantom
from groundglass.phantom.dicom_objects import DicomForm
from groundglass.server.object_check import check_object, is_uid

from .encoded_objects import MAX, SECONDS, a_slice, encoded, nested


@st.composite
def damage(draw: st.DrawFn) -> tuple[str, int, int, bytes]:
    kind = draw(st.sampled_from(["flip", "cut", "splice", "length", "nest"]))
    at, number = draw(st.integers(0, 1 << 16)), draw(st.integers(0, 0xFFFFFFFF))
    return kind, at, number, draw(st.binary(max_size=24))


def damaged(data: bytes, marks: list[tuple[str, int, int, bytes]]) -> bytes:
    out = bytearray(data)
    for kind, at, number, extra in marks:
        at %= max(1, min(len(out), 1800))  # the header, mostly
        if kind == "flip" and out:
            out[at] ^= 1 << number % 8
        elif kind == "cut":
            del out[at:]
        elif kind == "splice":
            out[at : at + number % 16] = extra
        elif kind == "length":
            out[at : at + 4] = struct.pack("<I", number)
        else:
            out[at:at] = nested(number % 50, with_length=bool(at % 2))
    return bytes(out)


@pytest.fixture(scope="module")
def undamaged(small_chest: Phantom) -> list[bytes]:
    deep = a_slice(small_chest)
    deep["AnatomicRegionSequence"].is_undefined_length = True
    rle = DicomForm(small_chest).slice_object(5, "main", 6)
    rle.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    out = io.BytesIO()
    rle.save_as(out, enforce_file_format=True)
    return [
        encoded(deep),
        encoded(a_slice(small_chest), ImplicitVRLittleEndian),
        encoded(DicomForm(small_chest).enhanced_object([0, 1])),
        out.getvalue(),
    ]


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.integers(0, 3), marks=st.lists(damage(), min_size=1, max_size=4))
def test_damage_is_refused_or_harmless(
    undamaged: list[bytes], which: int, marks: list[tuple[str, int, int, bytes]]
) -> None:
    """Whatever was done to an object, the answer is UIDs in legal form or `BadObjectError`."""
    data = damaged(undamaged[which], marks)
    began = time.perf_counter()
    with contextlib.suppress(BadObjectError):
        found = check_object(data, max_bytes=MAX)
        uids = (found.study_uid, found.series_uid, found.sop_uid, found.sop_class_uid)
        assert all(is_uid(uid) for uid in uids)
        assert found.series_description.isprintable()
    assert time.perf_counter() - began < SECONDS


@settings(max_examples=200)
@given(st.binary(max_size=300), st.sampled_from(["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"]))
def test_noise_is_refused(data: bytes, syntax: str) -> None:
    with pytest.raises(BadObjectError):
        check_object(data, max_bytes=MAX, transfer_syntax_uid=syntax)
