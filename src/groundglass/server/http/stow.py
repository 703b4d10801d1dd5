"""STOW-RS: DICOM objects by HTTP, `POST /dicom-web/studies` (PS3.18 section 10.5).

Only the plain form is there: multipart/related of application/dicom. All objects of a request
are on disk and checked before the first is kept.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from groundglass.errors import BadObjectError
from groundglass.server.http.access import Submitter
from groundglass.server.http.body import read_chunks
from groundglass.server.http.intake import check_objects, keep_objects, origin_of, take_parts
from groundglass.server.http.node import Node
from groundglass.server.http.parts import Part, PartSplitter, boundary_of
from groundglass.server.http.problems import HttpError
from groundglass.server.http.record import record
from groundglass.server.http.stow_reply import DICOM_JSON, Outcome
from groundglass.server.http.tokens import Caller
from groundglass.server.spool import check_uid
from groundglass.server.spooled_study import Origin

DICOM = "application/dicom"
_ACCEPTED = frozenset({"*/*", "application/*", DICOM_JSON, "application/json"})
_ANSWERS = {
    200: {"description": "All instances are kept.", "content": {DICOM_JSON: {}}},
    202: {"description": "Some are kept; the Failed SOP Sequence says which are not and why."},
    400: {"description": "The body is no whole multipart message. Nothing is kept."},
    409: {"description": "None is kept; the Failed SOP Sequence says why."},
    413: {"description": "The body or an object is too large, or a limit of the study is reached."},
    415: {"description": "Not multipart/related of application/dicom, or compressed by HTTP."},
    503: {"description": "No room, or too many uploads at once; Retry-After says when to try."},
}
_BODY = {"requestBody": {"content": {'multipart/related; type="application/dicom"': {}}}}


def stow_router(node: Node) -> APIRouter:
    """The two addresses of Store Instances."""
    router = APIRouter(prefix="/dicom-web", tags=["DICOMweb"])

    @router.post(
        "/studies",
        summary="Store instances (STOW-RS)",
        response_class=Response,
        responses=_ANSWERS,  # type: ignore[arg-type]
        openapi_extra=_BODY,
    )
    async def store(request: Request, caller: Submitter) -> Response:
        """Keep the objects; a study is analyzed when nothing came for it for a while."""
        return (await _store(node, request, caller, "")).response()

    @router.post(
        "/studies/{study_uid}",
        summary="Store instances of one study (STOW-RS)",
        response_class=Response,
        responses=_ANSWERS,  # type: ignore[arg-type]
        openapi_extra=_BODY,
    )
    async def store_study(request: Request, study_uid: str, caller: Submitter) -> Response:
        """As above; objects of another study are refused one by one."""
        try:
            check_uid("study", study_uid)
        except BadObjectError as error:
            raise HttpError(400, str(error)) from error
        return (await _store(node, request, caller, study_uid)).response()

    return router


async def _store(node: Node, request: Request, caller: Caller, study_uid: str) -> Outcome:
    boundary = _check_head(request)
    async with node.uploads.slot() as folder:
        parts = await take_parts(
            read_chunks(request, node.body_limits),
            PartSplitter(boundary, folder, node.part_limits),
            node.uploads,
        )
        _check_parts(parts)
        origin = origin_of(request, caller)
        outcome = await run_in_threadpool(_keep, node, parts, study_uid, origin)
        await run_in_threadpool(record, node, outcome, origin, front="stow")
    return outcome


def _keep(node: Node, parts: list[Part], study_uid: str, origin: Origin) -> Outcome:
    paths = [part.path for part in parts]
    taken = check_objects(paths, study_uid=study_uid, max_bytes=node.max_object_bytes)
    return keep_objects(taken, node.spool, origin)


def _check_head(request: Request) -> bytes:
    """The boundary. Raises: HttpError with 400, 406 or 415."""
    content_type = request.headers.get("content-type", "")
    kind, options = parse_options_header(content_type)
    inner = options.get(b"type", DICOM.encode()).lower()
    if kind != b"multipart/related" or inner != DICOM.encode():
        raise HttpError(
            415,
            f"content type is {content_type[:100]!r}",
            expected='multipart/related; type="application/dicom"; boundary=...',
        )
    accepted = request.headers.get("accept", "*/*")
    kinds = {item.split(";")[0].strip().lower() for item in accepted.split(",")}
    if not kinds & _ACCEPTED:
        raise HttpError(406, f"answer wanted is {accepted[:100]!r}", expected=DICOM_JSON)
    return boundary_of(content_type)


def _check_parts(parts: list[Part]) -> None:
    if not parts:
        raise HttpError(400, "body has no part", expected="at least one DICOM object")
    for part in parts:
        if part.content_type not in ("", DICOM):
            raise HttpError(
                415,
                f"part {part.number} has the content type {part.content_type[:60]!r}",
                expected=DICOM,
                remedy="Metadata and bulk data apart (JSON, XML) are not taken; send whole objects",
            )
