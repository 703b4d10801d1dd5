"""The DICOM listener: takes objects by C-STORE and answers C-ECHO.

Every storage class is taken in every transfer syntax that carries its pixels, and what comes is
kept as it came: nothing is decoded here. Only then does the sender hear of success.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterable
from typing import cast
from weakref import WeakKeyDictionary

from pydicom.dataset import Dataset
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.sop_class import Verification  # pyright: ignore

from groundglass.errors import (
    BadObjectError,
    OutputError,
    RefusedError,
    SettingsError,
    SpoolFullError,
    TooLargeError,
)
from groundglass.server.association_server import (
    MAX_PDU_BYTES,
    SPARE_CONNECTIONS,
    BoundedServer,
    wake,
)
from groundglass.server.audit import AuditLog
from groundglass.server.disk import MIB
from groundglass.server.jobs import JobStore
from groundglass.server.listeners import AllowedPeer, DicomListener
from groundglass.server.object_check import CheckedObject, check_object
from groundglass.server.settings import ServeSettings
from groundglass.server.spool import Spool
from groundglass.server.spooled_study import Origin
from groundglass.server.store_tally import StoreTally
from groundglass.server.tls import listener_context

SUCCESS, OUT_OF_RESOURCES, NOT_OF_THIS_CLASS = 0x0000, 0xA700, 0xA900
CANNOT_UNDERSTAND, PROCESSING_FAILURE = 0xC000, 0x0110
_BY_REFERENCE = frozenset(f"1.2.840.10008.1.2.4.{last}" for last in (94, 95, 204, 205))
"""JPIP: such an object holds an address instead of pixels."""
_NOT_RECOGNIZED, _TOO_MANY = (0x01, 0x01, 0x03), (0x02, 0x03, 0x02)
"""Result, source and reason: rejected for good, calling AE title; for now, local limit."""
_QUIET_SECONDS, _NEGOTIATE_SECONDS, _DRAIN_SECONDS = 60.0, 10.0, 10.0
_QUEUED_MESSAGES = 4
"""Requests that a peer may send before the answer to the first; we never agree to more than one."""
_LONG_UID = re.compile(r"[0-9.]{20,} ?")
_log = logging.getLogger(__name__)


def start_store_scp(settings: ServeSettings, spool: Spool, jobs: JobStore) -> StoreScp:
    """Start the listener; it takes objects when this returns. A `StartFront`.

    Raises: SettingsError where the port is taken, or a TLS file cannot be used.
    """
    return StoreScp(settings, spool, AuditLog.from_settings(settings))


class StoreScp:
    """The listener that was started. `port`: the one it has, also where 0 asked for a free one."""

    def __init__(self, settings: ServeSettings, spool: Spool, audit: AuditLog) -> None:
        listener = settings.dicom
        self._receiver = _Receiver(settings, spool, audit)
        self._ae = _application_entity(listener)
        tls = None if listener.tls is None else listener_context(listener.tls)
        try:
            self._server = self._ae.make_server(
                (listener.host, listener.port),
                evt_handlers=self._receiver.handlers(),
                server_class=BoundedServer,
                tls=tls,
                addresses=_addresses(listener.allowed),
                seconds=_QUIET_SECONDS,
            )
        except OSError as error:
            raise SettingsError(
                f"the DICOM port {listener.host}:{listener.port} cannot be opened "
                f"({error.strerror})",
                remedy="Stop what uses it, or set another one under [dicom]",
            ) from error
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Take no connection any more; open associations have 10 seconds to end."""
        self._server.shutdown()
        until = time.monotonic() + _DRAIN_SECONDS
        while any(a.is_established for a in self._associations()) and time.monotonic() < until:
            time.sleep(0.02)
        for association in self._associations():
            if association.is_established:
                association.abort()
            else:  # never became one: its state machine would not come to an end by itself
                association.dul.kill_dul()

    def connections(self) -> int:
        """How many are open, associations and those that have not asked for one."""
        return len(self._associations())

    def _associations(self) -> list[Association]:
        return self._server.active_associations


