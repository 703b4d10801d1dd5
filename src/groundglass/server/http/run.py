"""The HTTP side in a thread: started when `start` returns, gone when `stop` does."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time

import uvicorn

from groundglass.errors import SettingsError
from groundglass.server.http.app import create_app
from groundglass.server.http.connection import DeadlineH11Protocol
from groundglass.server.jobs import JobStore
from groundglass.server.listeners import HttpListener, Tls
from groundglass.server.settings import ServeSettings
from groundglass.server.spool import Spool

_SPARE_CONNECTIONS = 200
_START_SECONDS = 20.0
_STOP_SECONDS = 10
_HEAD_BYTES = 32 << 10


class HttpServer:
    """A running listener; `port` is the one it got where the settings asked for 0."""

    def __init__(self, server: uvicorn.Server, listener: socket.socket) -> None:
        self._server, self._listener = server, listener
        self.port: int = listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def start(self) -> None:
        """Begin. Raises: SettingsError where the listener does not come up."""
        self._thread.start()
        give_up = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > give_up:
                self.stop()
                raise SettingsError("http listener did not start", remedy="The log says why")
            time.sleep(0.01)

    def stop(self) -> None:
        """Take nothing new, let requests under way end within 10 s, close the port."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS + 5)
        self._listener.close()

    def _run(self) -> None:
        self._server.run(sockets=[self._listener])


def start(settings: ServeSettings, spool: Spool, jobs: JobStore) -> HttpServer:
    """Listen as `settings.http` says.

    Raises: SettingsError where the port is taken or the TLS files cannot be used.
    """
    http, tls = settings.http, settings.http.tls
    listener = _bind(http)
    try:
        config = uvicorn.Config(
            create_app(settings, spool, jobs),
            http=DeadlineH11Protocol,
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=http.max_uploads + _SPARE_CONNECTIONS,
            h11_max_incomplete_event_size=_HEAD_BYTES,
            timeout_graceful_shutdown=_STOP_SECONDS,
            ssl_context_factory=None if tls is None else lambda *_: _context(tls),
        )
        config.load()
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        server = HttpServer(uvicorn.Server(config), listener)
        server.start()
    except BaseException:
        listener.close()
        raise
    return server


def _bind(http: HttpListener) -> socket.socket:
    """Bound here and not by uvicorn, which would end the process where the port is taken."""
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            http.host, http.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, number)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise SettingsError(
            f"http listener cannot have {http.host}:{http.port} ({error.strerror or error})",
            expected="an address of this machine and a free port",
            remedy="Change host or port under [http]",
        ) from error
    return listener


def _context(tls: Tls) -> ssl.SSLContext:
    """TLS 1.2 or newer; with `ca`, only for clients whose certificate it signed.

    Raises: SettingsError.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(tls.certificate, tls.key)
        if tls.ca is not None:
            context.load_verify_locations(tls.ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:  # ssl.SSLError is one
        raise SettingsError(
            f"http.tls files cannot be used ({error.strerror or error})",
            expected="a certificate and its key in PEM files",
        ) from error
    return context
