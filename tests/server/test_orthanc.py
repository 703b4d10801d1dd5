"""Beside a real archive: Orthanc sends studies, the node analyzes them, results come back."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
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
from groundglass.server.settings import ServeSettings
from groundglass.server.spool import Spool
from groundglass.server.store_scp import StoreScp
from groundglass.server.supervisor import Supervisor

from .dicom_tools import dcmtk, free_port
from .orthanc import Orthanc, run_orthanc
from .rule_analysis import RuleAnalysis

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.filterwarnings(
    # pynetdicom leaves a socket to the garbage collector where the peer closes first.
    "ignore:Exception ignored in. <(ssl.SSLS|socket.s):pytest.PytestUnraisableExceptionWarning"
)
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


@pytest.fixture
def settings(tmp_path: Path, orthanc: Orthanc) -> ServeSettings:
    port = free_port()
    orthanc.know_node(port)
    return ServeSettings.model_validate(
        {
            "folder": tmp_path / "node",
            "quiet_seconds": 1,
            "limits": {"free_disk_mib": 1},
            "dicom": {"port": port, "allowed": [{"ae_title": "ORTHANC"}]},
            "http": {"enabled": False},
            "peers": {
                "archive": {
                    "kind": "dicom",
                    "ae_title": "ORTHANC",
                    "host": "127.0.0.1",
                    "port": orthanc.dicom_port,
                }
            },
            "rules": [{"name": "ct", "modality": ["CT"], "send_to": ["archive"]}],
        }
    )


@pytest.fixture
def scp(settings: ServeSettings) -> Iterator[Spool]:
    """The listener alone; its spool."""
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


@pytest.fixture
def node(settings: ServeSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobStore]:
    """The whole node in this process, its worker in another; the queue to look into."""
    monkeypatch.syspath_prepend(str(ROOT))  # where the worker finds `RuleAnalysis`
    supervisor = Supervisor(
        settings, fronts=fronts_of(settings), deliver=deliver_of(settings), make=RuleAnalysis
    )
    settings.folder.mkdir(parents=True)
    jobs = JobStore.from_settings(settings)
    thread = threading.Thread(target=supervisor.run, daemon=True)
    thread.start()
    yield jobs
    supervisor.stop()
    thread.join(30)
    jobs.close()
    assert not thread.is_alive()


def wait_for_delivery(jobs: JobStore, seconds: float = 60) -> Any:
    """The job, when its results were sent."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for job in jobs.list():
            assert job.error is None, job.error
            deliveries = jobs.deliveries.of_job(job.id)
            assert not any(one.error for one in deliveries), deliveries
            if deliveries and all(one.state == "done" for one in deliveries):
                return job
        time.sleep(0.1)
    raise AssertionError(f"not sent in {seconds} s: {jobs.list()}")


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
    orthanc: Orthanc, node: JobStore, settings: ServeSettings, chest_series: list[Path]
) -> None:
    study = orthanc.take(chest_series)
    for _ in range(100):
        answer = orthanc.rest.post("/modalities/node/echo")
        if answer.status_code == 200:
            break
        time.sleep(0.1)
    orthanc.ask("POST", "/modalities/node/store", json={"Resources": [study]})
    job = wait_for_delivery(node)
    folder = settings.results_folder / job.result["folder"] / "dicom"
    files = sorted(folder.glob("*.dcm"))
    assert_found(orthanc, files)

    noted: list[str] = []
    orthanc.empty()  # and once more by STOW-RS
    orthanc.take(chest_series)
    peer = StowPeer(kind="stow", url=orthanc.web)
    deliver(files, peer, settings=settings, sent=frozenset(), note_sent=noted.append)
    assert set(noted) == uids(files)
    assert_found(orthanc, files)
    deliver(files, peer, settings=settings, sent=frozenset(), note_sent=noted.append)
    assert len(noted) == 2 * len(files)  # what it has already counts as taken
