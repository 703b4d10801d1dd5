"""TLS of the HTTP listener: versions, certificates of clients, files that do not fit."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from groundglass.errors import SettingsError

from .conftest import StartNode, server_url


@pytest.fixture(scope="session")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that signs itself, and another that nobody signed."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed; it makes the certificates")
    folder = tmp_path_factory.mktemp("pems")
    for name in ("node", "stranger"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext",
             "subjectAltName=IP:127.0.0.1", "-keyout", folder / f"{name}.key",
             "-out", folder / f"{name}.pem"],
            check=True,
            capture_output=True,
        )  # fmt: skip
    return folder


def test_tls(start_node: StartNode, pems: Path) -> None:
    tls = {"certificate": pems / "node.pem", "key": pems / "node.key"}
    _, server = start_node(http={"tls": tls})
    address = server_url(server, "/health").replace("http:", "https:")
    trusted = ssl.create_default_context(cafile=pems / "node.pem")
    answer = httpx.get(address, verify=trusted)
    assert answer.status_code == 200
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    old = ssl.create_default_context(cafile=pems / "node.pem")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert httpx.get(address, verify=old).status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)
    with pytest.raises(httpx.HTTPError):
        httpx.get(server_url(server, "/health"))


def test_tls_with_certificates_of_clients(start_node: StartNode, pems: Path) -> None:
    tls = {name: pems / f"node.{kind}" for name, kind in
           (("certificate", "pem"), ("key", "key"), ("ca", "pem"))}  # fmt: skip
    _, server = start_node(http={"tls": tls})
    address = server_url(server, "/health").replace("http:", "https:")
    known = ssl.create_default_context(cafile=pems / "node.pem")
    known.load_cert_chain(pems / "node.pem", pems / "node.key")
    assert httpx.get(address, verify=known).status_code == 200
    stranger = ssl.create_default_context(cafile=pems / "node.pem")
    with pytest.raises(httpx.HTTPError):
        httpx.get(address, verify=stranger)
    stranger.load_cert_chain(pems / "stranger.pem", pems / "stranger.key")
    with pytest.raises(httpx.HTTPError):
        httpx.get(address, verify=stranger)


@pytest.mark.parametrize("key", ["absent.key", "stranger.key", "node.pem"])
def test_tls_files_that_do_not_fit_are_an_error_before_listening(
    start_node: StartNode, pems: Path, key: str
) -> None:
    tls = {"certificate": pems / "node.pem", "key": pems / key}
    with pytest.raises(SettingsError, match=r"http.tls files cannot be used"):
        start_node(http={"tls": tls})
