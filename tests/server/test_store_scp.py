"""The DICOM listener, with our own library, raw bytes and DCMTK on the other side."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE

from groundglass.errors import SettingsError
from groundglass.phantom.chest import Phantom
from groundglass.phantom.dicom_objects import DicomForm
from groundglass.phantom.dicom_writer import DicomOptions, write_dicom_series
from groundglass.server import store_scp
from groundglass.server.audit import AuditLog
from groundglass.server.settings import Limits, ServeSettings
from groundglass.server.spool import Spool
from groundglass.server.spooled_study import Origin

from .dicom_tools import Sockets, dcmtk, left_open, make_certificates, storescu

CT = "1.2.840.10008.5.1.4.1.1.2"
Start = Callable[..., "Node"]


class Node:
    """A listener with its spool."""

    def __init__(self, settings: ServeSettings) -> None:
        self.settings = settings
        self.spool = Spool(settings.spool_folder, settings.limits)
        self.scp = store_scp.StoreScp(settings, self.spool, AuditLog.from_settings(settings))
        self.clients = Sockets()

    def kept(self) -> dict[str, bytes]:
        """The data set of each object in the spool by its UID, without the file header."""
        files = self.settings.spool_folder.glob("studies/*/*/*.dcm")
        return {path.stem: data_set_of(path.read_bytes()) for path in files}

    def audit(self, lines: int) -> list[dict[str, Any]]:
        """The audit once it has so many lines: the last is written when the connection closes."""
        for _ in range(100):
            path = self.settings.audit_file
            found = path.read_text().splitlines() if path.exists() else []
            if len(found) >= lines:
                return [json.loads(line) for line in found]
            time.sleep(0.05)
        raise AssertionError(f"only {len(found)} audit lines")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    nodes: list[Node] = []

    def one(limits: Limits | None = None, **dicom: Any) -> Node:
        limits = limits or Limits(free_disk_mib=1)
        settings = ServeSettings.model_validate(
            {"folder": tmp_path / "node", "dicom": {"port": 0, **dicom}, "limits": limits}
        )
        nodes.append(Node(settings))
        return nodes[-1]

    yield one
    for node in nodes:
        node.scp.stop()
        node.clients.close()


def data_set_of(part_10: bytes) -> bytes:
    length = struct.unpack_from("<I", part_10, 140)[0]
    return part_10[144 + length :]


def associate(node: Node, syntax: str = "1.2.840.10008.1.2.1", **more: Any) -> Association:
    ae = AE(ae_title=more.pop("title", "SCANNER"))
    ae.add_requested_context(CT, syntax)
    ae.add_requested_context("1.2.840.10008.1.1")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 10
    called = more.pop("called", "GROUNDGLASS")
    handlers = node.clients.handlers
    return ae.associate("127.0.0.1", node.scp.port, ae_title=called, evt_handlers=handlers, **more)


def store(node: Node, *datasets: Dataset) -> list[Dataset]:
    association = associate(node, datasets[0].file_meta.TransferSyntaxUID)
    assert association.is_established
    answers = [association.send_c_store(dataset) for dataset in datasets]
    association.release()
    return answers


def test_keeps_what_came_byte_for_byte(start: Start, chest_series: list[Path]) -> None:
    node = start()
    answers = store(node, *[pydicom.dcmread(path) for path in chest_series])
    assert {answer.Status for answer in answers} == {0x0000}
    sent = [path.read_bytes() for path in chest_series]
    assert sorted(node.kept().values()) == sorted(map(data_set_of, sent))
    (study,) = node.spool.studies()
    assert set(study.origins.values()) == {Origin("dicom", "127.0.0.1", "SCANNER")}


def test_answers_echo(start: Start) -> None:
    association = associate(start())
    assert association.send_c_echo().Status == 0x0000
    association.release()


def test_the_same_again_changes_nothing(start: Start, chest_series: list[Path]) -> None:
    node = start()
    dataset = pydicom.dcmread(chest_series[0])
    assert [a.Status for a in store(node, dataset, dataset)] == [0x0000, 0x0000]
    kept = node.kept()
    dataset.SeriesDescription = "CHANGED"
    (answer,) = store(node, dataset)
    assert answer.Status == 0xC000
    assert answer.ErrorComment.startswith("object came with other content")
    assert node.kept() == kept
    (line,) = node.audit(1)
    said = {key: line[key] for key in ("event", "objects", "why", "sender", "address")}
    assert said == {
        "event": "refused",
        "objects": 1,
        "why": "ConflictError",
        "sender": "SCANNER",
        "address": "127.0.0.1",
    }


def test_says_what_is_wrong_and_goes_on(
    start: Start, chest_series: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    node = start()
    good = pydicom.dcmread(chest_series[0])
    nameless = pydicom.dcmread(chest_series[1])
    del nameless.StudyInstanceUID
    with caplog.at_level(logging.DEBUG):
        answers = store(node, nameless, good)
        refused = node.audit(1)
    assert [answer.Status for answer in answers] == [0xC000, 0x0000]
    assert answers[0].ErrorComment == "The DICOM object has no StudyInstanceUID"
    assert list(node.kept()) == [good.SOPInstanceUID]
    assert [line["why"] for line in refused] == ["BadObjectError"]
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("groundglass")]
    assert any("1 objects, 1 new, from SCANNER" in message for message in ours)
    assert any("no StudyInstanceUID" in message for message in ours)


def test_no_log_names_the_patient(
    start: Start, small_chest: Phantom, caplog: pytest.LogCaptureFixture
) -> None:
    node = start()
    dataset = DicomForm(small_chest).slice_object(0, "main", 1)
    dataset.PatientName, dataset.PatientID = "SECRET^NAME", "SECRET-ID"
    broken = DicomForm(small_chest).slice_object(1, "main", 2)
    broken.PatientName = "SECRET^NAME"
    broken.SeriesInstanceUID = "1"
    with caplog.at_level(logging.DEBUG):
        store(node, dataset, broken)
        node.audit(1)
    assert "SECRET" not in caplog.text
    assert "SECRET" not in node.settings.audit_file.read_text()


def test_an_object_other_than_announced(start: Start, chest_series: list[Path]) -> None:
    node = start()
    dataset = pydicom.dcmread(chest_series[0])
    association = associate(node)
    request = C_STORE()
    request.MessageID, request.Priority = 1, 0
    request.AffectedSOPClassUID = CT
    request.AffectedSOPInstanceUID = "1.2.3.4"
    request.DataSet = BytesIO(data_set_of(chest_series[0].read_bytes()))
    association._reactor_checkpoint.clear()
    context = next(c for c in association.accepted_contexts if c.abstract_syntax == CT)
    association.dimse.send_msg(request, context.context_id)
    _, answer = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    association.release()
    assert answer.Status == 0xA900
    assert dataset.SOPInstanceUID not in node.kept()


def test_no_room_is_out_of_resources(start: Start, chest_series: list[Path]) -> None:
    node = start(limits=Limits(free_disk_mib=1 << 40))
    (answer,) = store(node, pydicom.dcmread(chest_series[0]))
    assert answer.Status == 0xA700
    assert node.kept() == {}


def test_an_endless_object_is_cut_off(start: Start, chest_series: list[Path]) -> None:
    node = start(limits=Limits(max_object_mib=1, free_disk_mib=1))
    dataset = pydicom.dcmread(chest_series[0])
    dataset.PixelData = bytes(4 << 20)
    association = associate(node)
    answer = association.send_c_store(dataset)
    assert "Status" not in answer
    for _ in range(100):
        if association.is_aborted:
            break
        time.sleep(0.05)
    assert association.is_aborted
    assert node.kept() == {}


@pytest.mark.parametrize(
    ("allowed", "title", "is_let_in"),
    [
        ([], "ANYONE", True),
        ([{"ae_title": "SCANNER"}], "SCANNER", True),
        ([{"ae_title": "SCANNER"}], "OTHER", False),
        ([{"ae_title": "SCANNER", "address": "127.0.0.1"}], "SCANNER", True),
        ([{"ae_title": "SCANNER", "address": "127.0.0.9"}], "SCANNER", False),
        ([{"ae_title": "A"}, {"ae_title": "B", "address": "127.0.0.9"}], "B", False),
        ([{"ae_title": "A"}, {"ae_title": "B", "address": "127.0.0.9"}], "A", True),
    ],
)
def test_only_allowed_senders(
    start: Start, allowed: list[dict[str, str]], title: str, is_let_in: bool
) -> None:
    node = start(allowed=allowed)
    association = associate(node, title=title)
    assert association.is_established == is_let_in
    if is_let_in:
        association.release()


@pytest.mark.parametrize(("check", "is_let_in"), [(True, False), (False, True)])
def test_called_ae_title(start: Start, check: bool, is_let_in: bool) -> None:
    association = associate(start(check_called_ae_title=check), called="ANOTHER")
    assert association.is_established == is_let_in
    assert association.is_rejected != is_let_in
    if is_let_in:
        association.release()


def test_number_of_associations(start: Start) -> None:
    node = start(max_associations=2)
    first, second = associate(node), associate(node)
    third = associate(node)
    assert (first.is_established, second.is_established) == (True, True)
    assert third.is_rejected
    first.release()
    time.sleep(0.3)
    fourth = associate(node)
    assert fourth.is_established
    for association in (second, fourth):
        association.release()


def test_port_checks_take_no_place(start: Start) -> None:
    """Monitoring connects and leaves; silence and such visits are no associations."""
    node = start(max_associations=1)
    began = time.monotonic()
    for _ in range(3):
        socket.create_connection(("127.0.0.1", node.scp.port), timeout=5).close()
    while node.scp.connections() and time.monotonic() < began + 8:
        time.sleep(0.05)
    assert node.scp.connections() == 0  # long before a request would have been due
    with socket.create_connection(("127.0.0.1", node.scp.port), timeout=5):
        association = associate(node)
        assert association.send_c_echo().Status == 0x0000
        association.release()


def test_number_of_connections_that_say_nothing(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_scp, "SPARE_CONNECTIONS", 1)
    node = start(max_associations=1)
    silent = [socket.create_connection(("127.0.0.1", node.scp.port)) for _ in range(2)]
    time.sleep(0.3)
    with socket.create_connection(("127.0.0.1", node.scp.port), timeout=5) as one_more:
        assert one_more.recv(1) == b""
    for connection in silent:
        connection.close()


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n" * 10,
        b"\x01\x00" + struct.pack(">I", 0xFFFFFFFF) + b"x" * 100,
        b"\x04\x00" + struct.pack(">I", 4) + b"\0\0\0\x02",
        b"\x01\x00" + struct.pack(">I", 68) + b"\xff" * 68,
        b"",
    ],
)
def test_nonsense_closes_the_connection_only(start: Start, data: bytes) -> None:
    node = start()
    with (
        socket.create_connection(("127.0.0.1", node.scp.port), timeout=5) as connection,
        contextlib.suppress(ConnectionError),  # closed with our bytes unread
    ):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass
    association = associate(node)
    assert association.send_c_echo().Status == 0x0000
    association.release()


def test_a_slow_peer_is_closed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_scp, "_QUIET_SECONDS", 0.4)
    node = start()
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", node.scp.port), timeout=5) as connection:
        connection.sendall(b"\x01\x00" + struct.pack(">I", 200))
        for _ in range(40):
            try:
                connection.sendall(b"x")
                connection.settimeout(0.1)
                if connection.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    assert time.monotonic() - began < 3


@left_open
def test_silence_in_tls_blocks_nobody(start: Start, tmp_path: Path) -> None:
    made = make_certificates(tmp_path / "tls")
    node = start(tls={"certificate": made.certificate, "key": made.key})
    client = ssl.create_default_context(cafile=str(made.ca))
    with socket.create_connection(("127.0.0.1", node.scp.port)):
        association = associate(node, tls_args=(client, "localhost"))
        assert association.send_c_echo().Status == 0x0000
        association.release()
    plain = associate(node)
    assert not plain.is_established


@left_open
def test_tls_asks_for_a_certificate(start: Start, chest_series: list[Path], tmp_path: Path) -> None:
    made = make_certificates(tmp_path / "tls")
    tls = {"certificate": made.certificate, "key": made.key, "ca": made.ca}
    node = start(tls=tls)
    client = ssl.create_default_context(cafile=str(made.ca))
    assert not associate(node, tls_args=(client, "localhost")).is_established
    options = ["+tls", str(made.key), str(made.certificate), "+cf", str(made.ca)]
    done = storescu(node.scp.port, chest_series[:2], *options)
    assert done.returncode == 0, done.stderr
    assert len(node.kept()) == 2


def test_a_taken_port_is_an_error(start: Start, tmp_path: Path) -> None:
    node = start()
    with pytest.raises(SettingsError, match=str(node.scp.port)):
        start(port=node.scp.port)
    missing = {"certificate": tmp_path / "no.pem", "key": tmp_path / "no.key"}
    with pytest.raises(SettingsError, match=r"no\.pem"):
        start(tls=missing)


def test_stop_lets_an_open_association_end(
    start: Start, chest_series: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = start()
    association = associate(node)
    monkeypatch.setattr(store_scp, "_DRAIN_SECONDS", 0.5)
    assert association.send_c_store(pydicom.dcmread(chest_series[0])).Status == 0
    node.scp.stop()
    time.sleep(0.2)
    assert not association.is_established
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", node.scp.port), timeout=2)


@pytest.mark.parametrize("option", ["-xe", "-xi", "-xb"])
def test_dcmtk_sends_uncompressed(start: Start, chest_series: list[Path], option: str) -> None:
    node = start()
    done = storescu(node.scp.port, chest_series[:3], option)
    assert done.returncode == 0, done.stderr
    assert len(node.kept()) == 3


@pytest.mark.parametrize(
    ("form", "option"), [("rle", "-xr"), ("jpegls", "-xt"), ("jpeg2000", "-xv"), ("jpeg", "-xs")]
)
def test_dcmtk_sends_compressed(
    start: Start, small_chest: Phantom, tmp_path: Path, form: str, option: str
) -> None:
    """JPEG Lossless is made by DCMTK itself; what is kept has the pixels that were sent."""
    written = DicomOptions(transfer_syntax="explicit" if form == "jpeg" else form)
    files = write_dicom_series(small_chest, tmp_path / "d", written)[:2]
    if form == "jpeg":
        for path in files:
            command = [dcmtk("dcmcjpeg"), "+e1", str(path), str(path)]
            subprocess.run(command, check=True, capture_output=True)
    node = start()
    done = storescu(node.scp.port, files, option)
    assert done.returncode == 0, done.stderr
    kept = list(node.settings.spool_folder.glob("studies/*/*/*.dcm"))
    assert len(kept) == 2
    for path in files:
        sent = pydicom.dcmread(path)
        ours = pydicom.dcmread(next(k for k in kept if k.stem == sent.SOPInstanceUID))
        assert ours.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID
        assert sent.file_meta.TransferSyntaxUID.is_compressed
        assert (ours.pixel_array == sent.pixel_array).all()
