"""What memory cannot hold is refused with the number, before anything is allocated."""

from __future__ import annotations

import bz2
import gzip
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian

from groundglass.errors import GroundglassError, UnreadableError
from groundglass.io import dicom_file, limits
from groundglass.io.inspect import inspect_input
from groundglass.io.limits import LIMITS, ReadLimits, available_bytes, check_array
from groundglass.io.read import read_scan

from .dicom_builder import chest, save, slice_dataset, write_enhanced, write_series


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 20,000 bytes left: 16,000 for one array."""
    monkeypatch.setattr(limits, "available_bytes", lambda: 20_000)


def test_check_array(small_memory: None) -> None:
    check_array((10, 10, 80), 2, "scan")
    with pytest.raises(UnreadableError, match=r"scan has shape \(10, 10, 81\), which takes 0 MiB"):
        check_array((10, 10, 81), 2, "scan")
    with pytest.raises(UnreadableError, match=r"79228162514264337593543950336 voxels.*4294967296"):
        check_array((2**32, 2**32, 2**32), 1, "scan")
    with pytest.raises(UnreadableError, match="no negative size"):
        check_array((-1, 5), 1, "scan")


def test_without_a_known_amount_of_memory_only_the_absurd_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "available_bytes", lambda: None)
    check_array((2**32,), 8, "scan")
    with pytest.raises(UnreadableError):
        check_array((2**32 + 1,), 1, "scan")


def test_memory_of_machine_and_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "/proc/meminfo": "MemTotal: 9000 kB\nMemAvailable: 5000 kB\n",
        "/sys/fs/cgroup/memory.max": "3000000",
        "/sys/fs/cgroup/memory.current": "2000000",
        "/sys/fs/cgroup/memory.stat": "anon 7\ninactive_file 500\n",
    }
    monkeypatch.setattr(Path, "read_text", lambda self, **_: values[str(self)])
    assert available_bytes() == 1_000_500
    values["/sys/fs/cgroup/memory.max"] = "max"
    assert available_bytes() == 5000 * 1024


def refused(path: Path, match: str, peak_mib: float = 8) -> None:
    """Reading says why not, and never takes much memory on the way."""
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableError, match=match):
            read_scan(path)
        assert tracemalloc.get_traced_memory()[1] < peak_mib * 2**20
    finally:
        tracemalloc.stop()
    found = inspect_input(path)
    assert not found.chosen
    assert found.error


class TestDicom:
    def test_series_that_memory_cannot_hold(self, tmp_path: Path, small_memory: None) -> None:
        write_series(tmp_path / "s", chest((40, 24, 20)))
        with pytest.raises(UnreadableError, match=r"shape \(40, 24, 20\), which takes"):
            read_scan(tmp_path / "s")

    def test_image_of_4_gigapixels_in_a_small_file(self, tmp_path: Path) -> None:
        def huge(dataset, index):
            dataset.Rows = dataset.Columns = 65535

        write_series(tmp_path / "s", chest(), change=huge)
        refused(tmp_path / "s", r"65535, 65535\), which takes|ends early|51538034700 voxels")

    def test_frames_that_are_not_there(self, tmp_path: Path) -> None:
        write_enhanced(tmp_path / "a.dcm", chest())
        data = (tmp_path / "a.dcm").read_bytes()
        (tmp_path / "a.dcm").write_bytes(data[:-500])
        refused(tmp_path / "a.dcm", "ends early: 460 of 960 bytes")

    def test_a_slice_a_kilometer_away(self, tmp_path: Path) -> None:
        def away(dataset, index):
            if index == 5:
                dataset.ImagePositionPatient = [-20, -30, 900_000]

        write_series(tmp_path / "s", chest(), change=away)
        with pytest.raises(GroundglassError, match=r"more than the 20000 a body can have"):
            read_scan(tmp_path / "s")

    def test_absurd_length(self, tmp_path: Path) -> None:
        write_series(tmp_path / "s", chest())
        for path in (tmp_path / "s").iterdir():
            data = path.read_bytes()
            at = data.index(b"\xe0\x7f\x10\x00OW\0\0")
            path.write_bytes(data[: at + 8] + b"\xfe\xff\xff\xff" + data[at + 12 : -300])
        refused(tmp_path / "s", "ends early|cannot be decoded")

    def test_sequences_in_sequences(self, tmp_path: Path) -> None:
        """Deeper than any stack of calls: the file is left out, not the run."""
        save(slice_dataset(chest()[0], np.eye(4), 0, "1.2.3"), tmp_path / "a.dcm")
        data = (tmp_path / "a.dcm").read_bytes()
        at = data.index(b"\xe0\x7f\x10\x00OW")
        item = b"\x00\x52\x29\x92SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
        (tmp_path / "a.dcm").write_bytes(data[:at] + item * 5000)
        with pytest.raises(UnreadableError, match="damaged DICOM header"):
            read_scan(tmp_path / "a.dcm")

    def test_deflate_bomb(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        dataset = slice_dataset(chest()[0], np.eye(4), 0, "1.2.3")
        save(dataset, tmp_path / "a.dcm", DeflatedExplicitVRLittleEndian)
        assert inspect_input(tmp_path / "a.dcm").candidates  # such a file is read as a rule
        monkeypatch.setattr(dicom_file, "LIMITS", ReadLimits(deflated_dicom_bytes=1000))
        with pytest.raises(UnreadableError, match="deflated file unpacks to more than 1000 bytes"):
            read_scan(tmp_path / "a.dcm")

    @pytest.mark.parametrize(
        ("name", "value"),
        [("BitsStored", 65535), ("BitsAllocated", 1000), ("RescaleSlope", "1e30"),
         ("RescaleIntercept", "1e30")],
    )  # fmt: skip
    def test_numbers_that_no_pixel_survives(self, tmp_path: Path, name: str, value: object) -> None:
        write_series(tmp_path / "s", chest(), change=lambda d, i: setattr(d, name, value))
        with pytest.raises(UnreadableError, match=f"damaged DICOM, {name[:4]}"):
            read_scan(tmp_path / "s")


def nifti_header(shape: tuple[int, int, int], offset: float = 352) -> bytes:
    head = bytearray(352)
    head[0:4] = struct.pack("<i", 348)
    head[40:56] = struct.pack("<8h", 3, *shape, 1, 1, 1, 1)
    head[70:74] = struct.pack("<2h", 4, 16)
    head[76:92] = struct.pack("<4f", 1, 1, 1, 1)
    head[108:112] = struct.pack("<f", offset)
    head[344:348] = b"n+1\0"
    return bytes(head)


class TestVolumeFiles:
    def test_nifti_with_absurd_dimensions(self, tmp_path: Path) -> None:
        (tmp_path / "a.nii").write_bytes(nifti_header((32767, 32767, 32767)) + bytes(100))
        refused(tmp_path / "a.nii", r"35181150961663 voxels; expected at most 4294967296")

    def test_gzip_that_cannot_hold_its_values(self, tmp_path: Path) -> None:
        packed = gzip.compress(nifti_header((400, 400, 400)))
        (tmp_path / "a.nii.gz").write_bytes(packed)
        refused(tmp_path / "a.nii.gz", rf"promises 128000000 bytes.*its {len(packed)} packed")

    def test_truncated_gzip(self, tmp_path: Path) -> None:
        noise = np.random.default_rng(0).bytes(16_000)
        packed = gzip.compress(nifti_header((20, 20, 20)) + noise)
        (tmp_path / "a.nii.gz").write_bytes(packed[: len(packed) // 2])
        refused(tmp_path / "a.nii.gz", "cannot be read as nifti")

    def test_header_extensions_of_a_gigabyte(self, tmp_path: Path) -> None:
        (tmp_path / "a.nii").write_bytes(nifti_header((4, 4, 4), offset=2.0**30))
        refused(tmp_path / "a.nii", "values begin at byte 1073741824")

    @pytest.mark.parametrize("data", [b"", b"x" * 100])
    def test_nifti_without_a_header(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "a.nii").write_bytes(data)
        refused(tmp_path / "a.nii", f"cut short after {len(data)} bytes")

    @pytest.mark.parametrize(
        ("encoding", "pack"), [("gzip", gzip.compress), ("bzip2", bz2.compress)]
    )
    def test_nrrd_that_unpacks_to_more_than_it_says(self, tmp_path: Path, encoding, pack) -> None:
        head = f"NRRD0004\ntype: short\ndimension: 3\nsizes: 4 4 4\nencoding: {encoding}\n\n"
        (tmp_path / "a.nrrd").write_bytes(head.encode() + pack(bytes(64 << 20)))
        refused(tmp_path / "a.nrrd", "unpacks to more than the 128 bytes of its header")

    @pytest.mark.parametrize("kind", ["short", "unsigned char", "double", "int64"])
    def test_nrrd_with_absurd_sizes(self, tmp_path: Path, kind: str) -> None:
        head = f"NRRD0004\ntype: {kind}\ndimension: 3\nsizes: 99999 99999 99999\nencoding: raw\n\n"
        (tmp_path / "a.nrrd").write_bytes(head.encode())
        refused(tmp_path / "a.nrrd", "999970000299999 voxels")

    @pytest.mark.parametrize("other", ["/etc/passwd", "../secret.raw", "a/b.raw", "x%03d.raw 1 9",
                                       "LIST", "not-there.raw"])  # fmt: skip
    @pytest.mark.parametrize("kind", ["nhdr", "mhd"])
    def test_values_elsewhere(self, tmp_path: Path, kind: str, other: str) -> None:
        text = {
            "nhdr": f"NRRD0004\ntype: short\ndimension: 3\nsizes: 2 2 2\nencoding: raw\n"
            f"data file: {other}\n\n",
            "mhd": "NDims = 3\nDimSize = 2 2 2\nElementType = MET_SHORT\n"
            f"ElementDataFile = {other}\n",
        }[kind]
        if kind == "mhd":
            pytest.importorskip("SimpleITK")
        folder = tmp_path / "given"
        folder.mkdir()
        (tmp_path / "secret.raw").write_bytes(bytes(16))
        (folder / f"a.{kind}").write_text(text)
        with pytest.raises(UnreadableError, match=r"lie in|is not beside it"):
            read_scan(folder / f"a.{kind}")

    def test_metaimage_with_absurd_sizes(self, tmp_path: Path) -> None:
        pytest.importorskip("SimpleITK")
        text = "NDims = 3\nDimSize = 90000 90000 90000\nElementType = MET_SHORT\n"
        (tmp_path / "a.mha").write_text(text + "ElementDataFile = LOCAL\n")
        refused(tmp_path / "a.mha", "729000000000000 voxels")


class TestPictures:
    def bomb(self, path: Path, width: int, height: int) -> Path:
        """A PNG of a few kB whose header promises width x height pixels."""

        def chunk(name: bytes, data: bytes) -> bytes:
            check = struct.pack(">I", zlib.crc32(name + data))
            return struct.pack(">I", len(data)) + name + data + check

        head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        path.write_bytes(
            b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1 << 20))) +
            chunk(b"IEND", b"")
        )  # fmt: skip
        return path

    @pytest.mark.parametrize("side", [8193, 12_000, 1_000_000])
    def test_png_bomb(self, tmp_path: Path, side: int) -> None:
        refused(self.bomb(tmp_path / "a.png", side, side), "a.png")

    def test_many_pictures(self, tmp_path: Path, small_memory: None) -> None:
        for number in range(9):
            Image.fromarray(np.full((50, 50), number, np.uint8)).save(tmp_path / f"{number}.png")
        with pytest.raises(UnreadableError, match=r"set of 9 pictures has shape \(9, 50, 50\)"):
            read_scan(tmp_path)


def test_limits_are_far_above_real_scans() -> None:
    assert LIMITS.voxels > 2000 * 1024 * 1024
    assert LIMITS.archive_bytes > 5000 * 512 * 512 * 2
