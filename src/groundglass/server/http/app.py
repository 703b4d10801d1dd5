"""The node's HTTP application, put together."""

from __future__ import annotations

import errno
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

import groundglass
from groundglass.errors import GroundglassError, QueueError
from groundglass.server.audit import AuditLog
from groundglass.server.http.guard import Guard
from groundglass.server.http.health import health_router
from groundglass.server.http.jobs_api import jobs_router
from groundglass.server.http.metrics import Metrics
from groundglass.server.http.node import Node
from groundglass.server.http.problems import HttpError, problem_response
from groundglass.server.http.rate_limit import RateLimit
from groundglass.server.http.stow import stow_router
from groundglass.server.http.studies_api import studies_router
from groundglass.server.http.tokens import Tokens
from groundglass.server.http.uploads import Uploads
from groundglass.server.jobs import JobStore
from groundglass.server.settings import ServeSettings
from groundglass.server.spool import Spool

_DESCRIPTION = (
    "Takes chest CT studies, shows what the node does with them, and gives the results. "
    "Research use only. Not a medical device."
)
_NO_TELEMETRY: Any = {"auto_configure": False, "tracing": False, "metrics": False, "logs": False}


def create_app(settings: ServeSettings, spool: Spool, jobs: JobStore) -> FastAPI:
    """The application; `app.state.node` is what its routes work on.

    The interactive pages of FastAPI are left out: they load scripts from other servers. Its
    telemetry is off: an environment variable would make it send addresses with UIDs elsewhere.
    """
    node = Node(
        settings=settings,
        spool=spool,
        jobs=jobs,
        uploads=Uploads(
            settings.spool_folder / "bodies",
            slots=settings.http.max_uploads,
            free_disk_bytes=settings.limits.free_disk_mib << 20,
        ),
        audit=AuditLog.from_settings(settings),
        metrics=Metrics(settings, spool, jobs),
    )
    app = FastAPI(
        title="Groundglass node",
        version=groundglass.__version__,
        description=_DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
    )
    app.state.node = node
    for router in (stow_router, studies_router, jobs_router, health_router):
        app.include_router(router(node))
    app.add_exception_handler(HttpError, _refused)
    app.add_exception_handler(GroundglassError, _failed)
    app.add_exception_handler(OSError, _disk_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_middleware(
        Guard,
        tokens=Tokens(settings.http.tokens),
        rate_limit=RateLimit(settings.http.rate_per_minute),
        observe=node.metrics.request,
    )
    return app


def _refused(_request: Request, error: Any) -> Response:
    return problem_response(error.status, str(error), error.headers())


def _failed(_request: Request, error: Exception) -> Response:
    """An error of the tree that no route made an answer of."""
    if isinstance(error, QueueError):  # its text names the database's address
        return problem_response(
            503, "The node's queue cannot be used now. Try again later.", {"Retry-After": "30"}
        )
    return problem_response(400, str(error))


def _disk_error(_request: Request, error: Any) -> Response:
    """A full disk is the client's to wait for; anything else is ours, and the guard logs it."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        raise error
    return problem_response(503, "The node's disk is full. Try again later.", {"Retry-After": "60"})


def _http_error(_request: Request, error: Any) -> Response:
    return problem_response(error.status_code, str(error.detail), error.headers)


def _invalid(_request: Request, error: Any) -> Response:
    """Which parameter is wrong, and never its value."""
    said = "; ".join(
        f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()
    )
    return problem_response(422, said)
