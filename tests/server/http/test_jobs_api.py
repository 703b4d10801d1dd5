"""Jobs by REST: paging, detail, cancel, and downloads that never leave the result folder."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundglass.server.http.results import result_files
from groundglass.server.job import Job, Plan

from .conftest import SAME_NODE, Made

PLAN = Plan(rule="every CT", series={"1.2.4": ["1.2.5"]})


def plan(number: int) -> Plan:
    """A plan that is another job than that of another number."""
    return Plan(rule="every CT", series={"1.2.4": [f"1.2.5.{number}"]})


FILES = ("findings.json", "report.html", "lungs.nii.gz", "dicom/seg.dcm", "dicom/sr.dcm")


def done(node: Made, study: str = "1.2.3", send_to: tuple[str, ...] = ()) -> Job:
    """A finished job with a result folder, beside things that are nobody's business."""
    job, _ = node.jobs.submit(study, PLAN)
    claimed = node.jobs.claim("worker")
    assert claimed is not None
    node.jobs.finish(claimed[1], {"folder": f"result-{study}"}, send_to=send_to)
    folder = node.settings.results_folder / f"result-{study}"
    (folder / "dicom").mkdir(parents=True)
    for name in (*FILES, "secret.txt", "dicom/notes.txt"):
        (folder / name).write_text(name)
    (folder / "dicom" / "link.dcm").symlink_to(node.settings.folder / "queue.sqlite")
    (folder / "run.json").symlink_to("/etc/passwd")
    (node.settings.results_folder / "findings.json").write_text("outside")
    found = node.jobs.get(job.id)
    assert found is not None
    return found


