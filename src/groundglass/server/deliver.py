"""A result's DICOM objects to a peer, as far as it lacks them: the `Deliver` of a node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from groundglass.server.outgoing import read_outgoing
from groundglass.server.peers import DicomPeer, Peer
from groundglass.server.settings import ServeSettings


def deliver(
    files: Sequence[Path],
    peer: Peer,
    *,
    settings: ServeSettings,
    sent: frozenset[str],
    note_sent: Callable[[str], None],
) -> None:
    """Offer `files` to `peer` by C-STORE or STOW-RS, without those whose UIDs are in `sent`.

    `note_sent` is called once for each object that the peer says it has, before the next is
    offered; what it raises ends the sending. Raises: SendError where objects are left; it is
    permanent where another try cannot help any of them.
    """
    left = [one for one in map(read_outgoing, files) if one.sop_uid not in sent]
    if not left:
        return
    if isinstance(peer, DicomPeer):
        from groundglass.server.send_store import send_by_store

        calling = peer.calling_ae_title or settings.dicom.ae_title
        send_by_store(
            left,
            peer,
            calling_ae_title=calling,
            seconds=settings.send.timeout_seconds,
            note_sent=note_sent,
        )
    else:
        from groundglass.server.send_stow import send_by_stow

        send_by_stow(left, peer, seconds=settings.send.timeout_seconds, note_sent=note_sent)
