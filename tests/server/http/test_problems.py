"""Problem documents: their form, and that no path of the server is in them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundglass.server.http.problems import HttpError, problem_response, without_paths


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/srv/node/spool/1.2.3/x.dcm is cut off", "x.dcm is cut off"),
        ("result '/srv/node/results/7' is full", "result '7' is full"),
        ("file C:\\node\\spool\\x.dcm is cut off", "file x.dcm is cut off"),
        ("use application/dicom+json", "use application/dicom+json"),
        ("see https://example.org/a/b/c", "see https://example.org/a/b/c"),
        ("1/2 of 3/4", "1/2 of 3/4"),
        ("line\nbreak\x00", "line break "),
    ],
)
def test_folders_are_cut_and_other_slashes_stay(text: str, shown: str) -> None:
    assert without_paths(text) == shown


@given(st.lists(st.sampled_from(["srv", "node-1", "a.b", "x_y"]), min_size=2), st.text(max_size=20))
def test_no_folder_of_an_absolute_path_survives(parts: list[str], tail: str) -> None:
    shown = without_paths(f"cannot read /{'/'.join(parts)}/name {tail}")
    assert shown.startswith("cannot read name")


def test_long_texts_are_bounded() -> None:
    assert len(without_paths("a" * 100_000)) == 1000


def test_form() -> None:
    answer = problem_response(404, "there is no job 7", {"X-Thing": "1"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-thing"] == "1"
    assert json.loads(answer.body) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "there is no job 7",
    }


def test_headers_of_a_refusal() -> None:
    refused = HttpError(503, "node is busy", remedy="Later", retry_after=5)
    assert str(refused) == "node is busy. Later."
    assert refused.headers() == {"Retry-After": "5"}
    assert HttpError(401, "x").headers() == {"WWW-Authenticate": 'Bearer realm="groundglass"'}
