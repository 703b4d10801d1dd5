"""Who may do what: tokens, scopes, rates, web pages, headers, and what the log does not say."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from groundglass.errors import QueueError
from groundglass.server.http.guard import OPEN_PATHS
from groundglass.server.http.headers import COMMON

from .conftest import Made, MakeNode, related
from .test_stow import changed


def routes(node: Made) -> list[tuple[str, str]]:
    """Every method and address that the OpenAPI document and the router know."""
    paths = node.app.openapi()["paths"]
    found = [(method.upper(), path) for path, item in paths.items() for method in item]
    return [*found, ("GET", "/api/v1/openapi.json"), ("GET", "/nothing")]


NEEDED = {
    ("POST", "/dicom-web/studies"): "submit",
    ("POST", "/dicom-web/studies/{study_uid}"): "submit",
    ("POST", "/api/v1/studies"): "submit",
    ("GET", "/api/v1/jobs"): "read",
    ("GET", "/api/v1/jobs/{job_id}"): "read",
    ("DELETE", "/api/v1/jobs/{job_id}"): "admin",
    ("GET", "/api/v1/jobs/{job_id}/results"): "read",
    ("GET", "/api/v1/jobs/{job_id}/results/{name}"): "read",
    ("GET", "/ready"): "read",
    ("GET", "/metrics"): "read",
}


def test_every_route_needs_a_token_but_health(node: Made) -> None:
    for token in (None, "wrong"):
        for method, path in routes(node):
            answer = node.client(token).request(method, path)
            if path in OPEN_PATHS:
                assert answer.status_code == 200
                continue
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.headers["content-type"] == "application/problem+json"


def test_every_route_needs_its_scope(node: Made) -> None:
    known = {(m, p) for m, p in routes(node) if p not in (*OPEN_PATHS, "/nothing")}
    assert known - {("GET", "/api/v1/openapi.json")} == set(NEEDED)
    for (method, path), scope in NEEDED.items():
        for token in ("submit", "read", "admin"):
            status = node.client(token).request(method, path).status_code
            assert (status == 403) == (token not in (scope, "admin")), (method, path, token)
            assert status != 500


def test_unknown_addresses_and_methods_are_problems(node: Made) -> None:
    for method, path, status in (
        ("GET", "/nothing", 404),
        ("GET", "/docs", 404),
        ("GET", "/dicom-web/studies", 405),
        ("PUT", "/api/v1/jobs", 405),
        ("GET", "/api/v1/jobs/", 404),
    ):
        answer = node.client().request(method, path)
        assert answer.status_code == status, path
        assert answer.headers["content-type"] == "application/problem+json"


def test_every_answer_has_the_security_headers(node: Made) -> None:
    for token, path in ((None, "/health"), ("admin", "/metrics"), (None, "/x"), ("admin", "/x")):
        answer = node.client(token).get(path)
        for name, value in COMMON.items():
            assert answer.headers[name] == value
        assert "strict-transport-security" not in answer.headers
        assert "access-control-allow-origin" not in answer.headers
    client = node.client(None)
    client.base_url = "https://127.0.0.1"
    assert "strict-transport-security" in client.get("/health").headers


def test_no_telemetry_even_where_the_environment_asks_for_it(
    make_node: MakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    app = make_node().app
    native = getattr(app, "_native_telemetry", None)
    if native is None:
        pytest.skip("this FastAPI has no telemetry")
    assert not native.enabled()
    assert app._telemetry["auto_configure"] is False


def test_the_rate_is_limited_per_token_and_for_guesses(make_node: MakeNode) -> None:
    node = make_node(http={"rate_per_minute": 3})
    reader = [node.client("read").get("/api/v1/jobs") for _ in range(4)]
    assert [answer.status_code for answer in reader] == [200, 200, 200, 429]
    assert 1 <= int(reader[-1].headers["retry-after"]) <= 20
    assert node.client("admin").get("/api/v1/jobs").status_code == 200
    guesses = [node.client(f"guess-{n}").get("/api/v1/jobs").status_code for n in range(4)]
    assert guesses == [401, 401, 401, 429]
    assert node.client("admin").get("/api/v1/jobs").status_code == 200
    assert node.client(None).get("/health").status_code == 200


def test_without_tokens_programs_here_may_all_and_web_pages_nothing(make_node: MakeNode) -> None:
    node = make_node(http={"tokens": []})
    client = node.client(None)
    for headers in ({}, {"Host": "localhost:8080"}, {"Host": "[::1]:8080"}):
        assert client.get("/api/v1/jobs", headers=headers).status_code == 200
    assert client.delete("/api/v1/jobs/x").status_code == 404
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:8080"},
        {"Host": "localhost@evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        answer = client.get("/api/v1/jobs", headers=headers)
        assert answer.status_code == 403, headers
    same = {"Origin": "http://localhost:8080", "Host": "localhost:8080"}
    assert client.get("/api/v1/jobs", headers=same).status_code == 200


def test_too_many_uploads_at_once_are_503(make_node: MakeNode, objects: list[bytes]) -> None:
    node = make_node(http={"max_uploads": 1})
    node.app.state.node.uploads._taken = 1
    body, kind = related(objects[:1])
    for url in ("/dicom-web/studies", "/api/v1/studies"):
        answer = node.client().post(url, content=body, headers={"Content-Type": kind})
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"


def test_a_fault_of_ours_says_nothing_to_the_client_and_no_value_to_the_log(
    node: Made, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    text = "^".join(("DOE", "JANE is in /srv/secret"))

    def fail(*_args: Any, **_values: Any) -> None:
        raise RuntimeError(text)

    monkeypatch.setattr(type(node.jobs), "list", fail)
    answer = node.client().get("/api/v1/jobs")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "DOE^JANE" not in answer.text + caplog.text
    assert "RuntimeError in /api/v1/jobs" in caplog.text


def test_a_database_that_is_gone_is_503_without_its_address(
    node: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any, **_values: Any) -> None:
        raise QueueError("database postgresql://db.intern/x cannot be used")

    for name in ("list", "counts", "workers"):
        monkeypatch.setattr(type(node.jobs), name, fail)
    for path in ("/api/v1/jobs", "/metrics", "/ready"):
        answer = node.client().get(path)
        assert answer.status_code == 503
        assert "intern" not in answer.text


def test_the_log_names_routes_and_tokens_and_no_uid_or_patient(
    node: Made, objects: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    named = changed(objects[0], PatientName="DOE^JANE", PatientID="4711", StudyInstanceUID="1.9.9")
    body, kind = related([named, named[:-9], b"DOE^JANE"])
    client = node.client("submit")
    for url in ("/dicom-web/studies", "/dicom-web/studies/1.9.9", "/dicom-web/studies/9.9.1"):
        client.post(url, content=body, headers={"Content-Type": kind})
    client.post("/api/v1/studies", content=named)
    client.post("/api/v1/studies", content=b"DOE^JANE")
    node.client("read").get("/api/v1/jobs?study_uid=1.9.9")
    ours = "\n".join(r.getMessage() for r in caplog.records if not r.name.startswith("httpx"))
    assert "POST /dicom-web/studies/{study_uid} 202 " in ours
    assert "by submit" in ours
    for secret in ("DOE", "4711", "1.9.9", "9.9.1", "Bearer"):
        assert secret not in ours
