"""Beside a real archive: Orthanc sends studies, the node analyzes them, results come back."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient

from groundglass.server.audit import AuditLog
from groundglass.server.deliver import deliver
from groundglass.server.fronts import deliver_of, fronts_of
from groundglass.server.jobs import JobStore
from groundglass.server.peers import StowPeer
from groundglass.server.settings import Limits, ServeSettings, read_settings
from groundglass.server.spool import Spool
from groundglass.server.store_scp import StoreScp
from groundglass.server.supervisor import Supervisor

from .dicom_tools import dcmtk, free_port
from .orthanc import DEPLOY, Orthanc, run_orthanc
from .rule_analysis import RuleAnalysis

ROOT = DEPLOY.parents[1]
SEG, SR = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.88.33"
PDF = "1.2.840.10008.5.1.4.1.1.104.1"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with run_orthanc(tmp_path_factory.mktemp("orthanc")) as archive:
        yield archive


@pytest.fixture
def orthanc(running: Orthanc) -> Orthanc:
    running.empty()
    return running


def node_settings(folder: Path, port: int, orthanc: Orthanc) -> ServeSettings:
    """The documented ones, but for folder, ports and how long to wait."""
    settings = read_settings(DEPLOY / "node.toml", folder=folder, quiet_seconds=0.5)
    archive = settings.peers["archive"].model_copy(update={"port": orthanc.dicom_port})
    return settings.model_copy(
        update={
            "dicom": settings.dicom.model_copy(update={"port": port}),
            "peers": {"archive": archive},
            "limits": Limits(free_disk_mib=1),
        }
    )


@pytest.fixture
def scp(orthanc: Orthanc, tmp_path: Path) -> Iterator[Spool]:
    """The listener alone; its spool."""
    port = free_port()
    orthanc.know_node(port)
    settings = node_settings(tmp_path / "node", port, orthanc)
    spool = Spool(settings.spool_folder, settings.limits)
    made = StoreScp(settings, spool, AuditLog.from_settings(settings))
    yield spool
    made.stop()


def uids(files: list[Path]) -> set[str]:
    return {str(pydicom.dcmread(path).SOPInstanceUID) for path in files}


def kept(spool: Spool) -> set[str]:
    return {sop for study in spool.studies() for sops in study.series.values() for sop in sops}


def test_orthanc_sends_a_study(orthanc: Orthanc, scp: Spool, chest_series: list[Path]) -> None:
    study = orthanc.take(chest_series)
    orthanc.ask("POST", "/modalities/node/echo")
    done = orthanc.ask("POST", "/modalities/node/store", json={"Resources": [study]})
    assert done["FailedInstancesCount"] == 0
    assert kept(scp) == uids(chest_series)


def test_a_workstation_moves_a_study_to_the_node(
    orthanc: Orthanc, scp: Spool, chest_series: list[Path]
) -> None:
    """C-MOVE, asked for by a third program: Orthanc then sends to the node."""
    orthanc.take(chest_series)
    orthanc.ask("PUT", "/modalities/desk", json=["DESK", "127.0.0.1", free_port()])
    study = pydicom.dcmread(chest_series[0]).StudyInstanceUID
    level = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"]
    titles = ["-aet", "DESK", "-aec", "ORTHANC", "-aem", "GROUNDGLASS"]
    command = [dcmtk("movescu"), "-S", *titles, *level, "127.0.0.1", str(orthanc.dicom_port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert kept(scp) == uids(chest_series)


@contextlib.contextmanager
def running_node(settings: ServeSettings) -> Iterator[JobStore]:
    """The whole node in this process, its worker in another; the queue to look into."""
    supervisor = Supervisor(
        settings, fronts=fronts_of(settings), deliver=deliver_of(settings), make=RuleAnalysis
    )
    settings.folder.mkdir(parents=True)
    jobs = JobStore.from_settings(settings)
    thread = threading.Thread(target=supervisor.run, daemon=True)
    thread.start()
    try:
        yield jobs
    finally:
        supervisor.stop()
        thread.join(30)
        jobs.close()
    assert not thread.is_alive()


def wait_until(holds: Callable[[], Any], seconds: float = 180) -> Any:
    """What `holds` says as soon as it is not empty."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := holds():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s in vain")


