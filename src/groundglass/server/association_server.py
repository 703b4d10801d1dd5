"""pynetdicom's association server, bounded for a port that anybody may connect to.

pynetdicom trusts its peers in places where a listener must not: the TLS handshake runs in the
thread that accepts connections; accepted sockets have no timeout; a PDU may say that it has
4 GiB; a connection that closes before it asks for anything keeps its thread; a message that makes
no sense ends one with a traceback; and every message is described in the log.
"""

from __future__ import annotations

import logging
import socket
import socketserver
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any, cast

from pynetdicom import evt
from pynetdicom.transport import (
    AssociationSocket,
    RequestHandler,
    ThreadedAssociationServer,
)

if TYPE_CHECKING:
    from pynetdicom.association import Association

MAX_PDU_BYTES = 131_072
"""What we ask peers to keep to; large, as each PDU costs time whatever is in it."""
_READ_BYTES = 1 << 20
"""The longest PDU that is read at all: room for an association request with many contexts."""
SPARE_CONNECTIONS = 50
"""Beyond the associations: some say nothing for a while, some are told that there are too many."""
_NO_PDU = "Evt19"
"""What came is no PDU, or one that cannot be read; its action has told the peer (A-ABORT)."""
_log = logging.getLogger(__name__)


class BoundedServer(ThreadedAssociationServer):
    """Takes connections from `addresses` (empty: from anywhere), each with limits in time and size.

    `seconds`: within which a TLS handshake and each PDU must be through.
    """

    daemon_threads = True

    def __init__(
        self,
        *args: Any,
        tls: ssl.SSLContext | None,
        addresses: frozenset[str],
        seconds: float,
        **kwargs: Any,
    ) -> None:
        self._tls = tls
        self._opening, self._counting = 0, threading.Lock()
        self._addresses = addresses
        self.seconds = seconds
        super().__init__(*args, request_handler=_BoundedHandler, **kwargs)

    def get_request(self) -> tuple[socket.socket, Any]:
        """A connection as it comes; TLS waits until it has a thread of its own."""
        listening = cast(socket.socket, self.socket)
        connection, address = listening.accept()
        connection.settimeout(self.seconds)
        return connection, address

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether the connection is spoken to at all; called before its thread is made."""
        if self._addresses and client_address[0] not in self._addresses:
            _log.warning("refused a connection from %s, which is not allowed", client_address[0])
            return False
        open_now = len(self.active_associations) + self._opening
        if open_now >= self.ae.maximum_associations:
            _log.warning("refused a connection from %s: too many are open", client_address[0])
            return False
        return True

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands, then hand over to the association. Runs in the connection's thread."""
        with self._counting:
            self._opening += 1
        try:
            if self._tls is not None:
                request = self._tls.wrap_socket(request, server_side=True)
            super().finish_request(request, client_address)
        finally:
            with self._counting:
                self._opening -= 1

    def shutdown(self) -> None:
        """Stop taking connections and give the port back; open associations go on."""
        socketserver.BaseServer.shutdown(self)
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """One line; the base class prints a traceback."""
        _log.warning("a connection from %s failed before it was an association", client_address[0])

    def _bind_defaults(self) -> None:
        """pynetdicom's default handlers without those that log every PDU and message."""
        super()._bind_defaults()
        for event in (evt.EVT_DIMSE_RECV, evt.EVT_DIMSE_SENT, evt.EVT_PDU_RECV, evt.EVT_PDU_SENT):
            for handler, _ in list(self.get_handlers(event)):  # pyright: ignore
                self.unbind(event, handler)


class _BoundedHandler(RequestHandler):
    """Makes an association that reads through a bounded socket."""

    server: BoundedServer  # pyright: ignore[reportIncompatibleVariableOverride]

    def _create_association(self) -> Association:
        association = super()._create_association()
        queue = association.dul.event_queue
        queue.get()  # that the connection is open: the socket in place of theirs says it again
        bounded = _BoundedSocket(association, client_socket=self.request)
        bounded.seconds = self.server.seconds
        association.dul.socket = bounded
        _guard(association)
        return association


def _guard(association: Association) -> None:
    """Close the connection where a message cannot be acted on.

    Else such a message (a command set that does not decode, a release in the middle of an abort)
    ends pynetdicom's thread with a traceback, and the peer is left waiting.
    """
    dul = association.dul
    act = dul.state_machine.do_action

    def close() -> None:
        if dul.socket is not None:
            dul.socket.close()
        dul.kill_dul()
        wake(association)

    def guarded(event: str) -> None:
        try:
            act(event)
        except Exception as error:
            _log.warning("closed a connection: %s at %s", type(error).__name__, event)
            close()
        else:
            if event == _NO_PDU:  # else the rest is read as PDUs of six bytes, and each is logged
                close()

    dul.state_machine.do_action = guarded


def wake(association: Association) -> None:
    """Let the thread end that waits for an association request, when none can come any more."""
    if association.requestor.primitive is None:
        association.dul.to_user_queue.put(None)  # pyright: ignore[reportArgumentType]


class _BoundedSocket(AssociationSocket):
    """Reads a PDU within `seconds` and below a length, or not at all."""

    seconds: float = 60.0

    def recv(self, nr_bytes: int) -> bytearray:
        """`nr_bytes`, or fewer where the peer closed. Raises: OSError beyond the limits."""
        if nr_bytes > _READ_BYTES:
            raise OSError(f"the peer announced a PDU of {nr_bytes} bytes")
        connection, until = self.socket, time.monotonic() + self.seconds
        out, have = bytearray(nr_bytes), 0
        with memoryview(out) as view:
            while connection is not None and have < nr_bytes:
                got = connection.recv_into(view[have:])
                if got == 0:
                    break
                have += got
                if time.monotonic() > until:
                    raise TimeoutError("the peer takes too long for a PDU")
        return out[:have]

    def close(self) -> None:
        """As the base class, which leaves the socket open where the peer was faster."""
        connection = self.socket
        super().close()
        if connection is not None:
            connection.close()
