"""The answer to STOW-RS: which instances are kept, which are not and why, in DICOM JSON.

Source: PS3.18 section 10.5.3 and table I.2-1 (failure reasons as of PS3.4 annex GG). Orthanc
counts the instances of the Referenced SOP Sequence, so that each one kept is listed, also one
that was here already.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from groundglass.errors import (
    ConflictError,
    GroundglassError,
    SpoolFullError,
    TooLargeError,
)
from groundglass.server.http.problems import without_paths
from groundglass.server.object_check import CheckedObject

DICOM_JSON = "application/dicom+json"
DUPLICATE, OUT_OF_RESOURCES, NO_MATCH, NOT_UNDERSTOOD = 0x0111, 0xA700, 0xA900, 0xC000
_SOP_CLASS, _SOP_UID, _URL = "00081150", "00081155", "00081190"
_REFERENCED, _FAILED, _OTHER_FAILED = "00081199", "00081198", "0008119A"
_REASON = "00081197"
_FULL_RETRY_SECONDS = 60


@dataclass(frozen=True)
class Failure:
    """A file that was not kept: its number in the request, and what it said of itself, if that.

    `text` is for the sender, `kind` (the error's name) for log and audit.
    """

    file: int
    found: CheckedObject | None
    reason: int
    status: HTTPStatus
    text: str
    kind: str


@dataclass(frozen=True)
class Kept:
    """An object that is safe in the spool, now or since earlier."""

    found: CheckedObject
    size_bytes: int


@dataclass
class Outcome:
    """What became of each object of one request."""

    kept: list[Kept] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)

    def fail(self, file: int, error: GroundglassError, found: CheckedObject | None) -> None:
        """Note that file number `file` was refused with `error`."""
        reason, status = _meaning(error)
        self.failed.append(Failure(file, found, reason, status, str(error), type(error).__name__))

    @property
    def kept_bytes(self) -> int:
        """Size of what is kept."""
        return sum(one.size_bytes for one in self.kept)

    def status(self) -> HTTPStatus:
        """200 all kept, 202 some; none: 413 or 503 where all failed for that, else 409."""
        if not self.failed:
            return HTTPStatus.OK
        if self.kept:
            return HTTPStatus.ACCEPTED
        reasons = {failure.status for failure in self.failed}
        return reasons.pop() if len(reasons) == 1 else HTTPStatus.CONFLICT

    def to_dict(self) -> dict[str, Any]:
        """The data set in the DICOM JSON model. There is nothing to retrieve: URLs are empty."""
        found: dict[str, Any] = {_URL: {"vr": "UR"}}
        if self.kept:
            found[_REFERENCED] = _sequence(
                [{**_instance(one.found), _URL: {"vr": "UR"}} for one in self.kept]
            )
        named = [{**_instance(f.found), **_reason(f)} for f in self.failed if f.found]
        if named:
            found[_FAILED] = _sequence(named)
        nameless = [_reason(f) for f in self.failed if f.found is None]
        if nameless:
            found[_OTHER_FAILED] = _sequence(nameless)
        return found

    def response(self) -> Response:
        """The answer; a Warning header says in words why the first object failed."""
        status = self.status()
        headers = {}
        if self.failed:
            text = without_paths(self.failed[0].text).replace("\\", "/").replace('"', "'")
            plain = text.encode("ascii", "replace").decode()
            headers["Warning"] = f'299 groundglass "{len(self.failed)} not stored: {plain}"'
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            headers["Retry-After"] = str(_FULL_RETRY_SECONDS)
        return Response(json.dumps(self.to_dict()), status, headers=headers, media_type=DICOM_JSON)


class OtherStudyError(GroundglassError):
    """The object is of another study than the address names."""


def _meaning(error: GroundglassError) -> tuple[int, HTTPStatus]:
    match error:
        case SpoolFullError():
            return OUT_OF_RESOURCES, HTTPStatus.SERVICE_UNAVAILABLE
        case TooLargeError():
            return OUT_OF_RESOURCES, HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        case ConflictError():
            return DUPLICATE, HTTPStatus.CONFLICT
        case OtherStudyError():
            return NO_MATCH, HTTPStatus.CONFLICT
    return NOT_UNDERSTOOD, HTTPStatus.CONFLICT


def _sequence(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"vr": "SQ", "Value": items}


def _instance(found: CheckedObject) -> dict[str, Any]:
    return {
        _SOP_CLASS: {"vr": "UI", "Value": [found.sop_class_uid]},
        _SOP_UID: {"vr": "UI", "Value": [found.sop_uid]},
    }


def _reason(failure: Failure) -> dict[str, Any]:
    return {_REASON: {"vr": "US", "Value": [failure.reason]}}
