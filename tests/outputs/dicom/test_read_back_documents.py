"""A document or picture that is not what was made is found on disk, and so is another owner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from groundglass.errors import OutputError
from groundglass.outputs.dicom.encapsulated_pdf import encapsulate_pdf
from groundglass.outputs.dicom.read_back_documents import (
    check_document,
    check_owner,
    check_picture,
)
from groundglass.outputs.dicom.save import save_dicom
from groundglass.outputs.dicom.secondary_capture import CaptureSettings, make_captures

from .derived import Derived, derive

Check = Callable[[Path, Dataset], None]


@pytest.fixture(scope="module")
def derived(case, tmp_path_factory: pytest.TempPathFactory) -> Derived:
    return derive(tmp_path_factory.mktemp("scan") / "series", case)


@pytest.fixture(scope="module")
def objects(derived: Derived) -> dict[str, Dataset]:
    [picture] = make_captures(derived.inputs, derived.identity, CaptureSettings(most_slices=1))
    pdf = encapsulate_pdf(b"%PDF-odd!", derived.identity, title="t", names_patient=False)
    return {"pdf": pdf, "sc": picture}


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def change_a_byte_of_the_pdf(dataset: Dataset) -> None:
    dataset.EncapsulatedDocument = flip(dataset.EncapsulatedDocument, 5)


def cut_the_pdf(dataset: Dataset) -> None:
    dataset.EncapsulatedDocumentLength = 8


def change_a_sample(dataset: Dataset) -> None:
    dataset.PixelData = flip(dataset.PixelData, len(dataset.PixelData) // 2)


def turn(dataset: Dataset) -> None:
    dataset.Rows, dataset.Columns = dataset.Columns, dataset.Rows


def cut_the_pixels(dataset: Dataset) -> None:
    dataset.PixelData = dataset.PixelData[:-512]


@pytest.mark.parametrize(("kind", "check"), [("pdf", check_document), ("sc", check_picture)])
def test_what_was_written_as_made_passes(
    objects: dict[str, Dataset], tmp_path: Path, kind: str, check: Check
) -> None:
    save_dicom(objects[kind], tmp_path / "one.dcm")
    check(tmp_path / "one.dcm", objects[kind])
    check_owner(tmp_path / "one.dcm", objects[kind])


@pytest.mark.parametrize(
    ("kind", "check", "change", "message"),
    [
        ("pdf", check_document, change_a_byte_of_the_pdf, "holds 9 bytes of PDF.*the 9 that were"),
        ("pdf", check_document, cut_the_pdf, "holds 8 bytes of PDF.*the 9 that were made"),
        ("sc", check_picture, change_a_sample, "differs in 1 samples"),
        ("sc", check_picture, turn, "has a picture of shape"),
        ("sc", check_picture, cut_the_pixels, "cannot be read back"),
    ],
)
def test_a_difference_is_found(
    objects: dict[str, Dataset],
    tmp_path: Path,
    kind: str,
    check: Check,
    change: Callable[[Dataset], None],
    message: str,
) -> None:
    path = tmp_path / "one.dcm"
    save_dicom(objects[kind], path)
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    with pytest.raises(OutputError, match=rf"one\.dcm.* {message}"):
        check(path, objects[kind])


@pytest.mark.parametrize(
    "keyword", ["PatientID", "PatientName", "StudyInstanceUID", "SeriesInstanceUID"]
)
def test_another_owner_is_found_and_not_named(
    objects: dict[str, Dataset], tmp_path: Path, keyword: str
) -> None:
    path = tmp_path / "one.dcm"
    save_dicom(objects["pdf"], path)
    dataset = pydicom.dcmread(path)
    setattr(dataset, keyword, "1.2.99")
    dataset.save_as(path)
    with pytest.raises(OutputError, match=f"another {keyword}") as caught:
        check_owner(path, objects["pdf"])
    assert "Secret" not in str(caught.value)
    assert "1.2.99" not in str(caught.value)
