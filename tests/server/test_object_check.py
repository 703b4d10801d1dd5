"""Objects from the network: the real ones pass, and nothing else does harm."""

from __future__ import annotations

import contextlib
import io
import struct
import time
import zlib
from pathlib import Path

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from groundglass.errors import BadObjectError, TooLargeError
from groundglass.phantom.chest import Phantom
from groundglass.phantom.dicom_objects import DicomForm
from groundglass.phantom.dicom_writer import DicomOptions, write_dicom_series
from groundglass.server.object_check import CheckedObject, check_file, check_object, is_uid
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


@pytest.fixture(scope="module")
def plain(small_chest: Phantom) -> bytes:
    return encoded(a_slice(small_chest))


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


@pytest.mark.parametrize(
    "syntax",
    [
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    ],
)
def test_says_what_the_object_says(small_chest: Phantom, syntax: str) -> None:
    dataset = a_slice(small_chest)
    found = check_object(encoded(dataset, syntax), max_bytes=MAX)
    assert found == CheckedObject(
        study_uid=dataset.StudyInstanceUID,
        series_uid=dataset.SeriesInstanceUID,
        sop_uid=dataset.SOPInstanceUID,
        sop_class_uid=dataset.SOPClassUID,
        transfer_syntax_uid=syntax,
        modality="CT",
        body_part="CHEST",
        series_description="PHANTOM CHEST",
        slice_thickness_mm=float(dataset.SliceThickness),
    )


@pytest.mark.parametrize("form", ["rle", "jpegls", "jpeg2000", "implicit", "enhanced"])
def test_accepts_what_scanners_write(small_chest: Phantom, tmp_path: Path, form: str) -> None:
    enhanced = form == "enhanced"
    options = DicomOptions(enhanced=True) if enhanced else DicomOptions(transfer_syntax=form)
    for path in write_dicom_series(small_chest, tmp_path / "d", options)[:2]:
        dataset = pydicom.dcmread(path)
        found = check_file(path, max_bytes=MAX)
        assert found.sop_uid == dataset.SOPInstanceUID
        assert found.transfer_syntax_uid == dataset.file_meta.TransferSyntaxUID
        with pytest.raises(BadObjectError):
            check_object(path.read_bytes()[:-10], max_bytes=MAX)


def test_description_in_its_character_set(small_chest: Phantom) -> None:
    dataset = a_slice(small_chest)
    dataset.SpecificCharacterSet, dataset.SeriesDescription = "ISO_IR 192", "Thorax dünn 1µ"
    assert check_object(encoded(dataset), max_bytes=MAX).series_description == "Thorax dünn 1µ"
    dataset.SpecificCharacterSet, dataset.SeriesDescription = "ISO_IR 100", "Thorax dünn"
    assert check_object(encoded(dataset), max_bytes=MAX).series_description == "Thorax dünn"


@pytest.mark.parametrize("thickness", ["", "0", "-1", "nan", "inf", "thick"])
def test_thickness_that_is_no_thickness(thickness: str) -> None:
    data = data_set(element(0x00180050, thickness.encode(), b"DS"))
    assert check_bare(data).slice_thickness_mm is None


@pytest.mark.parametrize(
    ("tag", "keyword"),
    [
        (0x00080016, "SOPClassUID"),
        (0x00080018, "SOPInstanceUID"),
        (0x0020000D, "StudyInstanceUID"),
        (0x0020000E, "SeriesInstanceUID"),
    ],
)
@pytest.mark.parametrize("value", [None, "", "1", "../../etc/passwd", "1..2", "1.2." + "9" * 61])
def test_refuses_missing_and_illegal_uids(tag: int, keyword: str, value: str | None) -> None:
    uids = {0x00080016: "1.2", 0x00080018: "1.3", 0x0020000D: "1.4", 0x0020000E: "1.5"}
    assert check_bare(b"".join(element(t, u.encode()) for t, u in uids.items())).sop_uid == "1.3"
    if value is None:
        del uids[tag]
    else:
        uids[tag] = value
    with pytest.raises(BadObjectError, match=keyword):
        check_bare(b"".join(element(t, u.encode()) for t, u in uids.items()))


def test_uid_form() -> None:
    for good in ("1.2.840.10008.1.2", "1.2.03", "2.25." + "1" * 59):
        assert is_uid(good), good
    for bad in ("", "1", "1.", ".1", "1.2\n", "1.2/3", "1.a", "2.25." + "1" * 60, "1.٣"):
        assert not is_uid(bad), bad


