"""What was written is read again and compared before anyone is told that it worked.

Nothing here knows how the objects were made: a frame's place comes from its own position and,
apart from that, from the source frame that it refers to, and the two must agree.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.pixels.utils import iter_pixels, pixel_array

from groundglass.errors import OutputError
from groundglass.findings import Findings
from groundglass.outputs.dicom.identity import plain
from groundglass.outputs.dicom.report_numbers import MOSMED, WHOLE, grade_code, report_numbers
from groundglass.outputs.dicom.report_routes import (
    CONCLUSION,
    LEARNED_CLASS,
    MEASURED_CLASS,
    conclusion,
    route_contents,
)
from groundglass.outputs.dicom.segments import SEGMENTS
from groundglass.volume import Volume

_SAME_PLACE = (0.25, 0.55, 0.55)
"""Steps along (D, H, W) that a frame may lie off the grid: headers round, slices may be uneven."""
_ROUNDING_MM = 0.13
"""Or so many mm where steps are smaller: what the reader takes for one straight, even stack."""
_EVALUATIONS = (MOSMED[0], MEASURED_CLASS[0], LEARNED_CLASS[0])


def check_segmentation(path: Path, volume: Volume, lungs: np.ndarray, lesions: np.ndarray) -> None:
    """Compare a segmentation on disk with the masks, voxel by voxel.

    Shape: masks (D, H, W) as `volume`. Every plane with a source frame must hold exactly the
    mask's voxels of each segment, no frames meaning none.
    Raises: OutputError at the first difference, or where the file cannot be read.
    """
    dataset = read_again(path)
    names = {int(item.SegmentNumber): str(item.TrackingID) for item in dataset.SegmentSequence}
    known = {segment.name: segment for segment in SEGMENTS}
    if set(names.values()) - set(known) or len(set(names.values())) != len(names):
        differ(path, f"has the segments {sorted(names.values())}", f"some of {sorted(known)}")
    left = {
        (segment.name, plane)
        for plane, uid in enumerate(volume.source.slice_uids)
        if uid
        for segment in SEGMENTS
        if segment.of(lungs[plane], lesions[plane]).any()
    }
    shared = dataset.SharedFunctionalGroupsSequence[0]
    _check_directions(path, shared, volume)
    for groups, pixels in zip(
        dataset.PerFrameFunctionalGroupsSequence, _frames(path, dataset), strict=True
    ):
        named = groups if "SegmentIdentificationSequence" in groups else shared
        name = names[int(named.SegmentIdentificationSequence[0].ReferencedSegmentNumber)]
        plane = _plane(path, groups, volume)
        if (name, plane) not in left:
            differ(path, f"has a frame of {name} on slice {plane + 1}", "none there, or only one")
        left.remove((name, plane))
        wrong = int(np.count_nonzero(pixels != known[name].of(lungs[plane], lesions[plane])))
        if wrong:
            differ(path, f"differs in {wrong} voxels of {name} on slice {plane + 1}", "the mask")
    if left:
        name, plane = min(left)
        differ(path, f"lacks {len(left)} frames, such as {name} on slice {plane + 1}", "the masks")


def check_report(path: Path, findings: Findings) -> None:
    """Compare numbers, grade, classes and conclusion of a report on disk with the findings.

    Raises: OutputError at the first difference, or where the file cannot be read.
    """
    dataset = read_again(path)
    found: dict[tuple[str, str], float] = {}
    codes: dict[tuple[str, str], str] = {}
    for group in _groups(dataset):
        name = next(
            str(item.TextValue) for item in group.ContentSequence if _code(item) == "112039"
        )
        for item in group.ContentSequence:
            if item.ValueType == "NUM":
                found[name, _code(item)] = float(item.MeasuredValueSequence[0].NumericValue)
            elif item.ValueType == "CODE" and _code(item) in _EVALUATIONS:
                codes[name, _code(item)] = str(item.ConceptCodeSequence[0].CodeValue)
    wanted = {
        (number.group, number.code[0]): float(number.value) for number in report_numbers(findings)
    }
    if set(found) != set(wanted):
        odd = sorted(set(found) ^ set(wanted))
        differ(path, f"has other numbers than the findings: {odd}", "the same")
    for key, value in wanted.items():
        if not math.isclose(found[key], value, rel_tol=1e-9, abs_tol=1e-9):
            differ(path, f"says {found[key]} for {' '.join(key)}", str(value))
    evaluated = {(WHOLE, MOSMED[0]): grade_code(findings)[0]} | {
        (route.group, route.question[0]): route.answer[0]
        for route in route_contents(findings)
        if route.answer is not None
    }
    if codes != evaluated:
        differ(path, f"has the evaluations {codes}", str(evaluated))
    said = [str(item.TextValue) for item in dataset.ContentSequence if _code(item) == CONCLUSION[0]]
    if said != [plain(conclusion(findings))]:
        differ(path, f"concludes {said}", conclusion(findings))


def read_again(path: Path, *, only: Sequence[str] = ()) -> Dataset:
    """What lies on disk, or these keywords of it. Raises: OutputError where it cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of texts that the scan's header had so
            return pydicom.dcmread(path, specific_tags=list(only) or None)
    except Exception as error:  # whatever is wrong with the file, it is not what was to be written
        raise OutputError(
            f"{path.name} cannot be read back ({type(error).__name__}: {error})",
            expected="a whole DICOM file",
        ) from error


