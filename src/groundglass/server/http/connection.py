"""uvicorn's HTTP/1.1 connection with a deadline for request heads.

uvicorn waits for a request's first line and headers as long as the client likes, and each byte
resets the time that an idle connection may stay open. Here a connection that has no request
under way must bring a whole head within `HEAD_SECONDS`, however it is spread.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 15.0


class DeadlineH11Protocol(H11Protocol):
    """H11Protocol that closes connections whose request head takes too long."""

    head_seconds = HEAD_SECONDS
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock with the connection."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Start the clock with the first byte of a next head; stop it when a head is whole."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.transport.is_closing() or self._has_request():
            self._stop()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_seconds, self._too_late)

    def _has_request(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _too_late(self) -> None:
        self._head_timer = None
        if not self._has_request() and not self.transport.is_closing():
            self.transport.close()

    def _stop(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