def test_refuses_what_is_no_part_10() -> None:
    for data in (b"", b"DICM", b"\0" * 132, b"\0" * 128 + b"DICM", b"<html>" * 100):
        with pytest.raises(BadObjectError):
            check_object(data, max_bytes=MAX)


def test_refuses_too_many_bytes(plain: bytes) -> None:
    check_object(plain, max_bytes=len(plain))
    with pytest.raises(TooLargeError, match="at most"):
        check_object(plain, max_bytes=len(plain) - 1)


def test_refuses_a_header_that_speaks_of_another_object(small_chest: Phantom) -> None:
    dataset = a_slice(small_chest)
    data = encoded(dataset)
    uid = str(dataset.SOPInstanceUID).encode()
    other = uid[:-1] + (b"1" if uid[-1:] != b"1" else b"2")
    with pytest.raises(BadObjectError, match="another SOPInstanceUID"):
        check_object(data.replace(uid, other, 1), max_bytes=MAX)


def test_refuses_a_uid_that_comes_twice() -> None:
    with pytest.raises(BadObjectError, match="twice"):
        check_bare(data_set(element(0x00080018, b"1.2.3.99")))


@pytest.mark.parametrize("length", [9, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE])
def test_absurd_lengths_reserve_nothing(length: int) -> None:
    import tracemalloc

    head = struct.pack("<HH2sHI", 0x0009, 0x1001, b"OB", 0, length)
    tracemalloc.start()
    try:
        with pytest.raises(BadObjectError, match="are left"):
            check_bare(element(0x00080018, b"1.2.3.44") + head + b"12345678")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


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


@pytest.mark.parametrize("with_length", [True, False])
def test_depth_is_bounded(with_length: bool) -> None:
    fits = data_set(nested(32, with_length=with_length))
    assert check_bare(fits).sop_uid == "1.2.3.44"
    for depth in (33, 10_000):
        began = time.perf_counter()
        with pytest.raises(BadObjectError, match="more than 32 deep"):
            check_bare(data_set(nested(depth, with_length=with_length)))
        assert time.perf_counter() - began < SECONDS


def test_number_of_elements_is_bounded() -> None:
    many = element(0x00090010, b"", b"LO") * 101
    with pytest.raises(BadObjectError, match="more than 100 elements"):
        check_bare(data_set(many), WalkLimits(elements=100))


def test_open_ends_are_refused() -> None:
    sequence = struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    for tail in (sequence, sequence + item):
        with pytest.raises(BadObjectError, match="does not end the sequence"):
            check_bare(data_set() + tail)
    pixels = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, 0xFFFFFFFF)
    with pytest.raises(BadObjectError, match="without a length"):
        check_bare(data_set() + pixels + item)


def test_tolerates_what_readers_tolerate() -> None:
    private = struct.pack("<HH2sHI", 0x0029, 0x1010, b"SQ", 0, 6) + b"vendor"
    implicit = struct.pack("<HHI", 0x0009, 0x1002, 4) + b"abcd"
    unknown = struct.pack("<HH2sHI", 0x0040, 0xA730, b"UN", 0, 0xFFFFFFFF)
    unknown += struct.pack("<HHIHHI", 0xFFFE, 0xE000, 12, 0x0008, 0x0100, 4) + b"T-28"
    unknown += struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    assert check_bare(data_set(private, implicit, unknown) + b"\0\0").sop_uid == "1.2.3.44"


def test_inflating_is_bounded() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = packer.compress(data_set() + bytes(4 * MAX)) + packer.flush()
    with pytest.raises(TooLargeError, match="inflates to more"):
        check_object(bomb, max_bytes=MAX, transfer_syntax_uid=DeflatedExplicitVRLittleEndian)
    with pytest.raises(BadObjectError, match="cut off"):
        check_object(bomb[:20], max_bytes=MAX, transfer_syntax_uid=DeflatedExplicitVRLittleEndian)
    with pytest.raises(BadObjectError, match="damaged"):
        check_object(b"\xff" * 9, max_bytes=MAX, transfer_syntax_uid=DeflatedExplicitVRLittleEndian)


def test_a_damaged_deflated_file_can_be_closed(small_chest: Phantom, tmp_path: Path) -> None:
    path = tmp_path / "d.dcm"
    whole = encoded(a_slice(small_chest), DeflatedExplicitVRLittleEndian)
    path.write_bytes(whole[:-20])
    with pytest.raises(BadObjectError):
        check_file(path, max_bytes=MAX)
    path.write_bytes(b"")
    with pytest.raises(BadObjectError, match="empty"):
        check_file(path, max_bytes=MAX)


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