def test_paging(node: Made) -> None:
    ids = [node.jobs.submit("1.2.3", plan(n))[0].id for n in range(5)]
    client = node.client("read")
    url: str | None = "/api/v1/jobs?limit=2&study_uid=1.2.3&state=waiting"
    seen, pages = [], 0
    while url:
        page = client.get(url).json()
        seen += [job["id"] for job in page["jobs"]]
        url, pages = page["next"], pages + 1
    assert sorted(seen) == sorted(ids)
    assert pages == 3
    assert client.get("/api/v1/jobs?study_uid=9").json() == {"jobs": [], "next": None}


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=501",
        "limit=x",
        "offset=-1",
        "state=lost",
        "study_uid=" + "1" * 65,
        "study_uid=1%00",
    ],
)
def test_bad_parameters_are_422_and_not_repeated(node: Made, query: str) -> None:
    answer = node.client("read").get(f"/api/v1/jobs?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert query.split("=")[0] in answer.json()["detail"]
    assert "1" * 65 not in answer.text


def test_a_job_with_its_error_and_deliveries(node: Made) -> None:
    job, _ = node.jobs.submit("1.2.3", PLAN)
    claimed = node.jobs.claim("worker")
    assert claimed is not None
    node.jobs.fail(claimed[1], "scan /srv/node/x.dcm has 3 gaps", can_retry=False)
    shown = node.client("read").get(f"/api/v1/jobs/{job.id}").json()
    assert shown["job"]["state"] == "failed"
    assert shown["job"]["error"] == "scan x.dcm has 3 gaps"
    assert shown["job"]["rule"] == "every CT"
    assert shown["deliveries"] == []
    sent = done(node, "1.2.9", send_to=("archive",))
    (delivery,) = node.client("read").get(f"/api/v1/jobs/{sent.id}").json()["deliveries"]
    assert delivery == {
        "peer": "archive", "state": "waiting", "tries": 0, "sent": 0, "error": None
    }  # fmt: skip


def test_cancel(node: Made) -> None:
    job, _ = node.jobs.submit("1.2.3", PLAN)
    client = node.client("admin")
    assert client.delete(f"/api/v1/jobs/{job.id}").status_code == 204
    found = node.jobs.get(job.id)
    assert found is not None
    assert found.state == "canceled"
    again = client.delete(f"/api/v1/jobs/{job.id}")
    assert again.status_code == 409
    assert "is canceled" in again.json()["detail"]
    audit = node.settings.audit_file.read_text()
    assert '"event": "canceled"' in audit
    assert '"sender": "admin"' in audit
    assert "1.2.3" not in audit


def test_results_are_listed_and_downloaded(node: Made) -> None:
    job = done(node)
    client = node.client("read")
    files = client.get(f"/api/v1/jobs/{job.id}/results").json()["files"]
    assert [file["name"] for file in files] == sorted(FILES)
    for file in files:
        answer = client.get(file["address"])
        assert answer.text == file["name"]
        assert answer.headers["content-type"] == file["media_type"]
        assert int(answer.headers["content-length"]) == file["size_bytes"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get(f"/api/v1/jobs/{job.id}/results/nothing").status_code == 404
    waiting, _ = node.jobs.submit("1.2.4", PLAN)
    assert client.get(f"/api/v1/jobs/{waiting.id}/results").json() == {"files": []}


def test_the_report_is_shown_in_a_sandbox_and_masks_are_saved(node: Made) -> None:
    base = f"/api/v1/jobs/{done(node).id}/results"
    report = node.client("read").get(f"{base}/report.html")
    policy = report.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "script-src" not in policy
    assert "content-disposition" not in report.headers
    mask = node.client("read").get(f"{base}/lungs.nii.gz")
    assert mask.headers["content-disposition"] == 'attachment; filename="lungs.nii.gz"'
    assert mask.headers["cache-control"] == "no-store"


TRICKS = (
    *("..", "../", "%2e%2e", "/", "//", "%2f", "\\", "%00", ".", "~", "etc/passwd", "queue.sqlite"),
    *("dicom", "findings.json", "link.dcm", "notes.txt", "run.json", "secret.txt"),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[SAME_NODE])
@given(
    st.one_of(
        st.lists(st.sampled_from(TRICKS), min_size=1, max_size=6).map("".join),
        st.text(min_size=1, max_size=60).map(lambda text: quote(text, safe="/")),
    )
)
def test_no_name_leads_out_of_the_result(node: Made, name: str) -> None:
    job = next(iter(node.jobs.list(study_uid="1.2.3")), None) or done(node)
    for url in (f"/api/v1/jobs/{job.id}/results/{name}", f"/api/v1/jobs/{name}/results"):
        answer = node.client("read").get(url)
        if answer.status_code == 200:
            allowed = answer.text in FILES or answer.headers["content-type"] == "application/json"
            assert allowed, url
            assert "outside" not in answer.text
            assert "root:" not in answer.text
        else:
            assert answer.status_code in (404, 405, 422), url


@pytest.mark.parametrize("name", ["1%00", "%00", "1%2F2", "%F0%9F%98%80", "1%0D%0AX:1"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_no_id_of_odd_characters_reaches_the_database(
    node: Made, method: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node.jobs, "get", lambda job_id: pytest.fail(f"asked for {job_id!r}"))
    assert node.client().request(method, f"/api/v1/jobs/{name}").status_code in (404, 422)


@pytest.mark.parametrize("folder", ["..", ".", "", "a/b", "/etc", None, 3, "absent"])
def test_a_result_folder_that_is_no_name_has_no_files(
    node: Made, tmp_path: Path, folder: object
) -> None:
    job = done(node)
    (tmp_path / "findings.json").write_text("outside")
    values = {**vars(job), "result": {"folder": folder}}
    assert result_files(Job(**values), node.settings.results_folder) == []
    assert result_files(Job(**{**values, "result": None}), node.settings.results_folder) == []


def test_openapi_says_scopes_examples_and_descriptions(node: Made) -> None:
    document = node.client("read").get("/api/v1/openapi.json").json()
    for path, item in document["paths"].items():
        for operation in item.values():
            assert operation["summary"]
            assert operation["description"]
            assert path == "/health" or operation["security"] == [{"token": []}]
    text = str(document)
    assert "Research use only" in text
    assert "'examples': ['findings.json']" in text
    assert os.fspath(node.settings.folder) not in text
