"""Damaged conversations with the DICOM listener: it closes them, says nothing, and goes on."""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
import threading
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynetdicom import AE
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu import P_DATA_TF

from groundglass.server.audit import AuditLog
from groundglass.server.settings import ServeSettings
from groundglass.server.spool import Spool
from groundglass.server.store_scp import StoreScp

from .dicom_tools import Sockets

CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
SECONDS = 60.0


@pytest.fixture(scope="module")
def scp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreScp]:
    found = ServeSettings.model_validate(
        {
            "folder": tmp_path_factory.mktemp("fuzz") / "node",
            "dicom": {"port": 0},
            "limits": {"free_disk_mib": 1},
        }
    )
    spool = Spool(found.spool_folder, found.limits)
    made = StoreScp(found, spool, AuditLog.from_settings(found))
    yield made
    made.stop()


class Sound:
    """An association request, and a C-STORE request as it goes over the line."""

    def __init__(self, request: bytes, store: bytes) -> None:
        self.request = request
        self.store = store


@pytest.fixture(scope="module")
def sound(request_pdu: bytes, store_pdus: bytes) -> Sound:
    return Sound(request_pdu, store_pdus)


@pytest.fixture(scope="module")
def request_pdu() -> bytes:
    """What pynetdicom asks for an association with."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        got = bytearray()

        def listen() -> None:
            connection, _ = listening.accept()
            with connection:
                got.extend(connection.recv(65536))

        thread = threading.Thread(target=listen)
        thread.start()
        ae = AE(ae_title="FUZZ")
        ae.add_requested_context(CT, EXPLICIT)
        opened = Sockets()
        ae.associate(*listening.getsockname(), ae_title="GROUNDGLASS", evt_handlers=opened.handlers)
        thread.join()
        opened.close()
    return bytes(got)


@pytest.fixture(scope="module")
def store_pdus(chest_series: list[Path]) -> bytes:
    """A C-STORE request as it goes over the line."""
    dataset = pydicom.dcmread(chest_series[0], stop_before_pixels=True)
    request = C_STORE()
    request.MessageID, request.Priority = 1, 0
    request.AffectedSOPClassUID = CT
    request.AffectedSOPInstanceUID = dataset.SOPInstanceUID
    content = chest_series[0].read_bytes()
    start = 144 + struct.unpack_from("<I", content, 140)[0]
    request.DataSet = BytesIO(content[start:])
    message = C_STORE_RQ()
    message.primitive_to_message(request)
    out = b""
    for part in message.encode_msg(1, 4096):
        pdu = P_DATA_TF()
        pdu.from_primitive(part)
        out += pdu.encode()
    return out


def talk(scp: StoreScp, first: bytes, then: bytes = b"", *, patience: float = 0.1) -> bytes:
    """All that the listener answers; it must end the connection within `SECONDS` of our end.

    `patience`: seconds that an answer to `then` is waited for.
    """
    answer = bytearray()
    with socket.create_connection(("127.0.0.1", scp.port), timeout=SECONDS) as connection:
        try:
            connection.sendall(first)
            if then:
                answer += connection.recv(65536)
                connection.sendall(then)
                connection.settimeout(patience)
                with contextlib.suppress(TimeoutError):
                    answer += connection.recv(65536)
                connection.settimeout(SECONDS)
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                answer += chunk
        except TimeoutError:  # it keeps the connection: what must not be
            raise
        except OSError:  # it closed while we spoke
            pass
    return bytes(answer)


def damaged(data: bytes, marks: list[tuple[str, int, bytes]], reach: int) -> bytes:
    out = bytearray(data)
    for kind, at, extra in marks:
        at %= max(1, min(reach, len(out)))
        if kind == "flip" and out:
            out[at] ^= 1 << extra[0] % 8
        elif kind == "cut":
            del out[at:]
        elif kind == "put":
            out[at : at + len(extra)] = extra
        else:
            out[at:at] = extra
    return bytes(out)


MARKS = st.lists(
    st.tuples(
        st.sampled_from(["flip", "flip", "put", "cut", "insert"]),
        st.integers(0, 1 << 16),
        st.binary(min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=3,
)
FUZZ = settings(max_examples=15, deadline=None)


def assert_alive(scp: StoreScp, sound: Sound) -> None:
    """A sound conversation still ends with a C-STORE response of success."""
    answer = talk(scp, sound.request, sound.store, patience=SECONDS)
    assert answer[:1] == b"\x02"  # A-ASSOCIATE-AC
    status = struct.pack("<HHIH", 0x0000, 0x0900, 2, 0x0000)  # implicit little endian
    assert status in answer


def test_a_sound_conversation(scp: StoreScp, sound: Sound) -> None:
    assert_alive(scp, sound)


def test_damaged_requests(scp: StoreScp, sound: Sound) -> None:
    @FUZZ
    @given(marks=MARKS)
    def run(marks: list[tuple[str, int, bytes]]) -> None:
        talk(scp, damaged(sound.request, marks, 300))

    run()
    assert_alive(scp, sound)


def test_damaged_messages(scp: StoreScp, sound: Sound) -> None:
    @FUZZ
    @given(marks=MARKS)
    def run(marks: list[tuple[str, int, bytes]]) -> None:
        talk(scp, sound.request, damaged(sound.store, marks, 1500))

    run()
    assert_alive(scp, sound)


def test_many_requests_without_waiting(
    scp: StoreScp, sound: Sound, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A peer that does not wait for answers is cut off before its requests fill the memory."""
    receive = Spool.receive

    def slow(*args: Any, **more: Any) -> Any:
        time.sleep(0.2)
        return receive(*args, **more)

    monkeypatch.setattr(Spool, "receive", slow)
    with caplog.at_level(logging.WARNING):
        talk(scp, sound.request, sound.store * 50)
    assert "many requests without waiting" in caplog.text
