"""What results are sent to in tests: an archive by C-STORE, a service by STOW-RS."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, evt

from groundglass.server.association_server import BoundedServer
from groundglass.server.deliver import deliver
from groundglass.server.peers import DicomPeer, StowPeer
from groundglass.server.settings import ServeSettings

CT = "1.2.840.10008.5.1.4.1.1.2"


class Archive:
    """A C-STORE receiver that answers what it is told to, 0x0000 where it is told nothing."""

    def __init__(self, syntaxes: list[Any] | None = None, title: str = "PACS") -> None:
        self.answers: list[int | Dataset] = []
        self.got: list[tuple[str, str]] = []
        self.callers: list[str] = []
        ae = AE(ae_title=title)
        ae.require_called_aet = True
        ae.add_supported_context(CT, syntaxes or [*ALL_TRANSFER_SYNTAXES])
        self.server = ae.make_server(
            ("127.0.0.1", 0),
            evt_handlers=[(evt.EVT_C_STORE, self._store)],
            server_class=BoundedServer,
            tls=None,
            addresses=frozenset(),
            seconds=5.0,
        )
        self.port = int(self.server.server_address[1])
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def _store(self, event: evt.Event) -> int | Dataset:
        answer = self.answers.pop(0) if self.answers else 0x0000
        self.callers.append(event.assoc.requestor.ae_title)
        if answer == 0x0000:
            self.got.append((event.dataset.SOPInstanceUID, event.context.transfer_syntax))
        return answer


@pytest.fixture
def archive() -> Iterator[Archive]:
    made = Archive()
    yield made
    made.server.shutdown()


class Web(ThreadingHTTPServer):
    """A STOW-RS service that keeps requests and answers with `answer(uids)`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _WebHandler)
        self.requests: list[tuple[str, dict[str, str], list[bytes]]] = []
        self.answer: Callable[[list[str]], tuple[int, bytes]] = lambda uids: (200, listing(uids))
        self.headers: dict[str, str] = {}
        self.url = f"http://127.0.0.1:{self.server_address[1]}/dicom-web"


class _WebHandler(BaseHTTPRequestHandler):
    server: Web

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        boundary = self.headers["Content-Type"].split("boundary=")[1].encode()
        first, *parts, last = body.split(b"--" + boundary)
        assert (first, last) == (b"", b"--\r\n")
        files = []
        for part in parts:
            head, content = part.split(b"\r\n\r\n", 1)
            assert head == b"\r\nContent-Type: application/dicom"
            files.append(content.removesuffix(b"\r\n"))
        self.server.requests.append((self.path, dict(self.headers), files))
        uids = [pydicom.dcmread(BytesIO(content)).SOPInstanceUID for content in files]
        status, answer = self.server.answer(uids)
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def listing(taken: list[str], failed: dict[str, int | None] | None = None) -> bytes:
    """A STOW-RS reply."""
    uid = "00081155"
    items = [{uid: {"vr": "UI", "Value": [one]}} for one in taken]
    bad: list[dict[str, Any]] = []
    for one, reason in (failed or {}).items():
        bad.append({uid: {"vr": "UI", "Value": [one]}})
        if reason is not None:
            bad[-1]["00081197"] = {"vr": "US", "Value": [reason]}
    out: dict[str, Any] = {"00081199": {"vr": "SQ", "Value": items}}
    if bad:
        out["00081198"] = {"vr": "SQ", "Value": bad}
    return json.dumps(out).encode()


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def settings(tmp_path: Path) -> ServeSettings:
    return ServeSettings.model_validate(
        {"folder": tmp_path / "node", "send": {"timeout_seconds": 5}}
    )


@pytest.fixture
def files(chest_series: list[Path]) -> list[Path]:
    return chest_series[:4]


def uids_of(files: list[Path]) -> list[str]:
    return [str(pydicom.dcmread(path).SOPInstanceUID) for path in files]


def send(
    files: list[Path], peer: DicomPeer | StowPeer, settings: ServeSettings, *sent: str
) -> list[str]:
    """What the peer is noted to have taken."""
    noted: list[str] = []
    deliver(files, peer, settings=settings, sent=frozenset(sent), note_sent=noted.append)
    return noted


def pacs(archive: Archive, **more: Any) -> DicomPeer:
    return DicomPeer(kind="dicom", ae_title="PACS", host="127.0.0.1", port=archive.port, **more)