def _frames(path: Path, dataset: Dataset) -> Iterator[np.ndarray]:
    """Frames as bool (H, W), one in memory at a time where each begins on a byte."""
    aligned = dataset.Rows * dataset.Columns % 8 == 0
    try:
        # pydicom cannot take single frames out of the middle of bytes; such images are rare.
        whole = None if aligned else pixel_array(dataset)
        if whole is not None and dataset.NumberOfFrames == 1:
            whole = whole[None]
        for pixels in iter_pixels(dataset) if whole is None else whole:
            yield pixels != 0
    except Exception as error:
        raise OutputError(
            f"pixels of {path.name} cannot be read back ({type(error).__name__}: {error})",
            expected="one bit for every voxel",
        ) from error


def _check_directions(path: Path, shared: Dataset, volume: Volume) -> None:
    """Rows and columns must run as the scan's do."""
    spacing = [float(v) for v in shared.PixelMeasuresSequence[0].PixelSpacing]
    cosines = [float(v) for v in shared.PlaneOrientationSequence[0].ImageOrientationPatient]
    steps_mm = np.stack([np.array(cosines[3:]) * spacing[0], np.array(cosines[:3]) * spacing[1]])
    wanted_mm = volume.affine[:3, 1:3].T
    if not np.allclose(steps_mm, wanted_mm, rtol=0, atol=1e-4):
        differ(path, f"steps by {steps_mm.round(4).tolist()} mm", str(wanted_mm.tolist()))


def _plane(path: Path, groups: Dataset, volume: Volume) -> int:
    """The slice that a frame lies on, by its position, and by the image that it refers to."""
    position = [float(v) for v in groups.PlanePositionSequence[0].ImagePositionPatient]
    d, h, w, _ = np.linalg.solve(volume.affine, [*position, 1.0])
    plane = round(float(d))
    off = np.abs([d - plane, h, w])
    allowed = np.maximum(_SAME_PLACE, _ROUNDING_MM / np.array(volume.spacing_mm))
    if not 0 <= plane < volume.shape[0] or (off > allowed).any():
        differ(path, f"has a frame at {position} mm, voxel {d:.2f}, {h:.2f}, {w:.2f}", "a slice")
    source = groups.DerivationImageSequence[0].SourceImageSequence[0]
    number = source.get("ReferencedFrameNumber")
    uid = f"{source.ReferencedSOPInstanceUID}{'' if number is None else f'#{number}'}"
    if volume.source.slice_uids[plane] != uid:
        differ(
            path,
            f"refers to {uid} on slice {plane + 1}",
            volume.source.slice_uids[plane] or "no image there",
        )
    return plane


def _groups(dataset: Dataset) -> Iterator[Dataset]:
    """Measurement groups of a TID 1500 report."""
    for item in dataset.ContentSequence:
        if _code(item) == "126010":
            yield from (group for group in item.ContentSequence if _code(group) == "125007")


def _code(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeValue)


def differ(path: Path, what: str, expected: str) -> NoReturn:
    """Raises: OutputError that says in what a file differs."""
    raise OutputError(
        f"{path.name} {what}",
        expected=expected,
        remedy="Nothing was written. Please report this with the kind of scanner and series",
    )
