"""A node's HTTP side over a real spool and queue in a temporary folder."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck

from groundglass.phantom.chest import Phantom
from groundglass.phantom.dicom_writer import write_dicom_series
from groundglass.server.http.app import create_app
from groundglass.server.http.run import HttpServer, start
from groundglass.server.http.tokens import hash_token
from groundglass.server.jobs import JobStore
from groundglass.server.settings import ServeSettings
from groundglass.server.spool import Spool

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # starlette's own remark on which httpx it would like
    from starlette.testclient import TestClient

SAME_NODE = HealthCheck.function_scoped_fixture
"""Suppressed where every example may use one node: none may leave anything in it."""
SMALL = {"max_object_mib": 1, "max_study_mib": 4, "max_instances": 40, "free_disk_mib": 0}
TOKENS = [
    {"name": name, "sha256": hash_token(name), "scopes": [name]}
    for name in ("submit", "read", "admin")
]


@dataclass(frozen=True)
class Made:
    """A node without a listener: what it is made of, and a client for each scope."""

    settings: ServeSettings
    spool: Spool
    jobs: JobStore
    app: Any

    def client(self, token: str | None = "admin") -> TestClient:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return TestClient(self.app, base_url="http://127.0.0.1", headers=headers)

    @property
    def uploads_left(self) -> list[Path]:
        return list((self.settings.spool_folder / "bodies").iterdir())


MakeNode = Callable[..., Made]


@pytest.fixture
def make_node(tmp_path: Path) -> Iterator[MakeNode]:
    """Make a node; `http`, `limits` and others replace settings."""
    open_stores: list[JobStore] = []

    def make(**values: Any) -> Made:
        http = {"tokens": TOKENS, **values.pop("http", {})}
        limits = {**SMALL, **values.pop("limits", {})}
        folder = tmp_path / f"node-{len(open_stores)}"
        settings = ServeSettings.model_validate(
            {"folder": folder, "http": http, "limits": limits, **values}
        )
        spool = Spool(settings.spool_folder, settings.limits)
        jobs = JobStore(settings.database_url)
        open_stores.append(jobs)
        settings.results_folder.mkdir()
        return Made(settings, spool, jobs, create_app(settings, spool, jobs))

    yield make
    for store in open_stores:
        store.close()


@pytest.fixture
def node(make_node: MakeNode) -> Made:
    """A node with a token for each scope."""
    return make_node()


StartNode = Callable[..., tuple[Made, HttpServer]]


@pytest.fixture
def start_node(make_node: MakeNode) -> Iterator[StartNode]:
    """Start a node on a free port; stopped at the end."""
    servers: list[HttpServer] = []

    def begin(**values) -> tuple[Made, HttpServer]:
        http = {"port": 0, **values.pop("http", {})}
        node = make_node(http=http, **values)
        server = start(node.settings, node.spool, node.jobs)
        servers.append(server)
        return node, server

    yield begin
    for server in servers:
        server.stop()


def server_url(server: HttpServer, path: str) -> str:
    """An address of a running node."""
    return f"http://127.0.0.1:{server.port}{path}"


class _Objects(list[bytes]):
    """Files that hypothesis does not print."""

    def __repr__(self) -> str:
        return f"<{len(self)} objects>"


@pytest.fixture(scope="session")
def objects(small_chest: Phantom, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The 16 DICOM files of one phantom."""
    paths = write_dicom_series(small_chest, tmp_path_factory.mktemp("http") / "series")
    return _Objects(path.read_bytes() for path in paths)


def related(parts: list[bytes], boundary: str = "b0und", head: str = "") -> tuple[bytes, str]:
    """A STOW body and its content type."""
    head = head or "Content-Type: application/dicom"
    first = f"--{boundary}\r\n{head}\r\n\r\n".encode()
    body = b"".join(first + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()
    return body, f'multipart/related; type="application/dicom"; boundary={boundary}'
