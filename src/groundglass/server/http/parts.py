"""A multipart body cut into files as it comes: one file per part, limits on the way."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from groundglass.server.http.problems import HttpError

_quiet = logging.Logger("parser")  # its warnings quote bytes of the body
_quiet.disabled = True
_LONGEST_BOUNDARY = 200
"""RFC 2046 says 70; Orthanc sends 73."""


@dataclass(frozen=True)
class Part:
    """One part on disk. `number` counts from 1; `content_type` is lower case without parameters."""

    number: int
    content_type: str
    path: Path
    size_bytes: int


@dataclass(frozen=True)
class PartLimits:
    """How many parts there may be, and how large each."""

    max_parts: int
    max_part_bytes: int


def boundary_of(content_type: str) -> bytes:
    """The boundary in a multipart content type. Raises: HttpError (400) where there is none."""
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not 1 <= len(boundary) <= _LONGEST_BOUNDARY:
        raise HttpError(
            400,
            f"content type has a boundary of {len(boundary)} characters",
            expected=f"multipart/...; boundary= with 1 to {_LONGEST_BOUNDARY}",
        )
    return boundary


class PartSplitter:
    """Feed it chunks; it writes each part into `folder` and hands over those that are whole.

    Names of files are numbers: nothing that a client says becomes a path. Raises: HttpError with
    400 (malformed) or 413 (too many parts, or one too large).
    """

    def __init__(self, boundary: bytes, folder: Path, limits: PartLimits) -> None:
        self._folder, self._limits = folder, limits
        self._parts = 0
        self._size = 0
        self._file: BinaryIO | None = None
        self._field = b""
        self._value = b""
        self._content_type = b""
        self._done: list[Part] = []
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._finished,
            },
        )
        self._parser.logger = _quiet

    def write(self, chunk: bytes) -> list[Part]:
        """Take in a chunk; the parts that it made whole."""
        self._done = []
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _malformed(f"part {max(1, self._parts)} has a bad boundary or header") from error
        return self._done

    def finish(self) -> None:
        """Call after the last chunk. Raises: HttpError where the closing boundary is missing."""
        if not self._ended:
            raise _malformed("its closing boundary is missing")

    def close(self) -> None:
        """Close what is open; the folder is the caller's to remove."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > self._limits.max_parts:
            raise HttpError(
                413,
                f"body has more than {self._limits.max_parts} parts",
                expected="fewer",
                remedy="Send the study in several requests",
            )
        self._size, self._content_type = 0, b""
        self._file = (self._folder / f"{self._parts:06d}").open("xb")

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._field.lower() == b"content-type":
            self._content_type = parse_options_header(self._value)[0]
        self._field = self._value = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._size > self._limits.max_part_bytes:
            raise HttpError(
                413,
                f"part {self._parts} has more than {self._limits.max_part_bytes} bytes",
                expected="less",
                remedy="Ask the operator about limits.max_object_mib",
            )
        if self._file is not None:
            self._file.write(memoryview(data)[start:end])

    def _end(self) -> None:
        if self._file is None:
            return
        path = Path(self._file.name)
        self._file.close()
        self._file = None
        kind = self._content_type.decode("latin-1")
        self._done.append(Part(self._parts, kind, path, self._size))

    def _finished(self) -> None:
        self._ended = True


def _malformed(what: str) -> HttpError:
    return HttpError(
        400,
        f"body is no whole multipart message: {what}",
        expected="parts between boundaries as the content type names them",
    )
