"""Foreign DICOM programs for the tests: DCMTK's, where Debian puts them, and certificates."""

from __future__ import annotations

import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from pynetdicom import evt

# pynetdicom leaves a socket to the garbage collector where connecting fails.
left_open = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <(ssl.SSLS|socket.s):pytest.PytestUnraisableExceptionWarning"
)


def dcmtk(name: str) -> str:
    """The path of a DCMTK program. pynetdicom installs namesakes, so PATH is not asked."""
    path = Path("/usr/bin") / name
    if not path.exists():
        pytest.skip(f"DCMTK's {name} is not at {path}; install Debian's package dcmtk")
    return str(path)


def storescu(port: int, files: list[Path], *options: str) -> subprocess.CompletedProcess[str]:
    """DCMTK sends `files` to the node on this machine."""
    words = [dcmtk("storescu"), *options, "-aec", "GROUNDGLASS", "localhost", str(port)]
    return subprocess.run(
        [*words, *map(str, files)], capture_output=True, text=True, timeout=60, check=False
    )


class Sockets:
    """The sockets of pynetdicom's associations, which it leaves open where the peer closed first.

    `handlers` go to `AE.associate`.
    """

    def __init__(self) -> None:
        self._opened: list[socket.socket] = []
        self.handlers: list[evt.EventHandlerType] = [(evt.EVT_CONN_OPEN, self._keep)]

    def _keep(self, event: evt.Event) -> None:
        self._opened.append(event.assoc.dul.socket.socket)

    def close(self) -> None:
        for opened in self._opened:
            opened.close()


@dataclass(frozen=True)
class Certificates:
    """An authority, and a certificate of it for localhost with its key."""

    ca: Path
    certificate: Path
    key: Path


def make_certificates(folder: Path) -> Certificates:
    """With openssl; the test is skipped where it is absent."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    made = Certificates(folder / "ca.pem", folder / "node.pem", folder / "node.key")
    folder.mkdir(parents=True, exist_ok=True)

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority")
    openssl("req", *new, "-keyout", "node.key", "-out", "node.csr", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names")
    openssl("x509", "-req", "-in", "node.csr", *signed, "-out", "node.pem")
    return made


def free_port() -> int:
    """A port that nothing uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
