"""Results on their way by STOW-RS."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundglass.errors import SendError
from groundglass.server.deliver import deliver
from groundglass.server.peers import StowPeer
from groundglass.server.settings import ServeSettings

from . import receivers
from .dicom_tools import free_port
from .receivers import Web, listing, send, uids_of

archive = receivers.archive
web = receivers.web
settings = receivers.settings
files = receivers.files


def test_stow_sends_everything(web: Web, files: list[Path], settings: ServeSettings) -> None:
    assert send(files, StowPeer(kind="stow", url=web.url + "/"), settings) == uids_of(files)
    ((path, headers, parts),) = web.requests
    assert path == "/dicom-web/studies"
    assert headers["Accept"] == "application/dicom+json"
    assert headers["Content-Type"].startswith('multipart/related; type="application/dicom"; bound')
    assert "Authorization" not in headers
    assert parts == [file.read_bytes() for file in files]


def test_stow_token(web: Web, files: list[Path], settings: ServeSettings, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("abc.def\n")
    peer = StowPeer(kind="stow", url=web.url, token_file=token)
    send(files[:1], peer, settings)
    assert web.requests[0][1]["Authorization"] == "Bearer abc.def"
    for bad in ("", "two words", "a\nb"):
        token.write_text(bad)
        with pytest.raises(SendError, match="holds no token"):
            send(files[:1], peer, settings)
    token.unlink()
    with pytest.raises(SendError, match="cannot be read"):
        send(files[:1], peer, settings)


def test_stow_counts_only_what_the_reply_lists(
    web: Web, files: list[Path], settings: ServeSettings
) -> None:
    first, second, third, fourth = uids_of(files)
    web.answer = lambda uids: (202, listing([first], {second: 0xA700, third: None}))
    noted: list[str] = []
    with pytest.raises(SendError, match=r"3 of 4 objects: reason 0xA700; .*; its reply") as caught:
        deliver(
            files,
            StowPeer(kind="stow", url=web.url),
            settings=settings,
            sent=frozenset(),
            note_sent=noted.append,
        )
    assert (noted, caught.value.is_permanent) == ([first], False)
    web.answer = lambda uids: (200, listing(uids))
    again = send(files, StowPeer(kind="stow", url=web.url), settings, *noted)
    assert again == [second, third, fourth]
    assert len(web.requests[-1][2]) == 3


def test_stow_that_has_them_already(web: Web, files: list[Path], settings: ServeSettings) -> None:
    web.answer = lambda uids: (409, listing([], dict.fromkeys(uids, 0x0111)))
    assert send(files, StowPeer(kind="stow", url=web.url), settings) == uids_of(files)


@pytest.mark.parametrize(
    ("status", "body", "is_permanent"),
    [
        (200, b"", False),
        (200, b"<NativeDicomModel/>", False),
        (200, b"[" * 20_000, False),
        (200, b'{"00081199": 3}', False),
        (200, b'{"00081199": {"Value": [{}]}}', False),
        (400, b"", True),
        (401, b"", True),
        (404, b"", True),
        (413, b"", True),
        (429, b"", False),
        (302, b"", True),
        (500, b"", False),
        (503, b"", False),
    ],
)
def test_stow_answers_that_are_no_success(
    web: Web,
    files: list[Path],
    settings: ServeSettings,
    status: int,
    body: bytes,
    is_permanent: bool,
) -> None:
    web.answer = lambda uids: (status, body)
    with pytest.raises(SendError, match=r"127\.0\.0\.1") as caught:
        send(files[:1], StowPeer(kind="stow", url=web.url), settings)
    assert caught.value.is_permanent == is_permanent


@pytest.mark.parametrize(("value", "seconds"), [("90", 90), ("soon", 0), (None, 0)])
def test_stow_says_when_to_come_again(
    web: Web, files: list[Path], settings: ServeSettings, value: str | None, seconds: float
) -> None:
    web.answer = lambda uids: (503, b"")
    web.headers = {} if value is None else {"Retry-After": value}
    with pytest.raises(SendError) as caught:
        send(files[:1], StowPeer(kind="stow", url=web.url), settings)
    assert caught.value.wait_seconds == seconds


def test_no_password_in_errors(files: list[Path], settings: ServeSettings) -> None:
    peer = StowPeer(kind="stow", url=f"http://user:hunter2@127.0.0.1:{free_port()}/x")
    with pytest.raises(SendError) as caught:
        send(files[:1], peer, settings)
    assert "hunter2" not in str(caught.value)
