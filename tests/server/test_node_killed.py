"""A whole node in processes of its own, killed while two senders are at it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE

from groundglass.server.job import Job
from groundglass.server.jobs import JobStore
from groundglass.server.rules import Rule
from groundglass.server.settings import ServeSettings
from groundglass.server.spool import Spool

from .conftest import HERE, wait_for
from .dicom_tools import Sockets, free_port
from .listener import CT

StartNode = Callable[[], subprocess.Popen[bytes]]
STOW = 'multipart/related; type="application/dicom"; boundary=B'


@pytest.fixture
def settings(make_settings: Any) -> ServeSettings:
    return make_settings(
        quiet_seconds=1,
        lease_seconds=4,
        workers=0,
        rules=(Rule(name="all"),),
        dicom={"port": free_port()},
        http={"port": free_port()},
    )


@pytest.fixture
def start_node(settings: ServeSettings, tmp_path: Path) -> Iterator[StartNode]:
    (tmp_path / "settings.json").write_text(settings.model_dump_json())
    begun: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        program = [sys.executable, str(HERE / "node_process.py"), str(tmp_path / "settings.json")]
        with open(tmp_path / "node.log", "ab") as log:
            begun.append(subprocess.Popen(program, stderr=log))
        wait_for(lambda: is_up(settings))
        return begun[-1]

    yield start
    for node in begun:
        node.kill()
        node.wait()


def is_up(settings: ServeSettings) -> bool:
    try:
        url = f"http://127.0.0.1:{settings.http.port}/health"
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def send_by_store(
    settings: ServeSettings, datasets: list[Dataset], said: Callable[[str], Any]
) -> None:
    """Offer objects until the connection breaks; `said` gets the UID of each that was taken."""
    ae, sockets = AE(ae_title="SCANNER"), Sockets()
    ae.add_requested_context(CT, datasets[0].file_meta.TransferSyntaxUID)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 30
    association = ae.associate(
        "127.0.0.1", settings.dicom.port, ae_title="GROUNDGLASS", evt_handlers=sockets.handlers
    )
    try:
        for dataset in datasets:
            if not association.is_established:
                return
            if association.send_c_store(dataset).get("Status") == 0:
                said(str(dataset.SOPInstanceUID))
        association.release()
    finally:
        sockets.close()


def send_by_stow(settings: ServeSettings, files: list[Path], said: Callable[[str], Any]) -> None:
    """One request for each object, until the connection breaks."""
    url = f"http://127.0.0.1:{settings.http.port}/dicom-web/studies"
    with httpx.Client(timeout=60, trust_env=False) as client:
        for path in files:
            head = b"--B\r\nContent-Type: application/dicom\r\n\r\n"
            body = head + path.read_bytes() + b"\r\n--B--\r\n"
            try:
                answer = client.post(url, content=body, headers={"Content-Type": STOW})
            except httpx.TransportError:
                return
            for item in answer.json()["00081199"]["Value"]:
                said(item["00081155"]["Value"][0])


def objects_of(job: Job) -> set[str]:
    return {sop for sops in job.plan.series.values() for sop in sops}


def test_the_same_study_by_both_ways_and_a_kill_in_the_middle(
    settings: ServeSettings, chest_series: list[Path], start_node: StartNode
) -> None:
    datasets = [pydicom.dcmread(path) for path in chest_series]
    uids = {str(dataset.SOPInstanceUID) for dataset in datasets}
    node = start_node()
    taken: list[str] = []

    def said(uid: str) -> None:
        taken.append(uid)
        if len(taken) == 7:
            node.send_signal(signal.SIGKILL)

    def send_all(said: Callable[[str], Any]) -> None:
        with ThreadPoolExecutor(2) as senders:
            by_store = senders.submit(send_by_store, settings, datasets, said)
            by_stow = senders.submit(send_by_stow, settings, chest_series[::-1], said)
            by_store.result()
            by_stow.result()

    send_all(said)
    assert node.wait(60) == -signal.SIGKILL
    kept = {path.stem: path for path in settings.spool_folder.glob("studies/*/*/*.dcm")}
    assert set(taken) <= set(kept)
    for uid, path in kept.items():  # whole, or not there
        assert pydicom.dcmread(path).SOPInstanceUID == uid
    start_node()
    assert list((settings.spool_folder / "bodies").iterdir()) == []
    taken.clear()
    send_all(taken.append)
    assert Counter(taken) == Counter(dict.fromkeys(uids, 2))
    jobs = JobStore.from_settings(settings)
    try:
        wait_for(lambda: [objects_of(job) for job in jobs.list(state="waiting")] == [uids])
        assert all(job.state in ("waiting", "canceled") for job in jobs.list())
    finally:
        jobs.close()
    (study,) = Spool(settings.spool_folder).studies()
    assert study.instances == len(uids)
