"""The DICOM listener: what it keeps, what it answers, what it says."""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
import time
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pynetdicom.dimse_primitives import C_STORE

from groundglass.phantom.chest import Phantom
from groundglass.phantom.dicom_objects import DicomForm
from groundglass.server import store_scp
from groundglass.server.settings import Limits
from groundglass.server.spooled_study import Origin

from . import listener
from .listener import CT, Start, associate, data_set_of, store

start = listener.start


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
        socket.create_connection(("127.0.0.1", node.scp.port), timeout=60) as connection,
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
    with socket.create_connection(("127.0.0.1", node.scp.port), timeout=60) as connection:
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


def test_garbage_is_not_read_on(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    node = start()
    with (
        socket.create_connection(("127.0.0.1", node.scp.port), timeout=60) as connection,
        contextlib.suppress(ConnectionError),  # closed while we speak
    ):
        connection.sendall(b"\x00" * 60_000)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    told = [record for record in caplog.records if "Unknown PDU type" in record.getMessage()]
    assert 1 <= len(told) < 10  # and not one for every six bytes
