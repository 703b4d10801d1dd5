"""/ready and /metrics over a real spool and queue."""

from __future__ import annotations

import json

from prometheus_client.parser import text_string_to_metric_families

from .conftest import Made, MakeNode, related
from .test_jobs_api import PLAN, done


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
    assert found["groundglass_received_objects_total", "stow", "kept"] == 3
    assert found["groundglass_received_objects_total", "stow", "refused"] == 1
    size = sum(map(len, objects[:3]))
    assert found["groundglass_received_bytes_total", "stow"] == size
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
