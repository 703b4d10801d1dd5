"""The listener itself: started and stopped, with slow, endless and broken senders."""

from __future__ import annotations

import contextlib
import io
import socket
import time
import tracemalloc
from collections.abc import Callable, Iterator

import httpx
import pydicom
import pytest

from groundglass.errors import SettingsError
from groundglass.server.http import body
from groundglass.server.http.connection import DeadlineH11Protocol
from groundglass.server.http.run import HttpServer

from .conftest import StartNode, related, server_url


def connect(server: HttpServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def test_start_and_stop(start_node: StartNode, objects: list[bytes]) -> None:
    _, server = start_node()
    answer = httpx.get(server_url(server, "/health"))
    assert answer.json() == {"status": "live"}
    assert "server" not in answer.headers
    server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(server_url(server, "/health"))
    server.stop()  # twice is fine


def test_a_port_that_is_taken_is_an_error_and_not_the_end(start_node: StartNode) -> None:
    _, server = start_node()
    with pytest.raises(SettingsError, match=rf"127.0.0.1:{server.port} .*; expected .* free port"):
        start_node(http={"port": server.port})
    assert httpx.get(server_url(server, "/health")).status_code == 200


def test_stow_over_a_socket_in_odd_pieces(start_node: StartNode, objects: list[bytes]) -> None:
    node, server = start_node()
    data, kind = related(objects)

    def pieces() -> Iterator[bytes]:
        for begin in range(0, len(data), 7919):
            yield data[begin : begin + 7919]

    answer = httpx.post(
        server_url(server, "/dicom-web/studies"),
        content=pieces(),  # chunked: no length
        headers={"Content-Type": kind, "Authorization": "Bearer submit"},
    )
    assert answer.status_code == 200
    (study,) = node.spool.studies()
    assert study.instances == len(objects)


def test_a_large_body_needs_no_memory(start_node: StartNode, objects: list[bytes]) -> None:
    node, server = start_node(limits={"max_object_mib": 64, "max_study_mib": 64})
    dataset = pydicom.dcmread(io.BytesIO(objects[0]))
    dataset.PixelData = bytes(48 << 20)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    data, kind = related([buffer.getvalue()])
    del dataset, buffer
    headers = {"Content-Type": kind, "Authorization": "Bearer submit"}
    address = server_url(server, "/dicom-web/studies")
    httpx.post(address, content=b"", headers=headers)  # what is loaded once
    view = memoryview(data)
    pieces = (view[begin : begin + 65536] for begin in range(0, len(data), 65536))
    tracemalloc.start()
    try:
        answer = httpx.post(address, content=pieces, headers=headers, timeout=60)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status_code == 200
    assert peak_bytes < 6 << 20
    (study,) = node.spool.studies()
    assert study.size_bytes > 48 << 20


def test_a_sender_that_goes_away_leaves_nothing(
    start_node: StartNode, objects: list[bytes]
) -> None:
    node, server = start_node()
    data, kind = related(objects)
    head = (
        f"POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer submit\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    connection = connect(server)
    connection.sendall(head.encode() + data[: len(data) // 2])
    wait_for(lambda: node.uploads_left)
    connection.close()
    wait_for(lambda: not node.uploads_left)
    assert list(node.spool.studies()) == []


def wait_for(what: Callable[[], object]) -> None:
    give_up = time.monotonic() + 10
    while not what():
        assert time.monotonic() < give_up
        time.sleep(0.01)


@pytest.mark.parametrize("sent", [b"", b"GET /health HTTP/1.1\r\nX-Slow: "])
def test_a_head_that_never_ends_is_cut(
    start_node: StartNode, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DeadlineH11Protocol, "head_seconds", 0.5)
    _, server = start_node()
    connection = connect(server)
    begun = time.monotonic()
    connection.settimeout(0.05)
    closed = False
    while not closed and time.monotonic() - begun < 12:
        try:
            if sent:
                connection.sendall(sent[:1] if sent != sent[:1] else b"a")
                sent = sent[1:] or b"a"
            closed = connection.recv(100) == b""
        except TimeoutError:
            continue
        except OSError:
            closed = True
    connection.close()
    assert closed
    assert 0.3 < time.monotonic() - begun < 10  # 15 s where the deadline is not shortened


def test_a_connection_that_is_kept_is_used_again(start_node: StartNode) -> None:
    _, server = start_node()
    with connect(server) as connection:
        for _ in range(3):
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            found = b""
            while not found.endswith(b'{"status":"live"}'):
                chunk = connection.recv(1 << 16)
                assert chunk
                found += chunk


def test_a_body_that_pauses_is_408(start_node: StartNode, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = body.BodyLimits
    monkeypatch.setattr(
        "groundglass.server.http.node.BodyLimits",
        lambda max_bytes: limits(max_bytes, idle_seconds=0.3),
    )
    node, server = start_node()
    connection = connect(server)
    connection.sendall(
        b"POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer submit\r\n"
        b"Content-Type: multipart/related; boundary=b\r\nContent-Length: 1000\r\n\r\n--b\r\n\r\n"
    )
    connection.settimeout(10)
    assert connection.recv(100).startswith(b"HTTP/1.1 408 ")
    connection.close()
    wait_for(lambda: not node.uploads_left)


def test_a_trickle_is_408(start_node: StartNode, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = body.BodyLimits
    monkeypatch.setattr(
        "groundglass.server.http.node.BodyLimits",
        lambda max_bytes: limits(max_bytes, grace_seconds=0.3, least_bytes_per_second=10_000),
    )
    _, server = start_node()

    def trickle() -> Iterator[bytes]:
        yield b"--b\r\n\r\n"
        for _ in range(20):
            time.sleep(0.03)
            yield b"x"

    answer = httpx.post(
        server_url(server, "/dicom-web/studies"),
        content=trickle(),
        headers={"Content-Type": "multipart/related; boundary=b", "Authorization": "Bearer submit"},
    )
    assert answer.status_code == 408
    assert "too slowly" in answer.json()["detail"]


def test_a_refused_client_reads_the_reason_though_it_still_sends(start_node: StartNode) -> None:
    _, server = start_node(limits={"max_study_mib": 1})
    answer = httpx.post(
        server_url(server, "/dicom-web/studies"),
        content=iter([b"--b\r\n\r\n"] + [bytes(1 << 16)] * 128),
        headers={"Content-Type": "multipart/related; boundary=b", "Authorization": "Bearer submit"},
    )
    assert answer.status_code == 413
    no_token = httpx.post(
        server_url(server, "/dicom-web/studies"), content=iter([bytes(1 << 16)] * 64)
    )
    assert no_token.status_code == 401


def test_an_endless_body_after_the_answer_is_cut(
    start_node: StartNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DeadlineH11Protocol, "head_seconds", 0.5)
    _, server = start_node()
    connection = connect(server)
    connection.sendall(b"POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    cut = False
    begun = time.monotonic()
    while not cut and time.monotonic() - begun < 12:
        try:
            connection.sendall(b"1000\r\n" + bytes(4096) + b"\r\n")
        except OSError:
            cut = True
        time.sleep(0.001)
    connection.close()
    assert cut


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"G" * 100_000,
        b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0"
        b"\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    ],
    ids=range(7),
)
def test_what_is_no_http_ends_the_connection_and_not_the_node(
    start_node: StartNode, sent: bytes
) -> None:
    _, server = start_node()
    found = b""
    with connect(server) as connection, contextlib.suppress(OSError):
        connection.sendall(sent)
        found = connection.recv(1 << 16)
    assert found == b"" or found.split(b" ")[1] in (b"400", b"401", b"200", b"431")
    assert httpx.get(server_url(server, "/health")).status_code == 200
