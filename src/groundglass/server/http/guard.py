"""What every request passes before any route: who asks, how often, and what is said afterwards.

An ASGI middleware, so that a route that is added and forgets to ask for a token is closed, not
open. It catches what no route caught: a client never sees a traceback, and the log sees no
message of a foreign error, since such a message may quote a header with a patient's name.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from groundglass.server.http.body import BrokenOffError
from groundglass.server.http.headers import COMMON, STRICT_TRANSPORT
from groundglass.server.http.problems import HttpError, problem_response
from groundglass.server.http.rate_limit import RateLimit
from groundglass.server.http.tokens import SCOPES, Caller, Tokens

_logger = logging.getLogger("groundglass.server.http")
OPEN_PATHS = frozenset({"/health"})
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
Observe = Callable[[str, int, float], None]
"""Called with route, status and seconds after each request."""


class Guard:
    """Middleware. `tokens` empty means that only this machine reaches the node."""

    def __init__(
        self, app: ASGIApp, *, tokens: Tokens, rate_limit: RateLimit, observe: Observe
    ) -> None:
        self.app = app
        self._tokens, self._rate, self._observe = tokens, rate_limit, observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass HTTP on, let the life cycle through, and refuse anything else."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        said = _Said(scope, send)
        caller = Caller("-", frozenset())
        try:
            if scope["path"] not in OPEN_PATHS:
                caller = self._caller(scope)
            scope.setdefault("state", {})["caller"] = caller
            await self.app(scope, receive, said)
        except HttpError as refused:
            await said.answer(problem_response(refused.status, str(refused), refused.headers()))
        except BrokenOffError:
            said.status = 499  # nobody reads an answer; the number stands in log and metrics
        except Exception as error:
            _logger.error(
                "%s in %s:\n%s",
                type(error).__name__,
                _route(scope),
                "".join(traceback.format_tb(error.__traceback__)),
            )
            await said.answer(problem_response(500, "The node failed. Its log says where."))
        seconds = time.perf_counter() - started
        self._observe(_route(scope), said.status, seconds)
        _logger.info(
            "%s %s %d %.3f s by %s",
            scope["method"] if scope["method"].isalpha() else "?",
            _route(scope),
            said.status,
            seconds,
            caller.name,
        )

    def _caller(self, scope: Scope) -> Caller:
        """Raises: HttpError with 401, 403 (a web page of elsewhere) or 429."""
        address = (scope.get("client") or ("unknown",))[0]
        headers = Headers(scope=scope)
        if self._tokens:
            caller = self._tokens.caller(headers.get("authorization", ""))
        else:
            _refuse_web_pages(headers)
            caller = Caller(str(address), frozenset(SCOPES))
        wait = self._rate.take(f"token {caller.name}" if caller else f"address {address}")
        if wait:
            raise HttpError(429, "too many requests", remedy=f"Wait {wait} s", retry_after=wait)
        if caller is None:
            raise HttpError(
                401,
                "request has no token that is known here",
                expected="the header 'Authorization: Bearer TOKEN'",
                remedy="Ask the operator for a token (groundglass serve token)",
            )
        return caller


class _Said:
    """The sending side of one request: adds headers, remembers the status."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self._started = False
        self.status = 500

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started = True
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in COMMON.items():
                headers.setdefault(name, value)
            if self._scope["scheme"] == "https":
                headers.setdefault("Strict-Transport-Security", STRICT_TRANSPORT)
        await self._send(message)

    async def answer(self, response: Response) -> None:
        """Send `response`, unless another one is on its way already."""
        if not self._started:
            await response(self._scope, _nothing, self)


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


def _refuse_web_pages(headers: Headers) -> None:
    """Without tokens, a web page open on this machine could send requests here.

    A foreign Origin says so; a foreign Host says that a name was pointed at the loopback.
    """
    host = headers.get("host", "localhost").rsplit("@", 1)[-1]
    name = host[1:].split("]")[0] if host.startswith("[") else host.split(":")[0]
    origin = headers.get("origin", "")
    site = headers.get("sec-fetch-site", "none")
    if (
        name.lower() not in _LOCAL_NAMES
        or site not in ("none", "same-origin")
        or (origin and origin.split("://", 1)[-1] != host)
    ):
        raise HttpError(
            403,
            "request comes from a web page or under a foreign host name",
            expected="a program on this machine that asks for localhost or 127.0.0.1",
            remedy="Configure a token where others shall reach the node",
        )


def _route(scope: Scope) -> str:
    """The route's pattern; never the path, which has UIDs in it."""
    route: Any = scope.get("route")
    return getattr(route, "path", "-")
