"""Lengths, depth and ends of encoded objects."""

from __future__ import annotations

import struct
import time

import pytest

from groundglass.errors import BadObjectError
from groundglass.server.object_walk import WalkLimits

from .encoded_objects import SECONDS, check_bare, data_set, element, nested


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
