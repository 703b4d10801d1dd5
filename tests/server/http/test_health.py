"""/ready and /metrics over a real spool and queue."""

from __future__ import annotations

import json
import time
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from groundglass.server.audit import AuditLog

from .conftest import Made, MakeNode, related
from .test_jobs_api import PLAN, done
from .test_stow import changed


def figures(node: Made) -> dict[tuple[str, ...], float]:
    """Every sample by name and label values."""
    text = node.client("read").get("/metrics").text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_ready_asks_for_a_worker_that_was_seen(node: Made) -> None:
    before = node.client("read").get("/ready")
    assert before.status_code == 503
    assert before.json() == {
        "ready": False,
        "checks": {"disk": "ok", "database": "ok", "workers": "none was seen in 120 s"},
    }
    node.jobs.worker_seen("worker-1")
    after = node.client("read").get("/ready")
    assert (after.status_code, after.json()["ready"]) == (200, True)


def test_ready_asks_for_room(make_node: MakeNode) -> None:
    node = make_node(limits={"free_disk_mib": 1 << 40})
    node.jobs.worker_seen("worker-1")
    answer = node.client("read").get("/ready")
    assert answer.status_code == 503
    assert answer.json()["checks"]["disk"].endswith(f"{1 << 40} wanted")


def test_metrics_of_jobs_uploads_and_requests(node: Made, objects: list[bytes]) -> None:
    body, kind = related([*objects[:3], b"bad"])
    node.client("submit").post("/dicom-web/studies", content=body, headers={"Content-Type": kind})
    node.jobs.submit("1.2.3", PLAN)
    found = figures(node)
    assert found["groundglass_http_objects_total", "stow", "kept"] == 3
    assert found["groundglass_http_objects_total", "stow", "refused"] == 1
    size = sum(map(len, objects[:3]))
    assert found["groundglass_http_object_bytes_total", "stow"] == size
    assert found["groundglass_jobs", "waiting"] == 1
    assert found["groundglass_jobs", "failed"] == 0
    assert found["groundglass_deliveries", "done"] == 0
    assert found["groundglass_studies_waiting",] == 1
    assert found["groundglass_queue_age_seconds",] >= 0
    assert found["groundglass_http_uploads",] == 0
    assert found["groundglass_http_request_seconds_count", "/dicom-web/studies", "202"] == 1


def test_seconds_per_stage_come_from_results_that_ended_since(node: Made) -> None:
    old = done(node, "1.2.3")
    results = node.settings.results_folder
    for study in ("1.2.3", "1.2.4"):
        (results / f"result-{study}").mkdir(exist_ok=True)
        (results / f"result-{study}" / "run.json").unlink(missing_ok=True)
        run = {"seconds": {"lungs": 2.0, "lesions": 40.0}}
        (results / f"result-{study}" / "run.json").write_text(json.dumps(run))
    node.app.state.node.metrics._started = time.time()
    assert not [key for key in figures(node) if "stage" in key[0]]
    job, _ = node.jobs.submit("1.2.4", PLAN)
    claimed = node.jobs.claim("worker")
    assert claimed is not None
    node.jobs.finish(claimed[1], {"folder": "result-1.2.4"})
    assert job.id != old.id
    for _ in range(2):  # a second look counts nothing twice
        found = figures(node)
        assert found["groundglass_stage_seconds_sum", "lungs"] == 2.0
        assert found["groundglass_stage_seconds_count", "lesions"] == 1
        assert found["groundglass_stage_seconds_bucket", "30.0", "lesions"] == 0
        assert found["groundglass_stage_seconds_bucket", "60.0", "lesions"] == 1


def test_events_of_all_parts_of_the_node_are_counted(make_node: MakeNode, tmp_path: Path) -> None:
    before = AuditLog(tmp_path / "node-0" / "audit.jsonl")
    before.path.parent.mkdir()
    before.write("sent", "1.2.3")
    node = make_node()
    audit = AuditLog.from_settings(node.settings)
    assert not [key for key in figures(node) if key[0] == "groundglass_events_total"]
    audit.write("received", "1.2.3", instances=300, bytes=1000)
    audit.write("received", "1.2.4", instances=2, bytes=10)
    audit.write("sent", "1.2.3", peer="pacs")
    with audit.path.open("ab") as file:
        file.write(b"no JSON\n[1]\nhalf a li")
    for _ in range(2):
        found = figures(node)
        assert found["groundglass_events_total", "received"] == 2
        assert found["groundglass_events_total", "sent"] == 1
        assert found["groundglass_received_objects_total",] == 302
        assert found["groundglass_received_bytes_total",] == 1010
    audit.path.unlink()
    audit.write("failed", "1.2.3")
    assert figures(node)["groundglass_events_total", "failed"] == 1


def test_refused_objects_are_in_the_audit_file(node: Made, objects: list[bytes]) -> None:
    other = changed(objects[0], PatientComments="DOE^JANE")
    for data in (objects[0], other):
        body, kind = related([data, b"bad"])
        node.client("submit").post(
            "/dicom-web/studies", content=body, headers={"Content-Type": kind}
        )
    text = node.settings.audit_file.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["event"], line["why"], line["objects"]) for line in lines] == [
        ("refused", "BadObjectError", 1),
        ("refused", "ConflictError", 1),
        ("refused", "BadObjectError", 1),
    ]
    assert all(line["sender"] == "submit" for line in lines)
    assert "DOE" not in text
