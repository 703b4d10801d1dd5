"""STOW-RS: what is kept, what the answer lists, and which status it has."""

from __future__ import annotations

import errno
import io
import json
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from groundglass.server.http.parts import Part, PartSplitter

from .conftest import SAME_NODE, Made, MakeNode, related

URL = "/dicom-web/studies"


def changed(data: bytes, **values: str) -> bytes:
    """The object with other values, as a file."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    for name, value in values.items():
        setattr(dataset, name, value)
    if "SOPInstanceUID" in values:
        dataset.file_meta.MediaStorageSOPInstanceUID = values["SOPInstanceUID"]
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def post(node: Made, parts: list[bytes], url: str = URL, **headers: str):
    body, kind = related(parts)
    return node.client("submit").post(url, content=body, headers={"Content-Type": kind, **headers})


def uids(data: bytes) -> tuple[str, str, str]:
    dataset = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
    return dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID


def test_all_are_kept_and_listed(node: Made, objects: list[bytes]) -> None:
    answer = post(node, objects)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    listed = Dataset.from_json(answer.text)
    assert "FailedSOPSequence" not in listed
    found = [item.ReferencedSOPInstanceUID for item in listed.ReferencedSOPSequence]
    assert found == [uids(data)[2] for data in objects]
    study = node.spool.study(uids(objects[0])[0])
    assert study is not None
    assert study.instances == len(objects)
    for data in objects:
        _, series, sop = uids(data)
        assert study.path(series, sop).read_bytes() == data
    (origin,) = set(study.origins.values())
    assert (origin.via, origin.sender) == ("http", "submit")
    assert node.uploads_left == []


def test_the_same_again_is_listed_again(node: Made, objects: list[bytes]) -> None:
    first, second = post(node, objects[:3]), post(node, objects[:3])
    assert second.status_code == 200
    assert second.json() == first.json()


def test_some_fail_with_their_reasons(node: Made, objects: list[bytes]) -> None:
    kept = objects[0]
    other_content = changed(kept, PatientComments="other")
    answer = post(node, [kept, other_content, b"no DICOM", objects[1][:-100]])
    assert answer.status_code == 202
    body = answer.json()
    assert len(body["00081199"]["Value"]) == 1
    (failed,) = body["00081198"]["Value"]
    assert failed["00081155"]["Value"] == [uids(kept)[2]]
    assert failed["00081197"]["Value"] == [0x0111]
    assert [item["00081197"]["Value"] for item in body["0008119A"]["Value"]] == [[0xC000], [0xC000]]
    assert answer.headers["warning"].startswith('299 groundglass "3 not stored: ')


def test_none_kept_is_409(node: Made) -> None:
    answer = post(node, [b"no DICOM", b""])
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/dicom+json"
    assert "00081199" not in answer.json()


def test_the_study_of_the_address_is_asked_for(node: Made, objects: list[bytes]) -> None:
    study = uids(objects[0])[0]
    assert post(node, objects[:2], f"{URL}/{study}").status_code == 200
    answer = post(node, objects[2:4], f"{URL}/1.2.3")
    assert answer.status_code == 409
    reasons = [item["00081197"]["Value"] for item in answer.json()["00081198"]["Value"]]
    assert reasons == [[0xA900], [0xA900]]
    kept = node.spool.study(study)
    assert kept is not None
    assert kept.instances == 2


@settings(max_examples=60, deadline=None, suppress_health_check=[SAME_NODE])
@given(
    st.one_of(
        st.text(min_size=1, max_size=80),
        st.lists(
            st.sampled_from(["..", "%2e%2e", "%2f", "/", "\\", "1.2", "%00", "C:", "~", "etc"]),
            min_size=1,
            max_size=6,
        ).map("".join),
    )
)
def test_no_study_in_the_address_leaves_the_spool(
    node: Made, objects: list[bytes], study: str
) -> None:
    for shown in (quote(study, safe=""), quote(study, safe="%/\\~:")):
        address = f"{URL}/{shown}"
        if httpx.URL(f"http://x{address}").path == URL:
            continue  # the client itself resolved the dots: an ordinary request
        assert post(node, objects[:1], address).status_code in (400, 404, 405, 409)
    assert list(node.spool.studies()) == []
    assert {p.name for p in node.settings.folder.iterdir()} <= {
        "spool", "results", "audit.jsonl", "queue.sqlite", "queue.sqlite-wal", "queue.sqlite-shm"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/dicom", 415),
        ("", 415),
        ("multipart/form-data; boundary=b0und", 415),
        ('multipart/related; type="application/dicom+json"; boundary=b0und', 415),
        ("multipart/related; type=application/dicom", 400),
        ("multipart/related; boundary=other", 400),
        ("multipart/related; boundary=b0und", 200),
        ('Multipart/Related; TYPE="Application/DICOM"; boundary="b0und"', 200),
    ],
)
def test_content_types(node: Made, objects: list[bytes], kind: str, status: int) -> None:
    body, _ = related(objects[:1])
    answer = node.client("submit").post(URL, content=body, headers={"Content-Type": kind})
    assert answer.status_code == status
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert list(node.spool.studies()) == []


def test_parts_of_another_type_are_415(node: Made, objects: list[bytes]) -> None:
    body, kind = related(objects[:1], head="Content-Type: application/dicom+json")
    answer = node.client("submit").post(URL, content=body, headers={"Content-Type": kind})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/dicom+json", 200),
        ("text/html, application/*;q=0.5", 200),
        ("application/json", 200),
        ("application/dicom+xml", 406),
    ],
)
def test_accept(node: Made, objects: list[bytes], accept: str, status: int) -> None:
    assert post(node, objects[:1], Accept=accept).status_code == status


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "x" * 200, "gzip, identity"])
def test_compressed_bodies_are_refused(node: Made, objects: list[bytes], encoding: str) -> None:
    assert post(node, objects[:1], **{"Content-Encoding": encoding}).status_code == 415


def test_a_body_that_breaks_off_keeps_nothing(node: Made, objects: list[bytes]) -> None:
    body, kind = related(objects[:3])
    answer = node.client("submit").post(URL, content=body[:-10], headers={"Content-Type": kind})
    assert answer.status_code == 400
    assert list(node.spool.studies()) == []
    assert node.uploads_left == []


def test_an_empty_message_is_400(node: Made) -> None:
    assert post(node, []).status_code == 400


def test_too_large_bodies_objects_and_many_parts(node: Made, objects: list[bytes]) -> None:
    mib = 1 << 20
    too_many = post(node, [b"x"] * 41)
    too_large = post(node, [objects[0] + bytes(mib)])
    declared = post(node, [bytes(mib)] * 5)
    assert [a.status_code for a in (too_many, too_large, declared)] == [413, 413, 413]
    assert "limits.max_object_mib" in too_large.json()["detail"]
    assert list(node.spool.studies()) == []
    assert node.uploads_left == []


def test_a_body_without_a_length_is_limited_while_it_comes(node: Made) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield b"--b\r\n\r\n"
        while sent < 64 << 20:
            sent += 1 << 16
            yield bytes(1 << 16)

    node.client("submit")
    answer = node.client("submit").post(
        URL, content=endless(), headers={"Content-Type": "multipart/related; boundary=b"}
    )
    assert answer.status_code == 413
    assert node.uploads_left == []


def test_a_full_study_is_said_per_instance(make_node: MakeNode, objects: list[bytes]) -> None:
    node = make_node(limits={"max_instances": 2})
    assert post(node, objects[:2]).status_code == 200
    answer = post(node, objects[2:4])
    assert answer.status_code == 413
    assert len(answer.json()["00081198"]["Value"]) == 2


def test_a_full_disk_is_503(make_node: MakeNode, objects: list[bytes]) -> None:
    node = make_node(limits={"free_disk_mib": 1 << 40})
    answer = post(node, objects[:1])
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


def test_a_disk_that_fills_up_while_the_body_comes_is_503(
    node: Made, objects: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: PartSplitter, _chunk: bytes) -> list[Part]:
        raise OSError(errno.ENOSPC, "No space left on device", "/srv/node/spool")

    monkeypatch.setattr(PartSplitter, "write", full)
    answer = post(node, objects[:1])
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert "srv" not in answer.text
    assert node.uploads_left == []


def test_too_many_studies_waiting_is_503(make_node: MakeNode, objects: list[bytes]) -> None:
    node = make_node(limits={"max_studies_waiting": 1})
    assert post(node, objects[:1]).status_code == 200
    other = changed(objects[1], StudyInstanceUID="1.2.3")
    answer = post(node, [other])
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "60"
    assert json.loads(answer.text)["00081198"]["Value"][0]["00081197"]["Value"] == [0xA700]


@settings(max_examples=60, deadline=None, suppress_health_check=[SAME_NODE])
@given(st.data())
def test_damaged_bodies_never_fail_and_never_stay(
    node: Made, objects: list[bytes], data: st.DataObject
) -> None:
    body, kind = related(objects[:2])
    damaged = bytearray(body[: data.draw(st.integers(0, len(body)))])
    for _ in range(data.draw(st.integers(0, 8))):
        if damaged:
            place = data.draw(st.integers(0, min(400, len(damaged) - 1)))
            damaged[place] = data.draw(st.integers(0, 255))
    answer = node.client("submit").post(URL, content=bytes(damaged), headers={"Content-Type": kind})
    assert answer.status_code in (200, 202, 400, 409, 413, 415)
    assert node.uploads_left == []
