"""Clients that are not ours: dicomweb-client, Orthanc and curl send a study by STOW-RS."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pydicom
import pytest

from groundglass.server.deliver import deliver
from groundglass.server.peers import StowPeer

from .conftest import Made, StartNode, related, server_url

ORTHANC = shutil.which("Orthanc", path="/usr/sbin:/usr/bin")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


def is_whole(node: Made, objects: list[bytes]) -> bool:
    """Whether the spool holds every object, byte for byte."""
    (study,) = node.spool.studies()
    kept = {study.path(series, sop) for series, sops in study.series.items() for sop in sops}
    return {path.read_bytes() for path in kept} == set(objects)


def test_dicomweb_client(start_node: StartNode, objects: list[bytes]) -> None:
    client = pytest.importorskip("dicomweb_client")
    node, server = start_node()
    datasets = [pydicom.dcmread(io.BytesIO(data)) for data in objects]
    sender = client.DICOMwebClient(
        server_url(server, "/dicom-web"), headers={"Authorization": "Bearer submit"}
    )
    answer = sender.store_instances(datasets)
    assert len(answer.ReferencedSOPSequence) == len(objects)
    assert "FailedSOPSequence" not in answer
    (study,) = node.spool.studies()
    assert study.instances == len(objects)
    again = sender.store_instances(datasets[:2], study_instance_uid=study.study_uid)
    assert len(again.ReferencedSOPSequence) == 2


def test_curl(start_node: StartNode, objects: list[bytes], tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    node, server = start_node()
    data, kind = related(objects)
    (tmp_path / "body").write_bytes(data)
    said = subprocess.run(
        ["curl", "--silent", "--show-error", "--header", f"Content-Type: {kind}",
         "--header", "Authorization: Bearer submit", "--data-binary", f"@{tmp_path / 'body'}",
         "--write-out", "%{stderr}%{http_code}", server_url(server, "/dicom-web/studies")],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert said.stderr == "200"
    assert len(json.loads(said.stdout)["00081199"]["Value"]) == len(objects)
    assert is_whole(node, objects)


def test_our_own_sender(start_node: StartNode, objects: list[bytes], tmp_path: Path) -> None:
    node, server = start_node()
    files = []
    for number, data in enumerate(objects):
        files.append(tmp_path / f"{number}.dcm")
        files[-1].write_bytes(data)
    (tmp_path / "token").write_text("submit\n")
    peer = StowPeer.model_validate(
        {"kind": "stow", "url": server_url(server, "/dicom-web"), "token_file": tmp_path / "token"}
    )
    sent: list[str] = []
    deliver(files, peer, settings=node.settings, sent=frozenset(), note_sent=sent.append)
    assert len(sent) == len(objects)
    assert is_whole(node, objects)


@contextlib.contextmanager
def orthanc(folder: Path, node_url: str) -> Iterator[str]:
    """An Orthanc that knows our node as the DICOMweb server 'node'; its address."""
    port = free_port()
    settings = {
        "Name": "TEST",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {
            "Enable": True,
            "Servers": {
                "node": {"Url": node_url, "HttpHeaders": {"Authorization": "Bearer submit"}}
            },
        },
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    command = [str(ORTHANC), str(folder / "orthanc.json")]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log) as process,
    ):
        try:
            wait_until_up(f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_up(url: str) -> None:
    give_up = time.monotonic() + 30
    while True:
        try:
            httpx.get(f"{url}/system").raise_for_status()
            return
        except httpx.HTTPError:
            assert time.monotonic() < give_up
            time.sleep(0.1)


def test_orthanc(start_node: StartNode, objects: list[bytes], tmp_path: Path) -> None:
    if ORTHANC is None or not PLUGIN.exists():
        pytest.skip("Orthanc with its DICOMweb plugin is not installed")
    node, server = start_node()
    with orthanc(tmp_path, server_url(server, "/dicom-web/")) as url:
        for data in objects:
            httpx.post(f"{url}/instances", content=data).raise_for_status()
        (study,) = httpx.get(f"{url}/studies").json()
        sent = httpx.post(
            f"{url}/dicom-web/servers/node/stow",
            json={"Resources": [study], "Synchronous": True},
            timeout=60,
        )
        assert sent.status_code == 200, (tmp_path / "log").read_text()[-2000:]
    assert is_whole(node, objects)
