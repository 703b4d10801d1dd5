"""Objects to a peer by C-STORE."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from pydicom.uid import UID, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association

from groundglass.errors import SendError, SettingsError
from groundglass.server.association_server import MAX_PDU_BYTES
from groundglass.server.outgoing import (
    NotTaken,
    Outgoing,
    is_hopeless,
    is_taken,
    raise_not_taken,
)
from groundglass.server.peers import DicomPeer
from groundglass.server.tls import client_context

_REJECTED_FOR_GOOD = 1


def send_by_store(
    objects: Sequence[Outgoing],
    peer: DicomPeer,
    *,
    calling_ae_title: str,
    seconds: float,
    note_sent: Callable[[str], None],
) -> None:
    """Offer every object in one association; one that is not taken does not stop the others.

    `seconds`: how long the peer may be silent. Raises: SendError; what `note_sent` raises.
    """
    name = f"{peer.ae_title} at {peer.host}:{peer.port}"
    left: list[NotTaken] = []
    with _association(objects, peer, calling_ae_title, seconds, name) as association:
        for number, one in enumerate(objects):
            problem = _store(association, one, number % 0xFFFF + 1)
            if problem is None:
                note_sent(one.sop_uid)
            else:
                left.append(problem)
            if not association.is_established:
                rest = objects[number + 1 :]
                left += [NotTaken(o.sop_uid, "the association broke off", False) for o in rest]
                break
    raise_not_taken(name, len(objects), left)


def _store(association: Association, one: Outgoing, message: int) -> NotTaken | None:
    """Offer one object; None where it was taken."""
    if not _is_agreed(association, one):
        what = f"{UID(one.sop_class_uid).name} in {UID(one.transfer_syntax_uid).name}"
        return NotTaken(one.sop_uid, f"it does not accept {what}", True)
    try:
        answer = association.send_c_store(one.path, msg_id=message)
    except (RuntimeError, ValueError, OSError) as error:
        return NotTaken(one.sop_uid, f"sending broke off ({type(error).__name__})", False)
    status = answer.get("Status")
    if status is None:
        return NotTaken(one.sop_uid, "it gave no answer", False)
    if is_taken(status):
        return None
    comment = "".join(c for c in str(answer.get("ErrorComment", "")) if c.isprintable())
    why = f"status 0x{status:04X}" + (f" ({comment})" if comment else "")
    return NotTaken(one.sop_uid, why, is_hopeless(status))


def _is_agreed(association: Association, one: Outgoing) -> bool:
    syntaxes = _syntaxes(one)
    return any(
        context.abstract_syntax == one.sop_class_uid and context.transfer_syntax[0] in syntaxes
        for context in association.accepted_contexts
    )


def _syntaxes(one: Outgoing) -> list[str]:
    """The object's own; for one that is not compressed also the one that every peer must know."""
    own = UID(one.transfer_syntax_uid)
    others = [] if own.is_compressed else [ImplicitVRLittleEndian]
    return list(dict.fromkeys([own, *others]))


@contextmanager
def _association(
    objects: Sequence[Outgoing], peer: DicomPeer, calling: str, seconds: float, name: str
) -> Iterator[Association]:
    """An association that proposes what `objects` need. Raises: SendError."""
    ae = AE(ae_title=calling)
    ae.maximum_pdu_size = MAX_PDU_BYTES
    ae.connection_timeout = ae.acse_timeout = seconds
    ae.dimse_timeout = ae.network_timeout = seconds
    wanted = {(one.sop_class_uid, syntax): None for one in objects for syntax in _syntaxes(one)}
    for sop_class, syntax in wanted:  # one context for each: the peer chooses none of ours away
        ae.add_requested_context(sop_class, syntax)
    opened: list[socket.socket] = []

    def keep(event: evt.Event) -> None:
        raw = event.assoc.dul.socket
        if raw is not None and raw.socket is not None:
            opened.append(raw.socket)

    try:
        association = ae.associate(
            peer.host,
            peer.port,
            ae_title=peer.ae_title,
            tls_args=_tls(peer),
            evt_handlers=[(evt.EVT_CONN_OPEN, keep)],
        )
    except OSError as error:  # a name that cannot be resolved
        raise SendError(f"{name} cannot be reached ({error})") from error
    try:
        if association.is_rejected:
            raise _rejected(association, name)
        if not association.is_established:
            raise SendError(
                f"{name} cannot be reached, or ended the connection",
                remedy="Check host, port and TLS of the peer",
            )
        yield association
    finally:
        if association.is_established:
            association.release()
        for raw in opened:  # pynetdicom leaves it open where the peer closed first
            raw.close()


def _tls(peer: DicomPeer) -> tuple[ssl.SSLContext, str] | None:
    if peer.tls is None:
        return None
    try:
        return client_context(peer.tls), peer.host
    except SettingsError as error:
        raise SendError(str(error), is_permanent=True) from error


def _rejected(association: Association, name: str) -> SendError:
    primitive = association.acceptor.primitive
    result = None if primitive is None else primitive.result
    reason = "no reason given" if primitive is None else primitive.reason_str
    return SendError(
        f"{name} rejected the association ({reason})",
        remedy="Check the AE titles on both sides, and that the peer knows this node",
        is_permanent=result == _REJECTED_FOR_GOOD,
    )
