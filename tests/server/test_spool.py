"""Received objects: whole or absent, the same once, other content kept out, limits kept."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundglass.errors import BadObjectError, ConflictError, SpoolFullError, TooLargeError
from groundglass.server import disk
from groundglass.server.settings import Limits
from groundglass.server.spool import Receipt, Spool, check_uid
from groundglass.server.spooled_study import Origin

from .conftest import ORIGIN

MIB = 1 << 20


def put(
    spool: Spool, number: int = 1, data: bytes | Path = b"content", study: str = "1.2"
) -> Receipt:
    return spool.receive(study, "1.3", f"1.4.{number}", data, origin=ORIGIN)


def files(spool: Spool) -> list[str]:
    return sorted(str(path.relative_to(spool.folder)) for path in spool.folder.rglob("*.*"))


def test_an_object_is_kept_for_its_owner_alone(spool: Spool) -> None:
    receipt = put(spool)
    assert receipt.is_new
    assert receipt.path.read_bytes() == b"content"
    assert receipt.path == spool.folder / "studies" / "1.2" / "1.3" / "1.4.1.dcm"
    assert receipt.path.stat().st_mode & 0o777 == 0o600
    assert receipt.path.parent.stat().st_mode & 0o777 == 0o700
    study = spool.study("1.2")
    assert study
    assert (study.series, study.origins, study.size_bytes) == (
        {"1.3": ("1.4.1",)},
        {"1.3": ORIGIN},
        7,
    )
    assert list(spool.incoming.iterdir()) == []


def test_a_part_is_used_up_and_another_path_is_not(spool: Spool, tmp_path: Path) -> None:
    part, own = spool.new_part(), tmp_path / "own"
    for path in (part, own):
        path.write_bytes(b"streamed")
    assert put(spool, 1, part).path.read_bytes() == b"streamed"
    assert put(spool, 2, own).path.read_bytes() == b"streamed"
    assert (part.exists(), own.exists()) == (False, True)


def test_the_same_again_changes_nothing(spool: Spool) -> None:
    first, again = put(spool), put(spool)
    assert (first.is_new, again.is_new) == (True, False)
    assert first.path == again.path


def test_other_content_under_a_known_uid_is_kept_out(spool: Spool) -> None:
    put(spool)
    for other in (b"CONTENT", b"content and more", b""):
        with pytest.raises(ConflictError, match=r"1\.4\.1 came with other content"):
            put(spool, data=other)
        part = spool.new_part()
        part.write_bytes(other)
        with pytest.raises(ConflictError):
            put(spool, data=part)
    assert put(spool).path.read_bytes() == b"content"
    assert list(spool.incoming.iterdir()) == []


def part10(meta: bytes, data: bytes) -> bytes:
    length = len(meta).to_bytes(4, "little")
    return b"\0" * 128 + b"DICM\x02\x00\x00\x00UL\x04\x00" + length + meta + data


def test_the_same_data_set_behind_other_file_meta_is_the_same(spool: Spool, tmp_path: Path) -> None:
    """One object may come by C-STORE and by HTTP; each front writes its own file meta."""
    put(spool, data=part10(b"from one", b"pixels"))
    other = part10(b"from another, longer", b"pixels")
    own = tmp_path / "own"
    own.write_bytes(other)
    assert not put(spool, data=other).is_new
    assert not put(spool, data=own).is_new
    with pytest.raises(ConflictError):
        put(spool, data=part10(b"from one", b"pixelz"))


@pytest.mark.parametrize(
    "uid", ["", "..", "1..2", ".1", "1.", "1.2/3", "1.2\n", "a.b", "1" * 65, "１.2", "1.2\0", "/1"]
)
def test_only_uids_become_names(spool: Spool, uid: str) -> None:
    for uids in ((uid, "1.3", "1.4"), ("1.2", uid, "1.4"), ("1.2", "1.3", uid)):
        with pytest.raises(BadObjectError, match="numbers with points"):
            spool.receive(*uids, b"x", origin=ORIGIN)
    assert files(spool) == []


@given(st.text("0123456789./\\\0١ -a", max_size=70))
def test_any_text_is_a_uid_or_refused(uid: str) -> None:
    try:
        check_uid("study", uid)
    except BadObjectError:
        return
    assert set(uid) <= set("0123456789.")
    assert 1 <= len(uid) <= 64
    assert Path("a", uid).name == uid


def limited(tmp_path: Path, **limits: int) -> Spool:
    return Spool(tmp_path / "limited", Limits(**({"free_disk_mib": 0} | limits)))


def test_large_objects_and_studies_are_refused(tmp_path: Path) -> None:
    spool = limited(tmp_path, max_object_mib=1, max_study_mib=2, max_instances=3)
    with pytest.raises(TooLargeError, match=r"1\.0 MiB; expected at most 1 MiB"):
        put(spool, data=b"x" * (MIB + 1))
    put(spool, 1, b"x" * MIB)
    put(spool, 2, b"x" * (MIB - 1))
    with pytest.raises(TooLargeError, match="max_study_mib"):
        put(spool, 3, b"xx")
    put(spool, 3, b"x")
    with pytest.raises(TooLargeError, match="max_instances"):
        put(spool, 4, b"")
    assert put(spool, 3, b"x").is_new is False
    put(Spool(spool.folder, spool.limits), 1, b"x", study="1.9")
    with pytest.raises(TooLargeError, match="max_instances"):  # counted anew from the disk
        put(Spool(spool.folder, spool.limits), 4, b"")


def test_too_many_studies_wait_until_one_is_settled(tmp_path: Path) -> None:
    spool = limited(tmp_path, max_studies_waiting=2)
    put(spool, study="1.1")
    put(spool, study="1.2")
    with pytest.raises(SpoolFullError, match="2 studies are waiting"):
        put(spool, study="1.3")
    put(spool, 2, study="1.1")  # a study that has begun may go on
    study = spool.study("1.2")
    assert study
    assert spool.mark_settled(study)
    put(spool, study="1.3")


def test_free_disk_is_kept(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", Limits(free_disk_mib=10**9))
    with pytest.raises(SpoolFullError, match=r"limits\.free_disk_mib"):
        put(spool)
    with pytest.raises(SpoolFullError):
        spool.check_free_disk()
    assert files(spool) == []


def test_a_disk_that_fills_up_keeps_whole_objects_only(small_disk: Path) -> None:
    spool = Spool(small_disk / "spool", Limits(free_disk_mib=0))
    put(spool, 1, b"x" * 600_000)
    with pytest.raises(SpoolFullError):
        put(spool, 2, b"y" * 600_000)
    study = spool.study("1.2")
    assert study
    assert study.series == {"1.3": ("1.4.1",)}
    assert list(spool.incoming.iterdir()) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_write_that_fails_leaves_nothing(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fail(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(disk.os, "fsync", fail)
    with pytest.raises(SpoolFullError, match="disk is full" if code == errno.ENOSPC else "written"):
        put(spool)
    monkeypatch.undo()
    assert files(spool) == []
    assert put(spool).is_new


def test_a_study_is_quiet_when_nothing_comes(spool: Spool) -> None:
    put(spool, 1)
    put(spool, 2)
    study = spool.study("1.2")
    assert study
    last = study.last_received
    assert spool.quiet_studies(last + 29, 30) == []
    assert [one.study_uid for one in spool.quiet_studies(last + 30, 30)] == ["1.2"]
    spool.mark_submitted(study)
    assert spool.quiet_studies(last + 30, 30) == []
    put(spool, 3)
    (more,) = spool.quiet_studies(last + 1000, 30)
    assert more.content != study.content
    assert more.instances == 3


def test_new_objects_unsettle_a_study(spool: Spool) -> None:
    put(spool, 1)
    before = spool.study("1.2")
    assert before
    assert spool.mark_settled(before)
    assert (spool.waiting(), list(spool.studies(unsettled=True))) == (0, [])
    put(spool, 1)
    assert spool.waiting() == 0
    put(spool, 2)
    assert spool.waiting() == 1
    assert not spool.mark_settled(before)
    assert not spool.remove(before)
    after = spool.study("1.2")
    assert after
    assert after.instances == 2
    assert spool.mark_settled(after)
    assert spool.remove(after)
    assert spool.study("1.2") is None
    assert not spool.remove(after)
    assert list(spool.incoming.iterdir()) == []
    assert put(spool, 1).is_new


def test_what_killed_receivers_left_is_cleaned_up(spool: Spool) -> None:
    put(spool)
    spool.new_part().write_bytes(b"half an obj")
    (spool.folder / "studies" / "1.9" / "1.3").mkdir(parents=True)
    assert spool.clean() == 2
    assert spool.clean() == 0
    assert [study.study_uid for study in spool.studies()] == ["1.2"]


def test_the_senders_name_is_the_first_ones(spool: Spool) -> None:
    put(spool, 1)
    spool.receive("1.2", "1.3", "1.4.2", b"x", origin=Origin("http", "::1", "token"))
    study = spool.study("1.2")
    assert study
    assert study.origins == {"1.3": ORIGIN}


def test_many_senders_at_once(spool: Spool) -> None:
    new: list[int] = []
    failed: list[int] = []
    start = threading.Barrier(6)

    def send(number: int, content: Callable[[int], bytes]) -> None:
        start.wait()
        for n in range(15):
            try:
                if put(spool, n, content(n)).is_new:
                    new.append(n)
            except ConflictError:
                failed.append(number)

    same = [threading.Thread(target=send, args=(0, lambda n: b"%d" % n)) for _ in range(5)]
    other = threading.Thread(target=send, args=(1, lambda n: b"%d!" % n))
    for thread in (*same, other):
        thread.start()
    for thread in (*same, other):
        thread.join(60)
    assert sorted(new) == list(range(15))  # each UID is kept once, whoever came first
    study = spool.study("1.2")
    assert study
    assert study.instances == 15
    assert len(failed) >= 15
