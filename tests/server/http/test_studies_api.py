"""Submitting by REST: zips, single files, forms; what is refused and what an upload answers."""

from __future__ import annotations

import gzip
import hashlib
import io
import tracemalloc
import zipfile
import zlib

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import SAME_NODE, Made, MakeNode, related
from .test_stow import changed, uids

URL = "/api/v1/studies"


def packed(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def post(node: Made, body: bytes, kind: str = "application/octet-stream", **headers: str):
    headers = {"Content-Type": kind, **headers}
    return node.client("submit").post(URL, content=body, headers=headers)


def test_a_zip_of_a_study(node: Made, objects: list[bytes]) -> None:
    files = {f"CT/{n:03d}.dcm": data for n, data in enumerate(objects)}
    answer = post(node, packed({**files, "README.txt": b"hello", "CT/": b""}), "application/zip")
    study = uids(objects[0])[0]
    assert answer.status_code == 202
    assert answer.json() == {
        "studies": [{"study_uid": study, "objects": 16, "jobs": f"/api/v1/jobs?study_uid={study}"}],
        "refused_count": 0,
        "refused": [],
        "ignored_count": 1,
        "quiet_seconds": 30.0,
    }
    kept = node.spool.study(study)
    assert kept is not None
    assert kept.instances == 16
    assert node.uploads_left == []


def test_a_single_object_and_a_form(node: Made, objects: list[bytes]) -> None:
    assert post(node, objects[0]).json()["studies"][0]["objects"] == 1
    form = node.client("submit").post(
        URL,
        files=[
            ("file", ("../../evil.dcm", objects[1])),
            ("file", ("more.zip", packed({"a": objects[2], "b": objects[3]}))),
        ],
    )
    assert form.status_code == 202
    assert form.json()["studies"][0]["objects"] == 3
    body, kind = related(objects[4:6])
    assert post(node, body, kind).json()["studies"][0]["objects"] == 2


def test_several_studies_in_one_zip(node: Made, objects: list[bytes]) -> None:
    other = changed(objects[1], StudyInstanceUID="1.2.3")
    answer = post(node, packed({"a": objects[0], "b": other}))
    assert sorted(one["objects"] for one in answer.json()["studies"]) == [1, 1]
    assert len(list(node.spool.studies())) == 2


def test_a_refused_object_is_named_by_number_and_reason(node: Made, objects: list[bytes]) -> None:
    answer = post(node, packed({"a": objects[0], "b": objects[1][:-50]}))
    assert answer.status_code == 202
    assert answer.json()["refused_count"] == 1
    (refused,) = answer.json()["refused"]
    assert refused["file"] == 2
    assert "DICOM object" in refused["reason"]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 415, "neither DICOM nor a zip"),
        (b"hello", 415, "neither DICOM nor a zip"),
        (b"\x1f\x8b" + bytes(500), 400, "header cannot be read"),
        (bytes(344) + b"n+1\0" + bytes(100), 400, "has the shape (0,)"),
        (packed({}), 415, "no DICOM"),
        (packed({"a.txt": b"x"}), 415, "no DICOM"),
        (packed({"../a": b"x"}), 400, "leaves its folder"),
        (packed({"/etc/a": b"x"}), 400, "leaves its folder"),
        (packed({"a\\..\\..\\b": b"x"}), 400, "leaves its folder"),
        (packed({"a": bytes(5 << 20)}), 400, "unpacks to 5242880 bytes"),
        (packed({str(n): b"" for n in range(81)}), 400, "81 members"),
        (packed({"a": b"x"})[:-20], 400, "damaged"),
        (packed({"a": b"x" * 300}, zipfile.ZIP_LZMA), 400, "compressed"),
        (bytes(128) + b"DICM" + bytes(300), 409, "no object could be kept"),
    ],
    ids=range(14),
)
def test_what_is_refused(node: Made, body: bytes, status: int, said: str) -> None:
    answer = post(node, body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.json()["detail"]
    assert str(node.settings.folder) not in answer.text
    assert list(node.spool.studies()) == []
    assert node.uploads_left == []


def nifti(shape: tuple[int, ...], *, claimed: tuple[int, ...] = ()) -> bytes:
    """A packed NIfTI file; `claimed` replaces the shape in its header."""
    image = nibabel.Nifti1Image(np.zeros(shape, np.int16), np.eye(4))
    data = bytearray(image.to_bytes())
    for axis, extent in enumerate(claimed):
        data[42 + 2 * axis : 44 + 2 * axis] = extent.to_bytes(2, "little")
    return gzip.compress(bytes(data))


def test_nifti_is_a_job_of_its_own_at_once(node: Made, objects: list[bytes]) -> None:
    data = nifti((4, 5, 6))
    first, again = post(node, data), post(node, data)
    assert first.status_code == 202
    assert again.json() == first.json()
    (study,) = first.json()["studies"]
    (job,) = node.jobs.list(study_uid=study["study_uid"])
    assert job.plan.upload is not None
    kept = node.settings.uploads_folder / job.plan.upload
    assert kept.read_bytes() == data
    assert kept.name == hashlib.sha256(data).hexdigest()[:32] + ".nii.gz"
    assert kept.stat().st_mode & 0o077 == 0
    assert node.client("read").get(study["jobs"]).json()["jobs"][0]["rule"] == "upload"
    plain = gzip.decompress(data)
    both = node.client("submit").post(URL, files=[("a", plain), ("b", objects[0])])
    assert [one["objects"] for one in both.json()["studies"]] == [1, 1]
    assert len(node.jobs.list()) == 2
    assert node.uploads_left == []


def test_nifti_that_claims_more_than_the_limit(make_node: MakeNode) -> None:
    node = make_node()
    bomb = nifti((4, 5, 6), claimed=(30_000, 30_000, 30_000))
    answer = post(node, bomb)
    assert answer.status_code == 413
    assert "54000000000000 bytes" in answer.json()["detail"]
    assert post(node, nifti((5, 6))).status_code == 400
    assert node.jobs.list() == []
    assert list(node.settings.folder.glob("uploads/*")) == []


@settings(max_examples=80, deadline=None, suppress_health_check=[SAME_NODE])
@given(st.data())
def test_damaged_nifti_is_refused_or_queued_and_no_more(node: Made, data: st.DataObject) -> None:
    plain = bytearray(gzip.decompress(nifti((2, 3, 4))))
    for _ in range(data.draw(st.integers(0, 6))):
        plain[data.draw(st.integers(0, 355))] = data.draw(st.integers(0, 255))
    body = bytes(plain[: data.draw(st.one_of(st.none(), st.integers(0, len(plain))))])
    if data.draw(st.booleans()):
        body = gzip.compress(body)
        body = body[: data.draw(st.one_of(st.none(), st.integers(0, len(body))))]
    assert post(node, body).status_code in (202, 400, 413, 415, 503)
    assert node.uploads_left == []


def test_nifti_of_an_unknown_type_of_value(node: Made) -> None:
    plain = bytearray(gzip.decompress(nifti((2, 3, 4))))
    plain[70:72] = (77).to_bytes(2, "little")  # datatype
    answer = post(node, bytes(plain))
    assert answer.status_code == 400
    assert "header cannot be read (KeyError)" in answer.json()["detail"]


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_both_versions_of_nifti(node: Made, kind: type) -> None:
    data = kind(np.zeros((4, 5, 6), np.float32), np.eye(4)).to_bytes()
    assert post(node, data).status_code == 202
    assert post(node, gzip.compress(data)).status_code == 202


def test_a_packed_bomb_behind_a_header_is_not_unpacked(node: Made) -> None:
    """An extension of 1 GiB of zeros: a reader of the whole header would hold it in memory."""
    head = bytearray(gzip.decompress(nifti((2, 2, 2)))[:352])
    head[108:112] = np.float32(2**30).tobytes()  # where the values begin
    head[348] = 1  # there are extensions
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = packer.compress(bytes(head) + (2**30 - 352).to_bytes(4, "little") + bytes(4))
    packed += b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    tracemalloc.start()
    try:
        answer = post(node, packed)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status_code == 202
    assert peak_bytes < 8 << 20


def test_a_bad_nifti_beside_good_objects_keeps_nothing(node: Made, objects: list[bytes]) -> None:
    files = [("a", objects[0]), ("b", nifti((5, 6)))]
    assert node.client("submit").post(URL, files=files).status_code == 400
    assert list(node.spool.studies()) == []


def test_zips_are_counted_together(node: Made) -> None:
    half = packed({"a": bytes(3 << 20)})
    files = [("a", half), ("b", half)]
    answer = node.client("submit").post(URL, files=files)
    assert answer.status_code == 400
    assert "unpacks to 3145728 bytes; expected at most 1048576" in answer.json()["detail"]
    many = packed({str(n): b"" for n in range(50)})
    answer = node.client("submit").post(URL, files=[("a", many), ("b", many)])
    assert answer.status_code == 400
    assert "50 members; expected at most 30" in answer.json()["detail"]
    assert node.uploads_left == []


def test_nifti_waits_like_a_study(make_node: MakeNode) -> None:
    node = make_node(limits={"max_studies_waiting": 1})
    assert post(node, nifti((4, 5, 6))).status_code == 202
    answer = post(node, nifti((4, 5, 7)))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")


def test_limits_of_the_body(node: Made) -> None:
    assert post(node, bytes(5 << 20)).status_code == 413
    assert post(node, b"x", **{"Content-Encoding": "gzip"}).status_code == 415


def test_a_full_disk(make_node: MakeNode, objects: list[bytes]) -> None:
    node = make_node(limits={"free_disk_mib": 1 << 40})
    assert post(node, objects[0]).status_code == 503


@settings(max_examples=80, deadline=None, suppress_health_check=[SAME_NODE])
@given(st.data())
def test_damaged_zips_never_fail_and_never_stay(
    node: Made, objects: list[bytes], data: st.DataObject
) -> None:
    body = bytearray(packed({"a": objects[0][:400], "b/c": b"text" * 30}))
    for _ in range(data.draw(st.integers(1, 10))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(body))))
    answer = post(node, bytes(body[:cut]))
    assert answer.status_code in (202, 400, 409, 413, 415)
    assert node.uploads_left == []
