"""Zips from strangers: bombs, ways out of the folder, links, archives in archives."""

from __future__ import annotations

import contextlib
import shutil
import stat
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundglass.errors import GroundglassError, UnreadableError
from groundglass.io import archive
from groundglass.io.archive import extract_zip
from groundglass.io.limits import ReadLimits
from groundglass.io.read import read_scan

from .dicom_builder import chest, write_series


def packed(path: Path, members: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", how) as out:
        for name, data in members.items():
            out.writestr(zipfile.ZipInfo(name), data, how)
    return path


def extracted(path: Path, folder: Path) -> list[str]:
    folder.mkdir()
    extract_zip(path, folder)
    return sorted(str(found.relative_to(folder)) for found in folder.rglob("*") if found.is_file())


@pytest.mark.parametrize(
    "name",
    ["../up", "a/../../up", "/etc/up", "C:/up", "C:up", "..\\up", "\\\\host\\up", "a\0b", "."],
)
def test_ways_out_of_the_folder(tmp_path: Path, name: str) -> None:
    path = packed(tmp_path / "a.zip", {"xxxxxxxx": b"x"})
    data = path.read_bytes()
    raw = name.encode()
    old = struct.pack("<H", 8)
    # Names as an attacker writes them: zipfile would clean them on the way in.
    head, rest = data.index(b"xxxxxxxx"), data.rindex(b"xxxxxxxx")
    local = data[:26] + struct.pack("<H", len(raw)) + data[28:head] + raw
    body = data[head + 8 : data.index(b"PK\x01\x02")]
    central = bytearray(data[data.index(b"PK\x01\x02") : rest])
    assert central[28:30] == old
    central[28:30] = struct.pack("<H", len(raw))
    directory = bytes(central) + raw
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(directory), len(local + body), 0)
    path.write_bytes(local + body + directory + end)
    with pytest.raises(UnreadableError, match=r"a\.zip"):
        extracted(path, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "out"]


def test_links_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as out:
        for kind, name in ((stat.S_IFLNK, "link"), (stat.S_IFIFO, "pipe"), (stat.S_IFREG, "file")):
            info = zipfile.ZipInfo(name)
            info.external_attr = (kind | 0o644) << 16
            out.writestr(info, "../secret")
    assert extracted(tmp_path / "a.zip", tmp_path / "out") == ["file"]
    assert not (tmp_path / "out" / "file").is_symlink()


def test_bomb_by_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path / "a.zip", {"a": bytes(1 << 20)})
    assert extracted(path, tmp_path / "small") == ["a"]  # small ones may: empty masks do
    monkeypatch.setattr(archive, "LIMITS", ReadLimits(archive_ratio_from_bytes=1 << 19))
    with pytest.raises(UnreadableError, match=r"1048576 bytes, \d+ times.*at most 200 times"):
        extracted(path, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_a_million_members(tmp_path: Path) -> None:
    """The list alone takes over a gigabyte once read; its length is seen before that."""
    count, path = 1_000_000, tmp_path / "a.zip"
    records = np.zeros((count, 46 + 6), np.uint8)
    records[:, :4] = list(b"PK\x01\x02")
    records[:, 28] = 6
    for place in range(6):
        records[:, 46 + place] = 48 + np.arange(count) // 10 ** (5 - place) % 10
    size = records.nbytes
    with path.open("wb") as out:
        out.write(records.tobytes())
        out.write(struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, 0))
        out.write(struct.pack("<4sLQL", b"PK\x06\x07", 0, size, 1))
        out.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 0, 0))
    began = time.perf_counter()
    with pytest.raises(UnreadableError, match="list of members of 52000000 bytes"):
        read_scan(path)
    assert time.perf_counter() - began < 1


def test_archives_in_archives(tmp_path: Path) -> None:
    inner = packed(tmp_path / "inner.zip", {"a": b"x"}).read_bytes()
    with pytest.raises(UnreadableError, match=r"nothing but archives \('inner.zip'\).*inside"):
        extracted(packed(tmp_path / "a.zip", {"inner.zip": inner}), tmp_path / "out")
    both = packed(tmp_path / "b.zip", {"inner.zip": inner, "a": b"x"})
    assert extracted(both, tmp_path / "out2") == ["a"]


def test_a_member_without_a_name(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", {"a": b"x"})
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 28] = 0
    path.write_bytes(data)
    with pytest.raises(UnreadableError, match="damaged or unsupported zip"):
        extracted(path, tmp_path / "out")


@pytest.mark.parametrize("names", [("a", "a/b"), ("x" * 300,), ("a/b", "a")])
def test_names_that_no_folder_can_hold(tmp_path: Path, names: tuple[str, ...]) -> None:
    path = packed(tmp_path / "a.zip", dict.fromkeys(names, b"x"))
    with pytest.raises(UnreadableError, match="damaged or unsupported zip"):
        extracted(path, tmp_path / "out")


@pytest.fixture(scope="module")
def series_zip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    root = tmp_path_factory.mktemp("zip")
    write_series(root / "s", chest((3, 8, 8)))
    return Path(shutil.make_archive(str(root / "s"), "zip", root / "s")).read_bytes()


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4)
)
def test_damaged_directories(
    series_zip: bytes, tmp_path: Path, changes: list[tuple[int, int]]
) -> None:
    """Changes in the list of members at the end, where the damage is greatest."""
    data = bytearray(series_zip)
    for back, value in changes:
        data[-1 - back] = value
    (tmp_path / "a.zip").write_bytes(data)
    with contextlib.suppress(GroundglassError):
        assert read_scan(tmp_path / "a.zip").shape[1:] == (8, 8)
