"""An Orthanc of its own for the tests: free ports, a folder that goes away, killed at the end."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from .dicom_tools import free_port

PROGRAM = Path("/usr/sbin/Orthanc")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
DEPLOY = Path(__file__).resolve().parents[2] / "docs" / "deploy"


@dataclass(frozen=True)
class Orthanc:
    """A running archive. `rest` speaks to its own interface, `web` is the address of DICOMweb."""

    dicom_port: int
    http_port: int
    rest: httpx.Client

    @property
    def web(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/dicom-web"

    def know_node(self, port: int) -> None:
        """Let it send to a node on this machine, under the name 'node'."""
        self.ask("PUT", "/modalities/node", json=["GROUNDGLASS", "127.0.0.1", port])

    def take(self, files: list[Path]) -> str:
        """Upload files of one study; Orthanc's own id of the study."""
        answers = [self.ask("POST", "/instances", content=path.read_bytes()) for path in files]
        return answers[0]["ParentStudy"]

    def ask(self, method: str, path: str, **more: Any) -> Any:
        answer = self.rest.request(method, path, **more)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def empty(self) -> None:
        """Delete everything."""
        for study in self.ask("GET", "/studies"):
            self.ask("DELETE", f"/studies/{study}")


@contextlib.contextmanager
def run_orthanc(folder: Path, **changes: Any) -> Iterator[Orthanc]:
    """Start one with the documented settings, its ports and folders apart, and `changes`.

    The test is skipped where Orthanc or its DICOMweb plugin is not installed.
    """
    for path, package in ((PROGRAM, "orthanc"), (PLUGIN, "orthanc-dicomweb")):
        if not path.exists():
            pytest.skip(f"no {path}; install Debian's package {package}")
    dicom_port, http_port = free_port(), free_port()
    settings = json.loads((DEPLOY / "orthanc.json").read_text(encoding="utf-8"))
    settings |= {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": http_port,
        "DicomPort": dicom_port,
        "LuaScripts": [],
        **changes,
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(PROGRAM), str(folder / "orthanc.json")], stdout=log, stderr=log, cwd=folder
        )
    try:
        base = f"http://127.0.0.1:{http_port}"
        with httpx.Client(base_url=base, timeout=20, trust_env=False) as rest:
            _wait(process, rest, folder / "log")
            yield Orthanc(dicom_port, http_port, rest)
    finally:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], rest: httpx.Client, log: Path) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with contextlib.suppress(httpx.TransportError):
            if rest.get("/system").status_code == 200:
                return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError("Orthanc did not start: " + log.read_text(errors="replace")[-2000:])
