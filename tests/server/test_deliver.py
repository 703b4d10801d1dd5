"""Results on their way to peers: by C-STORE to pynetdicom, by STOW-RS to a server made here."""

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

from groundglass.errors import LeaseLostError, SendError
from groundglass.phantom.chest import Phantom
from groundglass.phantom.dicom_writer import DicomOptions, write_dicom_series
from groundglass.server.association_server import BoundedServer
from groundglass.server.deliver import deliver
from groundglass.server.peers import DicomPeer, StowPeer
from groundglass.server.settings import ServeSettings

from .dicom_tools import free_port, left_open, make_certificates

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


def test_store_sends_everything(
    archive: Archive, files: list[Path], settings: ServeSettings
) -> None:
    assert send(files, pacs(archive), settings) == uids_of(files)
    assert [uid for uid, _ in archive.got] == uids_of(files)
    assert set(archive.callers) == {"GROUNDGLASS"}
    archive.callers.clear()
    send(files[:1], pacs(archive, calling_ae_title="NODE7"), settings)
    assert archive.callers == ["NODE7"]


def test_store_keeps_each_transfer_syntax(
    archive: Archive,
    small_chest: Phantom,
    files: list[Path],
    settings: ServeSettings,
    tmp_path: Path,
) -> None:
    rle = write_dicom_series(small_chest, tmp_path / "rle", DicomOptions(transfer_syntax="rle"))
    send([files[0], rle[1]], pacs(archive), settings)
    assert [syntax for _, syntax in archive.got] == ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"]


def test_store_to_a_peer_that_knows_the_default_syntax_only(
    small_chest: Phantom, files: list[Path], settings: ServeSettings, tmp_path: Path
) -> None:
    archive = Archive(syntaxes=["1.2.840.10008.1.2"])
    rle = write_dicom_series(small_chest, tmp_path / "rle", DicomOptions(transfer_syntax="rle"))
    try:
        noted: list[str] = []
        with pytest.raises(SendError, match=r"1 of 2 objects.*RLE Lossless") as caught:
            deliver(
                [files[0], rle[1]],
                pacs(archive),
                settings=settings,
                sent=frozenset(),
                note_sent=noted.append,
            )
    finally:
        archive.server.shutdown()
    assert caught.value.is_permanent
    assert noted == uids_of(files[:1])
    assert archive.got == [(noted[0], "1.2.840.10008.1.2")]


def test_only_what_is_missing_is_sent_again(
    archive: Archive, files: list[Path], settings: ServeSettings
) -> None:
    first, second, third, fourth = uids_of(files)
    archive.answers = [0x0000, 0xA700, 0x0000, 0xC000]
    noted: list[str] = []
    with pytest.raises(SendError, match=r"2 of 4 objects: status 0xA700; status 0xC000") as caught:
        deliver(files, pacs(archive), settings=settings, sent=frozenset(), note_sent=noted.append)
    assert noted == [first, third]
    assert not caught.value.is_permanent
    archive.got.clear()
    assert send(files, pacs(archive), settings, *noted) == [second, fourth]
    assert [uid for uid, _ in archive.got] == [second, fourth]
    archive.callers.clear()
    assert send(files, pacs(archive), settings, *uids_of(files)) == []
    assert archive.callers == []


@pytest.mark.parametrize(
    ("status", "is_taken", "is_permanent"),
    [
        (0xB000, True, None),
        (0xB007, True, None),
        (0x0111, True, None),
        (0xA700, False, False),
        (0xA900, False, True),
        (0xC000, False, False),
        (0x0110, False, False),
        (0x0122, False, True),
        (0x0124, False, True),
    ],
)
def test_what_a_status_means(
    archive: Archive,
    files: list[Path],
    settings: ServeSettings,
    status: int,
    is_taken: bool,
    is_permanent: bool | None,
) -> None:
    archive.answers = [status]
    if is_taken:
        assert send(files[:1], pacs(archive), settings) == uids_of(files[:1])
    else:
        with pytest.raises(SendError, match=f"0x{status:04X}") as caught:
            send(files[:1], pacs(archive), settings)
        assert caught.value.is_permanent == is_permanent


