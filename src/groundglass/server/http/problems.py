"""Refusals of the HTTP side, and how any error becomes a problem document (RFC 9457).

What a client reads is the error's own text with the server's paths cut out. An error that is
no `GroundglassError` is a fault of ours: the client learns that there was one and nothing else.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

from groundglass.errors import GroundglassError

PROBLEM_JSON = "application/problem+json"
_PATH = re.compile(r"(?<![\w.:/])(?:[A-Za-z]:)?[/\\](?:[^\s'\"/\\,;:()]+[/\\])+")
_LONGEST_TEXT = 1000


class HttpError(GroundglassError):
    """A request that is answered with `status`; `retry_after` in seconds where later may help."""

    def __init__(
        self,
        status: int,
        problem: str,
        *,
        expected: str = "",
        remedy: str = "",
        retry_after: int | None = None,
    ) -> None:
        super().__init__(problem, expected=expected, remedy=remedy)
        self.status = status
        self.retry_after = retry_after

    def headers(self) -> dict[str, str]:
        """Headers that go with the answer."""
        found: dict[str, str] = {}
        if self.retry_after is not None:
            found["Retry-After"] = str(self.retry_after)
        if self.status == HTTPStatus.UNAUTHORIZED:
            found["WWW-Authenticate"] = 'Bearer realm="groundglass"'
        return found


def without_paths(text: str) -> str:
    """`text` with folders cut from paths (names stay), without control characters, bounded."""
    shown = _PATH.sub("", text[: 4 * _LONGEST_TEXT])
    shown = "".join(char if char.isprintable() else " " for char in shown)
    return shown if len(shown) <= _LONGEST_TEXT else shown[: _LONGEST_TEXT - 3] + "..."


def problem_response(
    status: int, detail: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    """A problem document; `detail` is scrubbed of paths here, so that no caller forgets it."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": without_paths(detail),
    }
    return JSONResponse(body, status_code=status, headers=headers, media_type=PROBLEM_JSON)
