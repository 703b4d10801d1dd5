"""The DICOM frames behind a scan's slices: which they are, where they lie, how to refer to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset

from groundglass.errors import OutputError
from groundglass.volume import Volume


@dataclass(frozen=True)
class SourceFrame:
    """One source image plane.

    `plane`: its index along D of the volume. `number`: its frame number (from 1) in a multi-frame
    object, None in a single-frame one. `position_mm`: ImagePositionPatient in LPS mm as its own
    header has it, which may differ from the volume's affine by the rounding of headers.
    """

    plane: int
    sop_uid: str
    number: int | None
    position_mm: tuple[float, float, float]


def source_frames(volume: Volume) -> tuple[SourceFrame, ...]:
    """The frames behind a DICOM scan, by plane; planes that were filled in have none.

    Raises: OutputError where the scan is no DICOM, or its images have no instance UID.
    """
    source = volume.source
    if source.kind != "dicom" or "positions" not in source.header:
        raise OutputError(
            f"scan {source.scan_id!r} is {source.kind}, and DICOM objects refer to DICOM images",
            expected="a DICOM scan",
            remedy="Leave --dicom out, or ask for --dicom none",
        )
    frames = []
    for plane, (uid, position) in enumerate(
        zip(source.slice_uids, source.header["positions"], strict=True)
    ):
        if position is None:
            continue
        sop_uid, _, number = uid.partition("#")
        if not sop_uid:
            raise OutputError(
                f"slice {plane + 1} of scan {source.scan_id!r} has no SOPInstanceUID",
                expected="images that can be referred to",
                remedy="Ask for --dicom none, or export the series again",
            )
        x, y, z = position
        frames.append(SourceFrame(plane, sop_uid, int(number) if number else None, (x, y, z)))
    return tuple(frames)


def image_item(
    frames: Sequence[SourceFrame], class_uid: str, *, with_frames: bool = True
) -> Dataset:
    """An item of a reference sequence for frames of ONE instance, with their numbers if it has any.

    `with_frames`: False refers to the instance as a whole.
    """
    item = Dataset()
    item.ReferencedSOPClassUID = class_uid
    item.ReferencedSOPInstanceUID = frames[0].sop_uid
    numbers = [frame.number for frame in frames if frame.number is not None]
    if numbers and with_frames:
        item.ReferencedFrameNumber = numbers if len(numbers) > 1 else numbers[0]
    return item


def instance_items(frames: Sequence[SourceFrame], class_uid: str) -> list[Dataset]:
    """One item for every instance that these frames are of, in their order, without numbers."""
    first = {frame.sop_uid: frame for frame in reversed(frames)}
    uids = dict.fromkeys(frame.sop_uid for frame in frames)
    return [image_item([first[uid]], class_uid, with_frames=False) for uid in uids]
