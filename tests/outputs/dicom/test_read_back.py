"""Any difference between a file and what it should say is found, and named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from groundglass.errors import OutputError
from groundglass.outputs.dicom.read_back import check_report, check_segmentation

from .made_objects import Made, made_axial


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Made, Path]:
    folder = tmp_path_factory.mktemp("written")
    one = made_axial(folder / "scan", skip=(3,))
    one.save(folder)
    return one, folder


def changed(path: Path, folder: Path, change: Callable[[Dataset], Any]) -> Path:
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(folder / path.name)
    return folder / path.name


def flip_a_bit(dataset: Dataset) -> None:
    data = bytearray(dataset.PixelData)
    data[len(data) // 2] ^= 16
    dataset.PixelData = bytes(data)


def swap_two_frames(dataset: Dataset) -> None:
    groups = dataset.PerFrameFunctionalGroupsSequence
    for keyword in ("PlanePositionSequence", "DerivationImageSequence"):
        one, two = getattr(groups[0], keyword), getattr(groups[1], keyword)
        setattr(groups[0], keyword, two)
        setattr(groups[1], keyword, one)


def move(dataset: Dataset, by_mm: tuple[float, float, float]) -> None:
    for groups in dataset.PerFrameFunctionalGroupsSequence:
        place = groups.PlanePositionSequence[0]
        place.ImagePositionPatient = [
            float(v) + d for v, d in zip(place.ImagePositionPatient, by_mm, strict=True)
        ]


def drop_the_last_frame(dataset: Dataset) -> None:
    count = dataset.NumberOfFrames
    pixels = np.unpackbits(np.frombuffer(dataset.PixelData, np.uint8), bitorder="little")
    kept = pixels[: (count - 1) * dataset.Rows * dataset.Columns]
    data = np.packbits(kept, bitorder="little").tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset.NumberOfFrames = count - 1
    del dataset.PerFrameFunctionalGroupsSequence[-1]


def repeat_the_first_place(dataset: Dataset) -> None:
    groups = dataset.PerFrameFunctionalGroupsSequence
    groups[1] = groups[0]


def name_another_image(dataset: Dataset) -> None:
    groups = dataset.PerFrameFunctionalGroupsSequence
    groups[0].DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID = "1.2"


def swap_the_lungs(dataset: Dataset) -> None:
    one, two = dataset.SegmentSequence[:2]
    one.TrackingID, two.TrackingID = two.TrackingID, one.TrackingID


def mirror(dataset: Dataset) -> None:
    plane = dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    plane.ImageOrientationPatient = [-1, 0, 0, 0, 1, 0]


def rename_a_segment(dataset: Dataset) -> None:
    dataset.SegmentSequence[0].TrackingID = "heart"


def cut_the_pixels(dataset: Dataset) -> None:
    dataset.PixelData = dataset.PixelData[:100]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (flip_a_bit, "differs in 1 voxels of"),
        (swap_two_frames, "differs in"),
        (lambda d: move(d, (0, 0, 2.0)), "refers to|on slice|frame at"),
        (lambda d: move(d, (0, 0, 0.9)), "has a frame at"),
        (lambda d: move(d, (0.7, 0, 0)), "has a frame at"),
        (drop_the_last_frame, "lacks 1 frames, such as lesion on slice 7"),
        (repeat_the_first_place, "expected none there, or only one"),
        (name_another_image, r"refers to 1\.2 on slice"),
        (swap_the_lungs, "left_lung|right_lung"),
        (mirror, "steps by"),
        (rename_a_segment, r"has the segments \['heart'"),
        (cut_the_pixels, "cannot be read back"),
    ],
)
def test_a_wrong_segmentation_is_found(
    written: tuple[Made, Path],
    tmp_path: Path,
    change: Callable[[Dataset], Any],
    message: str,
) -> None:
    one, folder = written
    path = changed(folder / "seg.dcm", tmp_path, change)
    with pytest.raises(OutputError, match=message):
        check_segmentation(path, one.volume, one.lungs, one.lesions)


def test_what_is_right_passes_and_what_is_no_dicom_does_not(
    written: tuple[Made, Path], tmp_path: Path
) -> None:
    one, folder = written
    check_segmentation(folder / "seg.dcm", one.volume, one.lungs, one.lesions)
    check_report(folder / "sr.dcm", one.findings)
    shutil.copy(folder / "seg.dcm", tmp_path / "seg.dcm")
    (tmp_path / "seg.dcm").write_bytes(b"no DICOM")
    with pytest.raises(OutputError, match=r"seg\.dcm cannot be read back"):
        check_segmentation(tmp_path / "seg.dcm", one.volume, one.lungs, one.lesions)


def numbers(report: Dataset) -> list[tuple[Dataset, Dataset]]:
    """All NUM items with their group."""
    measured = next(i for i in report.ContentSequence if i.ValueType == "CONTAINER")
    return [
        (group, item)
        for group in measured.ContentSequence
        for item in group.ContentSequence
        if item.ValueType == "NUM"
    ]


def set_number(report: Dataset) -> None:
    numbers(report)[0][1].MeasuredValueSequence[0].NumericValue = 1


def drop_number(report: Dataset) -> None:
    group, item = numbers(report)[0]
    group.ContentSequence = [i for i in group.ContentSequence if i is not item]


def set_grade(report: Dataset) -> None:
    for group, _ in numbers(report):
        for item in group.ContentSequence:
            if item.ConceptNameCodeSequence[0].CodeValue == "MOSMED":
                item.ConceptCodeSequence[0].CodeValue = "MOSMED-CT-4"


def set_conclusion(report: Dataset) -> None:
    for item in report.ContentSequence:
        if item.ConceptNameCodeSequence[0].CodeMeaning == "Conclusion":
            item.TextValue = "All is well"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_number, "says 1.0 for right_lung 118565006"),
        (drop_number, r"other numbers than the findings: \[\('right_lung', '118565006'\)\]"),
        (set_grade, r"has the evaluations \{.*'MOSMED'\): 'MOSMED-CT-4'\}"),
        (set_conclusion, r"concludes \['All is well'\]"),
    ],
)
def test_a_wrong_report_is_found(
    written: tuple[Made, Path],
    tmp_path: Path,
    change: Callable[[Dataset], Any],
    message: str,
) -> None:
    one, folder = written
    with pytest.raises(OutputError, match=message):
        check_report(changed(folder / "sr.dcm", tmp_path, change), one.findings)
