"""Objects from the network: the real ones pass, and say what they are."""

from __future__ import annotations

import zlib
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from groundglass.errors import BadObjectError, TooLargeError
from groundglass.phantom.chest import Phantom
from groundglass.phantom.dicom_writer import DicomOptions, write_dicom_series
from groundglass.server.object_check import CheckedObject, check_file, check_object, is_uid

from .encoded_objects import MAX, a_slice, check_bare, data_set, element, encoded


@pytest.fixture(scope="module")
def plain(small_chest: Phantom) -> bytes:
    return encoded(a_slice(small_chest))


@pytest.mark.parametrize(
    "syntax",
    [
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    ],
)
def test_says_what_the_object_says(small_chest: Phantom, syntax: str) -> None:
    dataset = a_slice(small_chest)
    found = check_object(encoded(dataset, syntax), max_bytes=MAX)
    assert found == CheckedObject(
        study_uid=dataset.StudyInstanceUID,
        series_uid=dataset.SeriesInstanceUID,
        sop_uid=dataset.SOPInstanceUID,
        sop_class_uid=dataset.SOPClassUID,
        transfer_syntax_uid=syntax,
        modality="CT",
        body_part="CHEST",
        series_description="PHANTOM CHEST",
        slice_thickness_mm=float(dataset.SliceThickness),
    )


@pytest.mark.parametrize("form", ["rle", "jpegls", "jpeg2000", "implicit", "enhanced"])
def test_accepts_what_scanners_write(small_chest: Phantom, tmp_path: Path, form: str) -> None:
    enhanced = form == "enhanced"
    options = DicomOptions(enhanced=True) if enhanced else DicomOptions(transfer_syntax=form)
    for path in write_dicom_series(small_chest, tmp_path / "d", options)[:2]:
        dataset = pydicom.dcmread(path)
        found = check_file(path, max_bytes=MAX)
        assert found.sop_uid == dataset.SOPInstanceUID
        assert found.transfer_syntax_uid == dataset.file_meta.TransferSyntaxUID
        with pytest.raises(BadObjectError):
            check_object(path.read_bytes()[:-10], max_bytes=MAX)


def test_description_in_its_character_set(small_chest: Phantom) -> None:
    dataset = a_slice(small_chest)
    dataset.SpecificCharacterSet, dataset.SeriesDescription = "ISO_IR 192", "Thorax dünn 1µ"
    assert check_object(encoded(dataset), max_bytes=MAX).series_description == "Thorax dünn 1µ"
    dataset.SpecificCharacterSet, dataset.SeriesDescription = "ISO_IR 100", "Thorax dünn"
    assert check_object(encoded(dataset), max_bytes=MAX).series_description == "Thorax dünn"


@pytest.mark.parametrize("thickness", ["", "0", "-1", "nan", "inf", "thick"])
def test_thickness_that_is_no_thickness(thickness: str) -> None:
    data = data_set(element(0x00180050, thickness.encode(), b"DS"))
    assert check_bare(data).slice_thickness_mm is None


@pytest.mark.parametrize(
    ("tag", "keyword"),
    [
        (0x00080016, "SOPClassUID"),
        (0x00080018, "SOPInstanceUID"),
        (0x0020000D, "StudyInstanceUID"),
        (0x0020000E, "SeriesInstanceUID"),
    ],
)
@pytest.mark.parametrize("value", [None, "", "1", "../../etc/passwd", "1..2", "1.2." + "9" * 61])
def test_refuses_missing_and_illegal_uids(tag: int, keyword: str, value: str | None) -> None:
    uids = {0x00080016: "1.2", 0x00080018: "1.3", 0x0020000D: "1.4", 0x0020000E: "1.5"}
    assert check_bare(b"".join(element(t, u.encode()) for t, u in uids.items())).sop_uid == "1.3"
    if value is None:
        del uids[tag]
    else:
        uids[tag] = value
    with pytest.raises(BadObjectError, match=keyword):
        check_bare(b"".join(element(t, u.encode()) for t, u in uids.items()))


def test_uid_form() -> None:
    for good in ("1.2.840.10008.1.2", "1.2.03", "2.25." + "1" * 59):
        assert is_uid(good), good
    for bad in ("", "1", "1.", ".1", "1.2\n", "1.2/3", "1.a", "2.25." + "1" * 60, "1.٣"):
        assert not is_uid(bad), bad


def test_refuses_what_is_no_part_10() -> None:
    for data in (b"", b"DICM", b"\0" * 132, b"\0" * 128 + b"DICM", b"<html>" * 100):
        with pytest.raises(BadObjectError):
            check_object(data, max_bytes=MAX)


def test_refuses_too_many_bytes(plain: bytes) -> None:
    check_object(plain, max_bytes=len(plain))
    with pytest.raises(TooLargeError, match="at most"):
        check_object(plain, max_bytes=len(plain) - 1)


def test_refuses_a_header_that_speaks_of_another_object(small_chest: Phantom) -> None:
    dataset = a_slice(small_chest)
    data = encoded(dataset)
    uid = str(dataset.SOPInstanceUID).encode()
    other = uid[:-1] + (b"1" if uid[-1:] != b"1" else b"2")
    with pytest.raises(BadObjectError, match="another SOPInstanceUID"):
        check_object(data.replace(uid, other, 1), max_bytes=MAX)


def test_inflating_is_bounded() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = packer.compress(data_set() + bytes(4 * MAX)) + packer.flush()
    with pytest.raises(TooLargeError, match="inflates to more"):
        check_object(bomb, max_bytes=MAX, transfer_syntax_uid=DeflatedExplicitVRLittleEndian)
    with pytest.raises(BadObjectError, match="cut off"):
        check_object(bomb[:20], max_bytes=MAX, transfer_syntax_uid=DeflatedExplicitVRLittleEndian)
    with pytest.raises(BadObjectError, match="damaged"):
        check_object(b"\xff" * 9, max_bytes=MAX, transfer_syntax_uid=DeflatedExplicitVRLittleEndian)


def test_a_damaged_deflated_file_can_be_closed(small_chest: Phantom, tmp_path: Path) -> None:
    path = tmp_path / "d.dcm"
    whole = encoded(a_slice(small_chest), DeflatedExplicitVRLittleEndian)
    path.write_bytes(whole[:-20])
    with pytest.raises(BadObjectError):
        check_file(path, max_bytes=MAX)
    path.write_bytes(b"")
    with pytest.raises(BadObjectError, match="empty"):
        check_file(path, max_bytes=MAX)
