"""A whole node by HTTP alone: a study goes in by REST, its results come out by REST."""

from __future__ import annotations

import io
import json
import threading
import time
import zipfile
from pathlib import Path

import httpx
import pydicom
import pytest

from groundglass.server.fronts import fronts_of
from groundglass.server.settings import ServeSettings
from groundglass.server.supervisor import Supervisor

from ..dicom_tools import free_port
from ..rule_analysis import RuleAnalysis
from .conftest import TOKENS

TIMEOUT_SECONDS = 120


def wait_for_job(client: httpx.Client, jobs: str) -> dict:
    give_up = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < give_up:
        found = client.get(jobs).json()["jobs"]
        if found and found[0]["state"] in ("done", "failed"):
            return found[0]
        time.sleep(0.2)
    pytest.fail(f"no job came to its end in {TIMEOUT_SECONDS} s")


def wait_until_up(client: httpx.Client) -> None:
    give_up = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            client.get("/health").raise_for_status()
            return
        except httpx.HTTPError:
            assert time.monotonic() < give_up
            time.sleep(0.1)


def test_a_study_goes_in_and_its_results_come_out(tmp_path: Path, objects: list[bytes]) -> None:
    settings = ServeSettings.model_validate(
        {
            "folder": tmp_path / "node",
            "quiet_seconds": 1,
            "limits": {"free_disk_mib": 1},
            "dicom": {"enabled": False},
            "http": {"port": free_port(), "tokens": TOKENS},
            "analysis": {"dicom": ["seg"]},
        }
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, data in enumerate(objects):
            archive.writestr(f"{number}.dcm", data)
    node = Supervisor(settings, fronts=fronts_of(settings), make=RuleAnalysis)
    thread = threading.Thread(target=node.run)
    thread.start()
    client = httpx.Client(
        base_url=f"http://127.0.0.1:{settings.http.port}",
        headers={"Authorization": "Bearer admin"},
        timeout=30,
    )
    try:
        wait_until_up(client)
        sent = client.post("/api/v1/studies", content=buffer.getvalue())
        assert sent.status_code == 202
        job = wait_for_job(client, sent.json()["studies"][0]["jobs"])
        assert (job["state"], job["error"]) == ("done", None)
        files = client.get(f"/api/v1/jobs/{job['id']}/results").json()["files"]
        addresses = {file["name"]: file["address"] for file in files}
        findings = json.loads(client.get(addresses["findings.json"]).content)
        assert findings["lesions"]["involvement_percent"] > 0
        assert b"Research use only" in client.get(addresses["report.html"]).content
        seg = pydicom.dcmread(io.BytesIO(client.get(addresses["dicom/seg.dcm"]).content))
        assert seg.StudyInstanceUID == job["study_uid"]
        metrics = client.get("/metrics").text
        assert 'groundglass_events_total{event="analyzed"} 1.0' in metrics
        assert 'groundglass_stage_seconds_count{stage="' in metrics
        assert client.get("/ready").status_code == 200
    finally:
        client.close()
        node.stop()
        thread.join(60)
    assert not thread.is_alive()