class _Receiver:
    """What is done at each event of an association; called in threads of pynetdicom."""

    def __init__(self, settings: ServeSettings, spool: Spool, audit: AuditLog) -> None:
        self._allowed = settings.dicom.allowed
        self._max_associations = settings.dicom.max_associations
        self._max_bytes = settings.limits.max_object_mib * MIB
        self._spool = spool
        self._audit = audit
        self._tallies: WeakKeyDictionary[Association, StoreTally] = WeakKeyDictionary()

    def handlers(self) -> list[evt.EventHandlerType]:
        """As pynetdicom wants them."""
        return [
            (evt.EVT_REQUESTED, self._on_request),
            (evt.EVT_ACCEPTED, self._on_accept),
            (evt.EVT_PDU_RECV, self._on_pdu),
            (evt.EVT_C_STORE, self._on_store),
            (evt.EVT_CONN_CLOSE, self._on_close),
            (evt.EVT_C_ECHO, lambda event: SUCCESS),
        ]

    def _on_request(self, event: evt.Event) -> None:
        """Refuse senders that are not allowed, by AE title and address together, or too many."""
        association = event.assoc
        title, address = _sender(event)
        if self._allowed and not any(_fits(peer, title, address) for peer in self._allowed):
            _log.warning("refused an association from %s at %s: not allowed", title, address)
            association.acse.send_reject(*_NOT_RECOGNIZED)
            association.kill()
            return
        active = association.ae.active_associations
        if sum(other.is_established for other in active) >= self._max_associations:
            _log.warning("refused an association from %s at %s: too many", title, address)
            association.acse.send_reject(*_TOO_MANY)
            association.kill()

    def _on_accept(self, event: evt.Event) -> None:
        title, address = _sender(event)
        self._tallies[event.assoc] = StoreTally(Origin("dicom", address, title))
        _log.info("association from %s at %s", title, address)

    def _on_pdu(self, event: evt.Event) -> None:
        """Abort a peer that sends more than one object may have, or many at once."""
        dimse = event.assoc.dimse
        message = dimse.message
        held = command = 0
        if message is not None and message.data_set is not None:
            held, command = message.data_set.tell(), message.encoded_command_set.tell()
        if held > self._max_bytes or command > MAX_PDU_BYTES:
            _log.warning("aborted an association: an object of more than %d bytes", self._max_bytes)
            event.assoc.abort()
        elif dimse.msg_queue.qsize() > _QUEUED_MESSAGES:
            _log.warning("aborted an association: many requests without waiting for answers")
            event.assoc.abort()

    def _on_store(self, event: evt.Event) -> int | Dataset:
        """Keep one object, then say so."""
        tally = self._tallies[event.assoc]
        study_uid = ""
        try:
            found = self._check(event)
            study_uid = found.study_uid
            receipt = self._spool.receive(
                found.study_uid,
                found.series_uid,
                found.sop_uid,
                event.encoded_dataset(),
                origin=tally.origin,
            )
        except RefusedError as error:
            tally.refused(study_uid, type(error).__name__)
            _log.warning("refused an object: %s", error)
            return _status(error)
        except (OSError, MemoryError) as error:
            _log.error("could not keep an object: %s", type(error).__name__)
            return OUT_OF_RESOURCES
        else:
            tally.received(receipt)
            return SUCCESS
        finally:
            if tally.is_closed:  # the sender went before it had its answer
                self._write(tally)

    def _check(self, event: evt.Event) -> CheckedObject:
        found = check_object(
            event.encoded_dataset(include_meta=False),
            max_bytes=self._max_bytes,
            transfer_syntax_uid=event.context.transfer_syntax,
        )
        request = cast(C_STORE, event.request)
        asked = (request.AffectedSOPClassUID, request.AffectedSOPInstanceUID)
        if (found.sop_class_uid, found.sop_uid) != asked:
            raise _OtherObjectError(
                "object has another SOP class or instance UID than its C-STORE request",
                expected="the same in both",
            )
        return found

    def _on_close(self, event: evt.Event) -> None:
        wake(event.assoc)
        tally = self._tallies.get(event.assoc)
        if tally is not None:
            tally.is_closed = True
            self._write(tally)

    def _write(self, tally: StoreTally) -> None:
        try:
            tally.write(self._audit)
        except OutputError as error:
            _log.error("%s", error)


class _OtherObjectError(BadObjectError):
    """The request announced another object: DICOM has a status of its own for that."""


def _status(error: RefusedError) -> Dataset:
    """The answer, with a comment for the sender's log (64 characters of ASCII, as VR LO asks)."""
    out = Dataset()
    out.Status = CANNOT_UNDERSTAND
    if isinstance(error, (SpoolFullError, TooLargeError)):
        out.Status = OUT_OF_RESOURCES
    elif isinstance(error, _OtherObjectError):
        out.Status = NOT_OF_THIS_CLASS
    short = _LONG_UID.sub("", error.problem)  # the sender knows its UIDs, and they take all room
    out.ErrorComment = short.encode("ascii", "replace").decode().replace("\\", "/")[:64]
    return out


def _application_entity(listener: DicomListener) -> AE:
    ae = AE(ae_title=listener.ae_title)
    ae.maximum_associations = listener.max_associations + SPARE_CONNECTIONS  # that say nothing too
    ae.maximum_pdu_size = MAX_PDU_BYTES
    ae.require_called_aet = listener.check_called_ae_title
    ae.acse_timeout = _NEGOTIATE_SECONDS
    ae.dimse_timeout = ae.network_timeout = _QUIET_SECONDS
    syntaxes = [str(uid) for uid in ALL_TRANSFER_SYNTAXES if uid not in _BY_REFERENCE]
    for context in AllStoragePresentationContexts:
        ae.add_supported_context(str(context.abstract_syntax), syntaxes)
    ae.add_supported_context(Verification)
    return ae


def _addresses(allowed: Iterable[AllowedPeer]) -> frozenset[str]:
    """All that may connect; empty where some sender is allowed from anywhere."""
    addresses = [peer.address for peer in allowed]
    return frozenset() if None in addresses else frozenset(map(str, addresses))


def _sender(event: evt.Event) -> tuple[str, str]:
    """AE title and address, safe to be logged."""
    requestor = event.assoc.requestor
    title = str(requestor.primitive.calling_ae_title if requestor.primitive else "").strip()
    return "".join(c for c in title if c.isprintable()), str(requestor.address)


def _fits(peer: AllowedPeer, title: str, address: str) -> bool:
    return peer.ae_title == title and peer.address in (None, address)