def test_the_peers_comment_is_passed_on(
    archive: Archive, files: list[Path], settings: ServeSettings
) -> None:
    answer = Dataset()
    answer.Status, answer.ErrorComment = 0xA700, "disk full"
    archive.answers = [answer]
    with pytest.raises(SendError, match=r"status 0xA700 \(disk full\)"):
        send(files[:1], pacs(archive), settings)


@left_open
def test_a_peer_that_is_not_there(files: list[Path], settings: ServeSettings) -> None:
    port = free_port()
    for peer in (
        DicomPeer(kind="dicom", ae_title="PACS", host="127.0.0.1", port=port),
        StowPeer(kind="stow", url=f"http://127.0.0.1:{port}"),
    ):
        with pytest.raises(SendError, match="cannot be reached") as caught:
            send(files, peer, settings)
        assert not caught.value.is_permanent


def test_a_peer_that_does_not_know_us(
    archive: Archive, files: list[Path], settings: ServeSettings
) -> None:
    peer = pacs(archive).model_copy(update={"ae_title": "WRONG"})
    with pytest.raises(SendError, match="rejected the association") as caught:
        send(files, peer, settings)
    assert caught.value.is_permanent


def test_a_lost_lease_ends_the_sending(
    archive: Archive, files: list[Path], settings: ServeSettings
) -> None:
    def lost(sop_uid: str) -> None:
        raise LeaseLostError("the lease is lost")

    with pytest.raises(LeaseLostError):
        deliver(files, pacs(archive), settings=settings, sent=frozenset(), note_sent=lost)
    assert len(archive.got) == 1


def test_a_result_file_that_is_gone(
    archive: Archive, settings: ServeSettings, tmp_path: Path
) -> None:
    (tmp_path / "text.dcm").write_text("no DICOM")
    for name in ("gone.dcm", "text.dcm"):
        with pytest.raises(SendError, match=name) as caught:
            send([tmp_path / name], pacs(archive), settings)
        assert caught.value.is_permanent


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


def test_no_password_in_errors(files: list[Path], settings: ServeSettings) -> None:
    peer = StowPeer(kind="stow", url=f"http://user:hunter2@127.0.0.1:{free_port()}/x")
    with pytest.raises(SendError) as caught:
        send(files[:1], peer, settings)
    assert "hunter2" not in str(caught.value)


@left_open
def test_tls_peers(files: list[Path], settings: ServeSettings, tmp_path: Path) -> None:
    """The node's own listener, with TLS that asks for a certificate, is the archive here."""
    from groundglass.server.audit import AuditLog
    from groundglass.server.spool import Spool
    from groundglass.server.store_scp import StoreScp

    made = make_certificates(tmp_path / "tls")
    own = {"certificate": made.certificate, "key": made.key}
    theirs = ServeSettings.model_validate(
        {
            "folder": tmp_path / "theirs",
            "dicom": {"port": 0, "tls": {**own, "ca": made.ca}},
            "limits": {"free_disk_mib": 1},
        }
    )
    spool = Spool(theirs.spool_folder, theirs.limits)
    scp = StoreScp(theirs, spool, AuditLog.from_settings(theirs))
    base = {"kind": "dicom", "ae_title": "GROUNDGLASS", "host": "localhost", "port": scp.port}
    try:
        good = DicomPeer.model_validate({**base, "tls": {"ca": made.ca, "own": own}})
        assert send(files, good, settings) == uids_of(files)
        for tls in ({"own": own}, {"ca": made.ca}, None):  # unknown authority, no certificate, none
            with pytest.raises(SendError) as caught:
                send(files, DicomPeer.model_validate({**base, "tls": tls}), settings)
            assert not caught.value.is_permanent
        lost = {"ca": tmp_path / "gone.pem"}
        with pytest.raises(SendError, match=r"gone\.pem"):
            send(files, DicomPeer.model_validate({**base, "tls": lost}), settings)
    finally:
        scp.stop()
    (study,) = spool.studies()
    assert study.instances == 4
