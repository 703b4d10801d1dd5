"""What a path is: folders, zips, nested and mixed content, nothing at all."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import zipfile
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundglass.errors import GroundglassError, SeriesError, UnreadableError
from groundglass.io.archive import extract_zip
from groundglass.io.found import natural_key, scan_id_of
from groundglass.io.read import read_mask, read_scan

from .dicom_builder import chest, write_series


def test_nested_folders_zip_and_dicomdir_give_the_same(tmp_path):
    hu = chest()
    folder = tmp_path / "scan"
    write_series(folder / "A" / "B", hu, skip=(0, 1, 2), series_uid="1.2.3")
    write_series(folder / "C", hu, skip=tuple(range(3, 12)), series_uid="1.2.3")
    (folder / "readme.txt").write_text("hello")
    (folder / "__MACOSX").mkdir()
    (folder / "DICOMDIR").write_bytes(b"no matter")
    shutil.make_archive(str(tmp_path / "packed"), "zip", folder)
    before = set(Path(__import__("tempfile").gettempdir()).glob("groundglass-*"))
    volumes = [read_scan(p) for p in (folder, folder / "DICOMDIR", tmp_path / "packed.zip")]
    for volume in volumes:
        np.testing.assert_array_equal(volume.array, hu)
    assert volumes[2].source.scan_id == "packed"
    assert set(volumes[2].source.header["paths"]) == {""}
    after = set(Path(__import__("tempfile").gettempdir()).glob("groundglass-*"))
    assert after <= before


def test_folder_with_one_volume_file_is_that_file_and_with_several_is_unclear(tmp_path):
    for name in ("a.nii.gz", "b.nii.gz"):
        nibabel.save(nibabel.Nifti1Image(chest().T, np.eye(4)), tmp_path / name)
        if name == "a.nii.gz":
            assert read_scan(tmp_path).source.kind == "nifti"
    with pytest.raises(SeriesError, match=r"a\.nii\.gz, b\.nii\.gz"):
        read_scan(tmp_path)
    with pytest.raises(SeriesError, match="--series"):
        read_scan(tmp_path / "a.nii.gz", series="1.2")


def test_nothing_there(tmp_path):
    with pytest.raises(UnreadableError, match="does not exist"):
        read_scan(tmp_path / "missing")
    with pytest.raises(UnreadableError, match="holds no files"):
        read_scan(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(UnreadableError, match=r"no image|none is an image"):
            read_scan(path)
    write_series(tmp_path / "d", chest((3, 24, 20)))
    with pytest.raises(UnreadableError, match="is dicom"):
        read_mask(tmp_path / "d")


def packed(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("name", ["../out", "/etc/out", "a/../../out", "C:/out"])
def test_zip_cannot_leave_its_folder(tmp_path, name):
    with pytest.raises(UnreadableError, match="leaves its folder"):
        read_scan(packed(tmp_path / "a.zip", {name: b"x"}))
    assert not (tmp_path.parent / "out").exists()


def test_zip_limits(tmp_path):
    bomb = packed(tmp_path / "a.zip", {"a": bytes(1 << 20), "b": b""})
    (tmp_path / "out").mkdir()
    with pytest.raises(UnreadableError, match="unpacks to 1048576 bytes"):
        extract_zip(bomb, tmp_path / "out", max_bytes=1 << 19)
    with pytest.raises(UnreadableError, match="2 members"):
        extract_zip(bomb, tmp_path / "out", max_members=1)
    assert list((tmp_path / "out").iterdir()) == []
    bomb.write_bytes(bomb.read_bytes()[:-30])
    with pytest.raises(UnreadableError, match="damaged"):
        read_scan(bomb)


@pytest.mark.parametrize("name", ["slice", "a.nii", "a.nii.gz", "a.nrrd", "z.zip"])
def test_damaged_files_raise_nothing_but_our_errors(tmp_path, name):
    hu = chest((4, 24, 20))
    write_series(tmp_path / "d", hu)
    shutil.make_archive(str(tmp_path / "z"), "zip", tmp_path / "d")
    shutil.copy(next((tmp_path / "d").iterdir()), tmp_path / "slice")
    nibabel.save(nibabel.Nifti1Image(hu.T, np.eye(4)), tmp_path / "a.nii")
    nibabel.save(nibabel.Nifti1Image(hu.T, np.eye(4)), tmp_path / "a.nii.gz")
    nrrd.write(str(tmp_path / "a.nrrd"), hu.T)
    whole = (tmp_path / name).read_bytes()
    rng = np.random.default_rng(0)
    for attempt in range(30):
        data = bytearray(whole[: int(rng.integers(len(whole)))] if attempt % 2 else whole)
        for place in rng.integers(0, 1000, 5):
            if place < len(data):
                data[place] = int(rng.integers(256))
        (tmp_path / name).write_bytes(data)
        with contextlib.suppress(GroundglassError):
            read_scan(tmp_path / name)


def test_names(tmp_path):
    assert scan_id_of(Path("/x/Case 12.nii.gz")) == "Case_12"
    assert scan_id_of(Path("/x/a.b.dcm")) == "a.b"
    assert scan_id_of(Path("/x/äö.zip")) == "scan"
    names = [Path(name) for name in ("s10", "s2", "s1b", "s1")]
    assert [str(p) for p in sorted(names, key=natural_key)] == ["s1", "s1b", "s2", "s10"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a" * 300, "damaged or unsupported"),
        ("d/" * 3000 + "a", "damaged or unsupported"),
        (".", "leaves its folder"),
    ],
)
def test_zip_with_names_that_no_disk_takes(tmp_path, name, said):
    (tmp_path / "out").mkdir()
    with pytest.raises(UnreadableError, match=said):
        extract_zip(packed(tmp_path / "a.zip", {name: b"x"}), tmp_path / "out")


def test_zip_with_an_empty_name(tmp_path):
    path = packed(tmp_path / "a.zip", {"Q": b"x"})
    path.write_bytes(path.read_bytes().replace(b"Q", b"\0"))  # zipfile cuts names at a null
    (tmp_path / "out").mkdir()
    with pytest.raises(UnreadableError, match="damaged or unsupported"):
        extract_zip(path, tmp_path / "out")


def test_zip_whose_member_is_a_folder_and_a_file(tmp_path):
    (tmp_path / "out").mkdir()
    both = packed(tmp_path / "a.zip", {"a": b"x", "a/b": b"y"})
    with pytest.raises(UnreadableError, match="damaged or unsupported"):
        extract_zip(both, tmp_path / "out")


def test_zip_in_a_compression_that_could_ask_for_gigabytes(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a", b"x" * 100)
    (tmp_path / "out").mkdir()
    with pytest.raises(UnreadableError, match="compressed by method 14"):
        extract_zip(tmp_path / "a.zip", tmp_path / "out")


def test_zip_whose_directory_is_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    many = packed(tmp_path / "a.zip", {f"{n:0200d}": b"" for n in range(100)})
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(UnreadableError, match="list of members of 24600 bytes"):
        extract_zip(many, tmp_path / "out", max_members=40)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_zips_raise_nothing_but_our_errors(data):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = packed(folder / "a.zip", {"a": b"some text" * 20, "b/c.dcm": bytes(50)})
        whole = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 8))):
            whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(whole[: data.draw(st.one_of(st.none(), st.integers(0, len(whole))))])
        (folder / "out").mkdir()
        with contextlib.suppress(UnreadableError):
            extract_zip(path, folder / "out", max_bytes=1 << 20)
