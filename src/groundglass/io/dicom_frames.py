"""DICOM headers: one small `Frame` for every image plane found in files.

Files are read once up to their pixels; the place of the pixels is kept, so that uncompressed
slices can later be read without parsing the file again.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    LegacyConvertedEnhancedCTImageStorage,
)

from groundglass.errors import UnreadableError
from groundglass.io.dicom_file import check_deflated, dicom_mark

_log = logging.getLogger(__name__)

MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
_TAGS = (
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "SeriesDescription",
    "ImageType",
    "Modality",
    "AcquisitionNumber",
    "AcquisitionTime",
    "InstanceNumber",
    "TemporalPositionIdentifier",
    "BodyPartExamined",
    "ConvolutionKernel",
    "SliceThickness",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
    "NumberOfFrames",
    "RescaleSlope",
    "RescaleIntercept",
    "PixelPaddingValue",
    "ModalityLUTSequence",
    "LossyImageCompression",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)
_CT_CLASSES = (CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage)
_PIXEL_DATA = b"\xe0\x7f\x10\x00"


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the pixels of one file are stored. `offset` is 0 where they must be decoded."""

    transfer_syntax: str
    photometric: str
    samples: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    offset: int
    lossy: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """One image plane: a single-frame file, or frame `index` of a multi-frame one.

    `position` is ImagePositionPatient in LPS mm, `orientation` the six direction cosines,
    `spacing` (row step, column step) in mm; each None where the header lacks it.
    """

    path: Path
    index: int
    frame_count: int
    sop_uid: str
    series_uid: str
    description: str
    modality: str
    image_type: tuple[str, ...]
    body_part: str
    kernel: str
    acquisition: str
    time: str
    temporal: str
    instance: int | None
    rows: int
    columns: int
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, ...] | None
    thickness_mm: float | None
    slope: float
    intercept: float
    has_rescale: bool
    padding: int | None
    has_lut: bool
    encoding: Encoding

    @property
    def uid(self) -> str:
        """SOP instance UID, with '#n' (from 1) for a frame of a multi-frame file."""
        return self.sop_uid if self.frame_count == 1 else f"{self.sop_uid}#{self.index + 1}"


def read_frames(paths: Iterable[Path]) -> tuple[list[Frame], list[tuple[Path, str]]]:
    """Frames of all DICOM images among `paths`, and the files left out with the reason."""
    frames: list[Frame] = []
    ignored: list[tuple[Path, str]] = []
    for path in paths:
        found, reason = _frames_of(path)
        frames.extend(found)
        if reason:
            ignored.append((path, reason))
    return frames, ignored


def _frames_of(path: Path) -> tuple[list[Frame], str]:
    try:
        with path.open("rb") as file:
            mark = dicom_mark(file)
            if not mark:
                return [], "not DICOM"
            # pydicom warns of every odd value in a header; what matters is checked below.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                check_deflated(file)
                dataset = pydicom.dcmread(
                    file, stop_before_pixels=True, force=mark == "bare", specific_tags=list(_TAGS)
                )
                return _frames_from(dataset, file, path)
    except UnreadableError as error:
        _log.debug("%s: %s", path, error)
        return [], f"damaged DICOM, {error.problem}"
    except Exception as error:  # a damaged header fails in any way; the file is named, not hidden
        _log.debug("%s: %r", path, error)
        return [], f"damaged DICOM header ({type(error).__name__})"


