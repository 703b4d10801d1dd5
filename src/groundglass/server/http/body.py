"""A request's body, chunk by chunk, with limits on size, pauses and pace while it comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import Request

from groundglass.server.http.problems import HttpError


@dataclass(frozen=True)
class BodyLimits:
    """What a body may be.

    `idle_seconds` may pass between two chunks. After `grace_seconds` the body must have come at
    `least_bytes_per_second` on average: a sender of one byte now and then holds an upload slot
    for a minute, not for hours.
    """

    max_bytes: int
    idle_seconds: float = 30.0
    grace_seconds: float = 60.0
    least_bytes_per_second: int = 8 << 10


class BrokenOffError(Exception):
    """The sender went away in the middle of the body; nobody is left to answer."""


async def read_chunks(request: Request, limits: BodyLimits) -> AsyncIterator[bytes]:
    """Yield the body as it comes; a declared length is trusted only to refuse early.

    Raises: HttpError with 413 (too large), 415 (content encoding) or 408 (too slow);
    BrokenOffError. What a refused client still sends, the connection drops for a while.
    """
    _check_head(request, limits)
    started, size = time.monotonic(), 0
    while True:
        try:
            message = await asyncio.wait_for(request.receive(), limits.idle_seconds)
        except TimeoutError:
            raise _too_slow(f"no byte came for {limits.idle_seconds:g} s") from None
        if message["type"] == "http.disconnect":
            raise BrokenOffError
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limits.max_bytes:
            raise _too_large(f"more than {limits.max_bytes} bytes", limits)
        late = time.monotonic() - started - limits.grace_seconds
        if message.get("more_body") and size < late * limits.least_bytes_per_second:
            raise _too_slow(f"{size} bytes came in {late + limits.grace_seconds:.0f} s")
        if chunk:
            yield chunk
        if not message.get("more_body", False):
            return


def _check_head(request: Request, limits: BodyLimits) -> None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise HttpError(
            415,
            f"body has the content encoding {encoding[:40]!r}",
            expected="none",
            remedy="Send it as it is; DICOM and .nii.gz are compressed inside",
        )
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and len(declared) < 20 and int(declared) > limits.max_bytes:
        raise _too_large(f"{int(declared)} bytes", limits)


def _too_large(what: str, limits: BodyLimits) -> HttpError:
    return HttpError(
        413,
        f"body has {what}",
        expected=f"at most {limits.max_bytes}",
        remedy="Send fewer instances per request, or ask the operator about limits.max_study_mib",
    )


def _too_slow(what: str) -> HttpError:
    return HttpError(408, f"body came too slowly: {what}", remedy="Send it again")
