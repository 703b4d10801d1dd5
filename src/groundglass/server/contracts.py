"""What the node's parts ask of each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from groundglass.server.jobs import JobStore
from groundglass.server.peers import Peer
from groundglass.server.settings import ServeSettings
from groundglass.server.spool import Spool


class Running(Protocol):
    """A listener that was started."""

    def stop(self) -> None:
        """Take nothing new, let what is under way end within seconds, and give the port back."""
        ...


class StartFront(Protocol):
    """Starts a listener in threads of its own; it takes objects when this returns."""

    def __call__(self, settings: ServeSettings, spool: Spool, jobs: JobStore) -> Running: ...


class Deliver(Protocol):
    """Offers DICOM files to a peer.

    `sent`: SOP instance UIDs that the peer has from an earlier try. `note_sent` is called with
    each one that it takes now; it raises LeaseLostError where sending must stop.
    Raises: SendError; `is_permanent` where another try cannot help.
    """

    def __call__(
        self,
        files: Sequence[Path],
        peer: Peer,
        *,
        settings: ServeSettings,
        sent: frozenset[str],
        note_sent: Callable[[str], None],
    ) -> None: ...
