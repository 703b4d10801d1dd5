"""Objects to a peer by STOW-RS (PS3.18 section 10.5)."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx

from groundglass.errors import SendError, SettingsError
from groundglass.server.outgoing import (
    NotTaken,
    Outgoing,
    is_hopeless,
    is_taken,
    raise_not_taken,
)
from groundglass.server.peers import StowPeer
from groundglass.server.retry_after import retry_after
from groundglass.server.tls import peer_context

_CHUNK_BYTES = 1 << 20
_REPLY_BYTES = 16 << 20
_WITH_AN_ANSWER = (200, 202, 409)
"""All, some or none of the objects were taken, and the body says which."""
_LATER = frozenset((408, 423, 425, 429))
_REFERENCED, _FAILED = "00081199", "00081198"
_SOP_UID, _REASON = "00081155", "00081197"


def send_by_stow(
    objects: Sequence[Outgoing],
    peer: StowPeer,
    *,
    seconds: float,
    note_sent: Callable[[str], None],
) -> None:
    """Offer all objects in one request, read from disk while they are sent.

    An object counts as taken where the reply lists it, whatever the status code says.
    `seconds`: how long the peer may be silent. Raises: SendError; what `note_sent` raises.
    """
    name = f"the STOW-RS service at {urlsplit(peer.url).hostname}"  # the URL may hold a password
    status, body, wait = _post(objects, peer, seconds, name)
    if status not in _WITH_AN_ANSWER:
        raise SendError(
            f"{name} answered {status}",
            expected="200, 202 or 409 with what was stored",
            remedy="Check url and token of the peer" if status < 500 else "",
            is_permanent=status < 500 and status not in _LATER,
            wait_seconds=wait,
        )
    taken, reasons = _read_reply(body, name)
    left = []
    for one in objects:
        reason = reasons.get(one.sop_uid)
        if one.sop_uid in taken or (reason is not None and is_taken(reason)):
            note_sent(one.sop_uid)
        elif reason is None:
            left.append(NotTaken(one.sop_uid, "its reply does not list them", False))
        else:
            left.append(NotTaken(one.sop_uid, f"reason 0x{reason:04X}", is_hopeless(reason)))
    raise_not_taken(name, len(objects), left)


def _post(
    objects: Sequence[Outgoing], peer: StowPeer, seconds: float, name: str
) -> tuple[int, bytes, float]:
    """Status, body and Retry-After of the reply, in seconds. Raises: SendError."""
    boundary = secrets.token_hex(16)
    try:
        verify = peer_context(peer.ca) if peer.url.startswith("https:") else True
    except SettingsError as error:
        raise SendError(str(error), is_permanent=True) from error
    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
        "Content-Length": str(_body_bytes(objects, boundary)),
        "Accept": "application/dicom+json",
        **_authorization(peer),
    }
    url = peer.url.rstrip("/") + "/studies"
    try:
        # trust_env: no proxy, password file or authority but those of the settings
        with (
            httpx.Client(verify=verify, timeout=seconds, trust_env=False) as client,
            client.stream("POST", url, content=_body(objects, boundary), headers=headers) as reply,
        ):
            wait = retry_after(reply.headers.get("Retry-After", ""), time.time())
            return reply.status_code, _bounded(reply, name), wait
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        what = type(error).__name__
        raise SendError(f"{name} cannot be reached, or broke off ({what})") from error
    except OSError as error:
        raise SendError(f"a result file cannot be read ({error.strerror})") from error


def _bounded(reply: httpx.Response, name: str) -> bytes:
    out = bytearray()
    for chunk in reply.iter_bytes():
        out += chunk
        if len(out) > _REPLY_BYTES:
            raise SendError(f"{name} answers with more than {_REPLY_BYTES} bytes")
    return bytes(out)


def _part_head(boundary: str) -> bytes:
    return f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()


def _body(objects: Sequence[Outgoing], boundary: str) -> Iterator[bytes]:
    for one in objects:
        yield _part_head(boundary)
        with one.path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _body_bytes(objects: Sequence[Outgoing], boundary: str) -> int:
    """Its length is said ahead: some servers take no body in chunks."""
    around = len(_part_head(boundary)) + 2
    return sum(one.path.stat().st_size + around for one in objects) + len(boundary) + 6


def _authorization(peer: StowPeer) -> dict[str, str]:
    """The bearer token, read anew for each request so that it can be changed in place."""
    if peer.token_file is None:
        return {}
    try:
        token = peer.token_file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise SendError(
            f"token file {peer.token_file} cannot be read ({type(error).__name__})",
            expected="one line with a bearer token",
        ) from error
    if not token or not token.isprintable() or " " in token:
        raise SendError(
            f"token file {peer.token_file} holds no token", expected="one line with a bearer token"
        )
    return {"Authorization": f"Bearer {token}"}


def _read_reply(body: bytes, name: str) -> tuple[set[str], dict[str, int]]:
    """UIDs of the objects taken, and the reasons for those that were not. Raises: SendError."""
    try:
        reply = json.loads(body)
        taken = {_value(item, _SOP_UID) for item in _items(reply, _REFERENCED)}
        failed = {_value(item, _SOP_UID): _reason(item) for item in _items(reply, _FAILED)}
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise SendError(
            f"{name} answered with something that cannot be read ({type(error).__name__})",
            expected="DICOM JSON with ReferencedSOPSequence",
        ) from error
    return taken, failed


def _items(reply: Any, tag: str) -> list[Any]:
    if isinstance(reply, list):  # some servers wrap the data set
        reply = reply[0] if reply else {}
    return reply.get(tag, {}).get("Value", [])


def _value(item: Any, tag: str) -> Any:
    return item[tag]["Value"][0]


def _reason(item: Any) -> int:
    """Why an object was not taken; 'processing failure' where the peer does not say."""
    return int(_value(item, _REASON)) if _REASON in item else 0x0110
