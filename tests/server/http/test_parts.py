"""Multipart bodies cut into files: whole ones whole, broken ones refused, never a crash."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundglass.server.http.parts import Part, PartLimits, PartSplitter, boundary_of
from groundglass.server.http.problems import HttpError

LIMITS = PartLimits(max_parts=50, max_part_bytes=10_000)


def body(*parts: bytes, boundary: bytes = b"xYz", head: bytes = b"Content-Type: a/b") -> bytes:
    made = b"".join(b"--" + boundary + b"\r\n" + head + b"\r\n\r\n" + p + b"\r\n" for p in parts)
    return made + b"--" + boundary + b"--\r\n"


@contextlib.contextmanager
def answered_by(*statuses: int) -> Iterator[None]:
    """Let pass what works and what is refused with one of the statuses."""
    try:
        yield
    except HttpError as refusal:
        if refusal.status not in statuses:
            raise


def cut(
    data: bytes, chunk: int = 1 << 16, boundary: bytes = b"xYz", limits: PartLimits = LIMITS
) -> list[tuple[Part, bytes]]:
    with tempfile.TemporaryDirectory() as folder:
        splitter = PartSplitter(boundary, Path(folder), limits)
        try:
            found = []
            for start in range(0, len(data), chunk):
                for part in splitter.write(data[start : start + chunk]):
                    found.append((part, part.path.read_bytes()))
            splitter.finish()
        finally:
            splitter.close()
        return found


def test_two_parts_by_hand() -> None:
    found = cut(body(b"one", b"", head=b"content-TYPE: Application/DICOM; x=y"))
    assert [data for _, data in found] == [b"one", b""]
    assert [(p.number, p.content_type, p.size_bytes) for p, _ in found] == [
        (1, "application/dicom", 3),
        (2, "application/dicom", 0),
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=6), st.integers(1, 40))
def test_any_parts_in_any_chunks(parts: list[bytes], chunk: int) -> None:
    if any(b"--xYz" in part for part in parts):
        return
    assert [data for _, data in cut(body(*parts), chunk)] == parts


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.binary(max_size=50), min_size=1, max_size=4))
def test_a_body_cut_off_anywhere_is_refused(at: int, parts: list[bytes]) -> None:
    if any(b"--xYz" in part for part in parts):
        return
    whole = body(*parts)
    with pytest.raises(HttpError) as refusal:
        cut(whole[: at % (len(whole) - 3)])  # what follows the closing boundary is not needed
    assert refusal.value.status == 400


@settings(max_examples=120, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=400),
        st.lists(
            st.sampled_from(
                [b"--xYz", b"--", b"\r\n", b"\r", b"\n", b":", b"Content-Type", b" ", b"x", b"\x00"]
            ),
            max_size=60,
        ).map(b"".join),
    ),
    st.integers(1, 64),
)
def test_any_bytes_give_parts_or_a_refusal(data: bytes, chunk: int) -> None:
    with answered_by(400, 413):
        cut(data, chunk)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 400),
        (b"--xYz--", 0),
        (b"--other\r\n\r\n\r\n--other--", 400),
        (body(b"a", head=b"no colon at all"), 400),
        (body(b"a", head=b": no name"), 400),
        (body(b"a", head=b"X: " + b"y" * 5000), 400),
        (body(b"a", head=b"y" * 5000 + b": X"), 400),
        (body(b"a", head=b"\r\n".join(b"X-%d: y" % i for i in range(9))), 400),
        (body(b"a" * 10_000), 0),
        (body(b"a" * 10_001), 413),
        (body(*[b"a"] * 50), 0),
        (body(*[b"a"] * 51), 413),
    ],
    ids=range(12),
)
def test_malformed_and_too_large(data: bytes, status: int) -> None:
    if status == 0:
        cut(data)
        return
    with pytest.raises(HttpError) as refusal:
        cut(data)
    assert refusal.value.status == status


def test_a_hundred_thousand_parts_stop_at_the_limit() -> None:
    with tempfile.TemporaryDirectory() as folder:
        splitter = PartSplitter(b"b", Path(folder), LIMITS)
        with pytest.raises(HttpError) as refusal:
            splitter.write(b"--b\r\n\r\n\r\n" * 100_000)
        splitter.close()
        assert refusal.value.status == 413
        assert len(list(Path(folder).iterdir())) == LIMITS.max_parts


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/related; boundary=abc", b"abc"),
        ('multipart/related; type="application/dicom"; boundary="a b=c"', b"a b=c"),
        ("multipart/related; BOUNDARY=abc", b"abc"),
        ("multipart/related; boundary=" + "a" * 73, b"a" * 73),
        ("multipart/related", None),
        ("multipart/related; boundary=", None),
        ("multipart/related; boundary=" + "a" * 201, None),
        ("", None),
    ],
)
def test_boundary(content_type: str, boundary: bytes | None) -> None:
    if boundary is not None:
        assert boundary_of(content_type) == boundary
        return
    with pytest.raises(HttpError) as refusal:
        boundary_of(content_type)
    assert refusal.value.status == 400


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='multipart/related;= "\\boundary*x\x00é', max_size=80))
def test_any_content_type_gives_a_boundary_or_a_refusal(content_type: str) -> None:
    with answered_by(400):
        assert 1 <= len(boundary_of(content_type)) <= 200
