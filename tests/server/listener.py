"""A DICOM listener of the node for the tests, and a sender to it."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.association import Association

from groundglass.server import store_scp
from groundglass.server.audit import AuditLog
from groundglass.server.settings import Limits, ServeSettings
from groundglass.server.spool import Spool

from .dicom_tools import Sockets

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
        for _ in range(1200):
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