def _frames_from(dataset: Dataset, file: BinaryIO, path: Path) -> tuple[list[Frame], str]:
    meta = getattr(dataset, "file_meta", {})
    sop_class = str(dataset.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID", ""))
    if sop_class == MEDIA_DIRECTORY:
        return [], "DICOMDIR"
    damaged = sop_class in ("", *_CT_CLASSES)  # CT always has an image, unless it is cut short
    if not dataset.get("Rows") or not dataset.get("Columns"):
        return [], "damaged DICOM, cut short" if damaged else "DICOM without an image"
    encoding = _encoding(dataset, file)
    if encoding is None:
        return [], "damaged DICOM, cut short" if damaged else "DICOM without pixel data"
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence")
    if not per_frame:
        # A multi-frame file without functional groups says nothing of where its frames are.
        count = int(dataset.get("NumberOfFrames") or 1)
        return [_frame(dataset, dataset, path, 0, count, encoding)], ""
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    common = _flatten(shared, Dataset())
    return [
        _frame(dataset, _flatten(group, common), path, index, len(per_frame), encoding)
        for index, group in enumerate(per_frame)
    ], ""


def _flatten(group: Dataset, base: Dataset) -> Dataset:
    """The attributes of all functional groups of one frame as one flat data set."""
    flat = Dataset()
    flat.update(base)
    for element in group:
        if element.VR == "SQ" and element.value:
            flat.update(element.value[0])
    return flat


def _encoding(dataset: Dataset, file: BinaryIO) -> Encoding | None:
    meta = getattr(dataset, "file_meta", {})
    implicit, little = dataset.original_encoding
    syntax = UID(str(meta.get("TransferSyntaxUID", "")))
    if not syntax:
        syntax = UID("1.2.840.10008.1.2") if implicit else ExplicitVRLittleEndian
    deflated = syntax == DeflatedExplicitVRLittleEndian
    place = 0 if deflated else file.tell()
    head = file.read(12) if place else b""
    if place and not head:
        return None
    offset = 0
    if little and not syntax.is_encapsulated and head[:4] == _PIXEL_DATA:
        offset = place + (8 if implicit else 12)
    return Encoding(
        transfer_syntax=str(syntax),
        photometric=str(dataset.get("PhotometricInterpretation", "MONOCHROME2")),
        samples=int(dataset.get("SamplesPerPixel") or 1),
        bits_allocated=int(dataset.get("BitsAllocated") or 16),
        bits_stored=int(dataset.get("BitsStored") or dataset.get("BitsAllocated") or 16),
        signed=bool(dataset.get("PixelRepresentation") or 0),
        offset=offset,
        lossy=str(dataset.get("LossyImageCompression", "")) == "01",
    )


def _frame(
    top: Dataset, own: Dataset, path: Path, index: int, count: int, encoding: Encoding
) -> Frame:
    def first(*names: str) -> Any:
        for name in names:
            for dataset in (own, top):
                value = dataset.get(name)
                if value is not None and value != "":
                    return value
        return None

    def text(*names: str) -> str:
        value = first(*names)
        if value is None:
            return ""
        return str(value if isinstance(value, str) else "/".join(map(str, _listed(value))))

    slope, intercept = first("RescaleSlope"), first("RescaleIntercept")
    _check_numbers(slope, intercept, encoding)
    instance = first("InstanceNumber")
    return Frame(
        path=path,
        index=index,
        frame_count=count,
        sop_uid=text("SOPInstanceUID"),
        series_uid=text("SeriesInstanceUID"),
        description=text("SeriesDescription"),
        modality=text("Modality"),
        image_type=tuple(str(part).upper() for part in _listed(first("FrameType", "ImageType"))),
        body_part=text("BodyPartExamined"),
        kernel=text("ConvolutionKernel"),
        acquisition=text("FrameAcquisitionNumber", "AcquisitionNumber"),
        time=text("AcquisitionTime"),
        temporal=text("TemporalPositionIndex", "TemporalPositionIdentifier"),
        instance=index + 1 if count > 1 else int(instance) if instance is not None else None,
        rows=int(top.Rows),
        columns=int(top.Columns),
        position=_floats(first("ImagePositionPatient"), 3),
        orientation=_floats(first("ImageOrientationPatient"), 6),
        spacing=_floats(first("PixelSpacing"), 2),
        thickness_mm=next(iter(_floats(first("SliceThickness"), 1) or ()), None),
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
        has_rescale=slope is not None or intercept is not None,
        padding=_integer(first("PixelPaddingValue")),
        has_lut=bool(first("ModalityLUTSequence")),
        encoding=encoding,
    )


def _check_numbers(slope: Any, intercept: Any, encoding: Encoding) -> None:
    """Refuse numbers that no arithmetic on pixels survives. Raises: UnreadableError."""
    for name, value in (("RescaleSlope", slope), ("RescaleIntercept", intercept)):
        if value is not None and not abs(float(value)) < 1e6:  # True for NaN too
            raise UnreadableError(f"{name} is {value}")
    if not 1 <= encoding.bits_stored <= encoding.bits_allocated <= 64:
        raise UnreadableError(
            f"BitsStored is {encoding.bits_stored} of {encoding.bits_allocated} allocated"
        )


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return [value] if isinstance(value, str | int | float) else list(value)


def _floats(value: Any, count: int) -> tuple[float, ...] | None:
    try:
        numbers = tuple(float(part) for part in _listed(value))
    except (TypeError, ValueError):
        return None
    finite = all(abs(number) < 1e6 for number in numbers)  # False for NaN too
    return numbers if len(numbers) == count and finite else None


def _integer(value: Any) -> int | None:
    if isinstance(value, bytes):
        return int.from_bytes(value[:2], "little")
    return None if value is None else int(value)
