"""`/health`, `/ready` and `/metrics`: for what watches the node."""

from __future__ import annotations

import shutil

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from groundglass.errors import QueueError
from groundglass.server.http.access import Reader
from groundglass.server.http.metrics import CONTENT_TYPE
from groundglass.server.http.node import Node

_LONGEST_SILENCE_SECONDS = 60.0


def health_router(node: Node) -> APIRouter:
    """The three addresses; only /health needs no token."""
    router = APIRouter(tags=["operation"])

    @router.get("/health", summary="Does the process live?")
    async def health() -> dict[str, str]:
        """Answers as long as the process does; says nothing about the rest."""
        return {"status": "live"}

    @router.get(
        "/ready",
        summary="Can the node do its work?",
        responses={503: {"description": "Not now; `checks` says what is missing."}},
    )
    def ready(_caller: Reader) -> JSONResponse:
        """Database reachable, room on the disk, and a worker that was seen lately."""
        checks = check_ready(node)
        is_ready = not any(checks.values())
        shown = {name: text or "ok" for name, text in checks.items()}
        return JSONResponse({"ready": is_ready, "checks": shown}, 200 if is_ready else 503)

    @router.get("/metrics", summary="Figures for Prometheus", response_class=Response)
    def metrics(_caller: Reader) -> Response:
        """In the text exposition format."""
        return Response(node.metrics.text(node.uploads.taken), media_type=CONTENT_TYPE)

    return router


def check_ready(node: Node) -> dict[str, str]:
    """For each check "", or what is wrong."""
    limits = node.settings.limits
    free_mib = shutil.disk_usage(node.spool.folder).free >> 20
    full = f"{free_mib} MiB free, {limits.free_disk_mib} wanted"
    found = {"disk": full if free_mib < limits.free_disk_mib else ""}
    silence = max(_LONGEST_SILENCE_SECONDS, 2 * node.settings.lease_seconds)
    try:
        seen = node.jobs.workers(silence)
    except QueueError:
        return {**found, "database": "cannot be used", "workers": "unknown"}
    nobody = f"none was seen in {silence:.0f} s"
    return {**found, "database": "", "workers": "" if seen else nobody}
