"""A node's parts on a temporary folder, a clock that is turned by hand, and PostgreSQL if there."""

from __future__ import annotations

import importlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from groundglass.phantom.chest import Phantom
from groundglass.phantom.dicom_writer import DicomOptions, write_dicom_series
from groundglass.server.jobs import JobStore
from groundglass.server.rules import Rule
from groundglass.server.settings import Limits, ServeSettings
from groundglass.server.spool import Spool
from groundglass.server.spooled_study import Origin

HERE = Path(__file__).resolve().parent
ORIGIN = Origin("dicom", "10.0.0.7", "SCANNER1")


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., ServeSettings]:
    """Settings of a node that takes anything, whose free disk does not matter."""

    def make(**changes: Any) -> ServeSettings:
        values: dict[str, Any] = {
            "folder": tmp_path / "node",
            "quiet_seconds": 0.2,
            "lease_seconds": 2,
            "backoff_seconds": 0.1,
            "drain_seconds": 0.2,
            "limits": Limits(free_disk_mib=0),
            "rules": (Rule(name="all"),),
        }
        return ServeSettings.model_validate(values | changes)

    return make


@pytest.fixture
def settings(make_settings: Callable[..., ServeSettings]) -> ServeSettings:
    return make_settings()


@pytest.fixture
def spool(settings: ServeSettings) -> Spool:
    return Spool(settings.spool_folder, settings.limits)


@pytest.fixture
def jobs(settings: ServeSettings, spool: Spool) -> Iterator[JobStore]:
    store = JobStore.from_settings(settings)
    yield store
    store.close()


@pytest.fixture
def make_fake(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The stand-in for the pipeline, under a name that other processes can import."""
    monkeypatch.syspath_prepend(str(HERE))
    return importlib.import_module("fake_analysis").make_fake


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("a small file system can be mounted by root only")
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def wait_for(is_so: Callable[[], Any], seconds: float = 180.0) -> Any:
    """What `is_so` gives once it is true. Fails where that takes longer."""
    until = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)
    return found


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server that lives as long as the tests."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL is not installed")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    as_user: list[str] = []
    if os.geteuid() == 0:  # the server refuses to run as root
        if not shutil.which("runuser"):
            pytest.skip("PostgreSQL does not run as root, and runuser is not installed")
        as_user = ["runuser", "-u", "postgres", "--"]
    folder = Path(tempfile.mkdtemp(prefix="groundglass-pg-"))
    if as_user:
        shutil.chown(folder, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(tool: str, *arguments: str) -> None:
        command = [*as_user, str(found[-1].with_name(tool)), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60, cwd="/")

    data = str(folder / "data")
    try:
        run("initdb", "-D", data, "-A", "trust", "-U", "node", "--no-sync")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        run("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql+psycopg://node@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def chest_series(small_chest: Phantom, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The 16 slices of `small_chest`, explicit little endian, one study and series."""
    folder = tmp_path_factory.mktemp("chest") / "dicom"
    return write_dicom_series(small_chest, folder, DicomOptions())
