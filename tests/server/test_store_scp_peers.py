"""Who may speak to the DICOM listener and how: AE titles, numbers, TLS, DCMTK."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from pathlib import Path

import pydicom
import pytest

from groundglass.errors import SettingsError
from groundglass.phantom.chest import Phantom
from groundglass.phantom.dicom_writer import DicomOptions, write_dicom_series
from groundglass.server import store_scp

from . import listener
from .dicom_tools import dcmtk, left_open, make_certificates, storescu
from .listener import Start, associate

start = listener.start


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
        socket.create_connection(("127.0.0.1", node.scp.port), timeout=60).close()
    while node.scp.connections() and time.monotonic() < began + 8:
        time.sleep(0.05)
    assert node.scp.connections() == 0  # long before a request would have been due
    with socket.create_connection(("127.0.0.1", node.scp.port), timeout=60):
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
    with socket.create_connection(("127.0.0.1", node.scp.port), timeout=60) as one_more:
        assert one_more.recv(1) == b""
    for connection in silent:
        connection.close()


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