def wait_for_port(port: int) -> None:
    def answers() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return True
        return False

    wait_until(answers)


def wait_for_delivery(jobs: JobStore) -> Any:
    """The job, when its results were sent."""

    def sent() -> Any:
        for job in jobs.list():
            assert job.error is None, job.error
            deliveries = jobs.deliveries.of_job(job.id)
            assert not any(one.error for one in deliveries), deliveries
            if deliveries and all(one.state == "done" for one in deliveries):
                return job
        return None

    return wait_until(sent)


def assert_found(orthanc: Orthanc, files: list[Path]) -> None:
    """That DICOMweb finds and gives back what is in `files`."""
    client = DICOMwebClient(orthanc.web)
    objects = {str(d.SOPClassUID): d for d in map(pydicom.dcmread, files)}
    assert set(objects) == {SEG, SR, PDF}
    study = str(objects[SEG].StudyInstanceUID)
    series = client.search_for_series(study_instance_uid=study, fields=["Modality"])
    assert {one["00080060"]["Value"][0] for one in series} == {"CT", "SEG", "SR", "DOC"}
    for sent in objects.values():
        back = client.retrieve_instance(
            study_instance_uid=study,
            series_instance_uid=str(sent.SeriesInstanceUID),
            sop_instance_uid=str(sent.SOPInstanceUID),
        )
        assert back.SOPClassUID == sent.SOPClassUID
        assert back.SeriesDescription == sent.SeriesDescription
        if sent.SOPClassUID == SEG:
            assert np.array_equal(back.pixel_array, sent.pixel_array)
        if sent.SOPClassUID == PDF:
            assert back.EncapsulatedDocument == sent.EncapsulatedDocument
        if sent.SOPClassUID == SR:
            assert back.ContentSequence == sent.ContentSequence


def test_from_archive_to_archive(
    tmp_path: Path, chest_series: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Orthanc forwards what is new by the documented script; nobody does anything by hand."""
    monkeypatch.syspath_prepend(str(ROOT))  # where the worker finds `RuleAnalysis`
    port = free_port()
    modality = {"AET": "GROUNDGLASS", "Host": "127.0.0.1", "Port": port}
    changes = {"DicomModalities": {"node": modality}, "StableAge": 1}
    script = [str(DEPLOY / "forward-ct.lua")]
    with run_orthanc(tmp_path, LuaScripts=script, **changes) as orthanc:
        settings = node_settings(tmp_path / "node", port, orthanc)
        with running_node(settings) as jobs:
            wait_for_port(port)
            study = orthanc.take(chest_series)
            job = wait_for_delivery(jobs)
            files = sorted((settings.results_folder / job.result["folder"] / "dicom").iterdir())
            assert_found(orthanc, files)

            # Were the results to come in as well, they would not be analyzed
            orthanc.ask("POST", "/modalities/node/store", json={"Resources": [study]})
            spool = Spool(settings.spool_folder)
            assert kept(spool) == uids(chest_series) | uids(files)
            wait_until(lambda: not spool.quiet_studies(time.time() + 9, 0))
            assert [one.id for one in jobs.list()] == [job.id]

        noted: list[str] = []
        orthanc.empty()  # and once more by STOW-RS
        orthanc.take(chest_series)
        peer = StowPeer(kind="stow", url=orthanc.web)
        deliver(files, peer, settings=settings, sent=frozenset(), note_sent=noted.append)
        assert set(noted) == uids(files)
        assert_found(orthanc, files)
        deliver(files, peer, settings=settings, sent=frozenset(), note_sent=noted.append)
        assert len(noted) == 2 * len(files)  # what it has already counts as taken


def test_the_container_files_fit_each_other() -> None:
    """No container is run here; but what they say is read, and agrees."""
    yaml = pytest.importorskip("yaml")
    settings = read_settings(DEPLOY / "compose-node.toml")
    (service,) = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"].values()
    assert service["ports"] == [f"{settings.dicom.port}:{settings.dicom.port}"]
    inside = {volume.split(":")[1] for volume in service["volumes"]}
    docker = (DEPLOY / "Dockerfile").read_text()
    assert inside == {str(settings.folder), "/etc/groundglass/node.toml"}
    assert all(path in docker for path in inside)
    assert int(service["stop_grace_period"].removesuffix("s")) > settings.drain_seconds
