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
    BadObjectError,
    ConflictError,
    GroundglassError,
    SpoolFullError,
    TooLargeError,
)
from groundglass.server.http.problems import without_paths

DICOM_JSON = "application/dicom+json"
DUPLICATE, OUT_OF_RESOURCES, NO_MATCH, NOT_UNDERSTOOD = 0x0111, 0xA700, 0xA900, 0xC000
_SOP_CLASS, _SOP_UID, _URL = "00081150", "00081155", "00081190"
_REFERENCED, _FAILED, _OTHER_FAILED = "00081199", "00081198", "0008119A"
_REASON = "00081197"
_FULL_RETRY_SECONDS = 60


@dataclass(frozen=True)
class Failure:
    """An object that was not kept; UIDs are "" where they could not be read."""

    sop_class_uid: str
    sop_uid: str
    reason: int
    status: HTTPStatus
    text: str


@dataclass
class Outcome:
    """What became of each object of one request. `kept`: pairs of SOP class and instance UID."""

    kept: list[tuple[str, str]] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)

    def fail(self, error: GroundglassError, sop_class_uid: str = "", sop_uid: str = "") -> None:
        """Note an object that was refused with `error`."""
        reason, status = _meaning(error)
        self.failed.append(Failure(sop_class_uid, sop_uid, reason, status, str(error)))

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
                [{**_instance(*uids), _URL: {"vr": "UR"}} for uids in self.kept]
            )
        named = [f for f in self.failed if f.sop_class_uid and f.sop_uid]
        if named:
            found[_FAILED] = _sequence(
                [{**_instance(f.sop_class_uid, f.sop_uid), **_reason(f)} for f in named]
            )
        nameless = [f for f in self.failed if not (f.sop_class_uid and f.sop_uid)]
        if nameless:
            found[_OTHER_FAILED] = _sequence([_reason(f) for f in nameless])
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
        return Response(
            json.dumps(self.to_dict()), status, headers=headers, media_type=DICOM_JSON
        )


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
        case BadObjectError():
            return NOT_UNDERSTOOD, HTTPStatus.CONFLICT
    return NOT_UNDERSTOOD, HTTPStatus.CONFLICT


def _sequence(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"vr": "SQ", "Value": items}


def _instance(sop_class_uid: str, sop_uid: str) -> dict[str, Any]:
    return {
        _SOP_CLASS: {"vr": "UI", "Value": [sop_class_uid]},
        _SOP_UID: {"vr": "UI", "Value": [sop_uid]},
    }


def _reason(failure: Failure) -> dict[str, Any]:
    return {_REASON: {"vr": "US", "Value": [failure.reason]}}
