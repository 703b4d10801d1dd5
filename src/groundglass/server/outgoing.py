"""Objects on their way out, and what peers' answers about them mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from groundglass.errors import RefusedError, SendError
from groundglass.server.object_check import check_file

_MAX_BYTES = 1 << 32
_HOPELESS = frozenset((0x0117, 0x0122, 0x0124))
"""Invalid instance, SOP class not supported, not authorized."""
_ALREADY_THERE = 0x0111


@dataclass(frozen=True)
class Outgoing:
    """A Part 10 file with what must be known to offer it."""

    path: Path
    sop_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str


@dataclass(frozen=True)
class NotTaken:
    """An object that the peer did not take, and why. `is_permanent`: another try cannot help."""

    sop_uid: str
    why: str
    is_permanent: bool


def read_outgoing(path: Path) -> Outgoing:
    """A result's file. Raises: SendError (permanent) where it is gone or no DICOM object."""
    try:
        found = check_file(path, max_bytes=_MAX_BYTES)
    except (OSError, RefusedError) as error:
        raise SendError(
            f"result file {path.name} cannot be sent ({error})",
            expected="a DICOM object",
            is_permanent=True,
        ) from error
    return Outgoing(path, found.sop_uid, found.sop_class_uid, found.transfer_syntax_uid)


def is_taken(status: int) -> bool:
    """Whether a C-STORE status or STOW-RS failure reason says that the peer has the object.

    Warnings (Bxxx) do. So does 'duplicate instance': our UIDs are given once.
    """
    return status == 0x0000 or status >> 12 == 0xB or status == _ALREADY_THERE


def is_hopeless(status: int) -> bool:
    """Whether another try cannot help. Archives answer Cxxx to all kinds of trouble: it may."""
    return status in _HOPELESS or status >> 8 == 0xA9


def raise_not_taken(peer: str, offered: int, left: Sequence[NotTaken]) -> None:
    """Raise a SendError where objects are `left`; permanent where all of them are."""
    if not left:
        return
    reasons = "; ".join(dict.fromkeys(one.why for one in left))
    raise SendError(
        f"{peer} did not take {len(left)} of {offered} objects: {reasons}",
        is_permanent=all(one.is_permanent for one in left),
    )
