"""Lungs and lesions as a DICOM Segmentation on the frames of the scan.

Every frame of it lies on a source frame: same position, orientation, rows and columns, and a
reference to it. So it is right for any plane direction, gantry tilt and slice order, and slices
that were filled in across a gap, which no archive has, are not in it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataset import Dataset
from pydicom.valuerep import DSfloat, format_number_as_ds

from groundglass.errors import OutputError
from groundglass.outputs.dicom.identity import MANUFACTURER, Identity, plain
from groundglass.outputs.dicom.inherited import UTF8
from groundglass.outputs.dicom.segments import SEGMENTS, Coded, Segment, present_in
from groundglass.outputs.dicom.sources import SourceFrame, image_item
from groundglass.volume import Volume

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription
    from highdicom.sr import CodedConcept

SEGMENTATION_STORAGE = "1.2.840.10008.5.1.4.1.1.66.4"
_STAND_IN_COLUMNS = 8
_CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"


def make_segmentation(
    volume: Volume, lungs: np.ndarray, lesions: np.ndarray, *, identity: Identity
) -> Dataset | None:
    """A BINARY Segmentation with the segments of `SEGMENTS` that have voxels, ready to be saved.

    Shape: `lungs` and `lesions` (D, H, W) as `volume`. None where no slice with a source frame
    holds a voxel of any, as a segment must not be empty, nor an object without segments.
    Raises: OutputError where the masks do not fit the volume.
    """
    for name, mask in (("lungs", lungs), ("lesions", lesions)):
        if mask.shape != volume.shape:
            raise OutputError(
                f"{name} mask has shape {mask.shape}", expected=f"the scan's {volume.shape}"
            )
    present = present_in(lungs, lesions, [frame.plane for frame in identity.frames])
    if not present:
        return None
    segments = [segment for segment in SEGMENTS if segment.name in present]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of texts that the scan's header had so
        out = _without_pixels(volume, identity, segments, present)
    order = _refer(out, identity)
    _put_pixels(out, [(segments[number - 1], frame) for number, frame in order], lungs, lesions)
    # Lesions lie inside the lungs; the two lungs never share a voxel.
    out.SegmentsOverlap = "YES" if len(segments) > 1 and "lesion" in present else "NO"
    out.ContentCreatorName = ""
    identity.put_on(out, "seg")
    return out


def coded(code: Coded) -> CodedConcept:
    """A code as highdicom takes it."""
    from highdicom.sr import CodedConcept

    value, scheme, meaning = code
    return CodedConcept(value, scheme, meaning)


def _without_pixels(
    volume: Volume,
    identity: Identity,
    segments: Sequence[Segment],
    present: dict[str, np.ndarray],
) -> Dataset:
    """The object as highdicom makes it, of stand-ins of 1 x 8 pixels for the real frames.

    highdicom decides on frames and writes all attributes; the pixels it would copy several times
    (1.2 GB and 4 s for 300 slices of 512 x 512) are put in afterwards.
    """
    from highdicom.seg import Segmentation, SegmentationTypeValues

    frames = identity.frames
    presence = np.stack([present[segment.name] for segment in segments], axis=-1)
    pixels = np.broadcast_to(
        presence[:, None, None, :], (len(frames), 1, _STAND_IN_COLUMNS, len(segments))
    )
    return Segmentation(
        source_images=[_stand_in(volume, identity, i) for i in range(len(frames))],
        pixel_array=pixels.astype(np.uint8),
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[
            _description(segment, i + 1, identity) for i, segment in enumerate(segments)
        ],
        series_instance_uid=identity.new_series_uid("seg"),
        series_number=1,
        sop_instance_uid=identity.new_instance_uid("seg"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions="1",  # as the number of the series, set for good by `put_on`
        device_serial_number="1",
        content_label="GROUNDGLASS",
        content_description="Lungs and lesions by neural networks; research use only",
        content_creator_name=None,
        specific_character_set=UTF8,
    )


def _stand_in(volume: Volume, identity: Identity, index: int) -> Dataset:
    """What highdicom reads of a source image. Its instance UID ends in the index of the frame.

    The class is CT Image whatever the source is, as each frame stands for itself; the references
    to these stand-ins are replaced by `_refer`.
    """
    header = volume.source.header
    frame = identity.frames[index]
    out = Dataset()
    out.update(identity.inherited)
    out.SOPClassUID, out.SOPInstanceUID = _CT_IMAGE, f"2.25.{index}"
    out.SeriesInstanceUID = identity.series_uid
    out.Modality = "CT"
    out.Rows, out.Columns = 1, _STAND_IN_COLUMNS
    distance_mm = volume.spacing_mm[0]
    out.PixelSpacing = [_decimal(v) for v in header["pixel_spacing"]]
    out.SliceThickness = _decimal(header["slice_thickness_mm"] or distance_mm)
    if volume.shape[0] > 1:
        out.SpacingBetweenSlices = _decimal(distance_mm)
    out.ImagePositionPatient = [_decimal(v) for v in frame.position_mm]
    out.ImageOrientationPatient = [_decimal(v) for v in header["orientation"]]
    source = header["dataset"]
    for keyword in (
        "LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod",
    ):  # fmt: skip
        if source.get(keyword):
            out[keyword] = source[keyword]
    return out


def _decimal(value: float) -> DSfloat:
    """A decimal string of at most 16 characters."""
    text = format_number_as_ds(float(value))
    # pydicom 3.0 makes 17 of a number just below a power of ten.
    return DSfloat(text if len(text) <= 16 else format_number_as_ds(round(value, 10)))


def _description(segment: Segment, number: int, identity: Identity) -> SegmentDescription:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentAlgorithmTypeValues, SegmentDescription

    algorithm = identity.algorithms[segment.role]
    return SegmentDescription(
        segment_number=number,
        segment_label=segment.label,
        segmented_property_category=coded(segment.category),
        segmented_property_type=coded(segment.kind),
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=AlgorithmIdentificationSequence(
            name=plain(algorithm.name)[:64],
            version=plain(algorithm.version)[:64],
            family=coded(("123110", "DCM", "Artificial Intelligence")),
            source=MANUFACTURER,
        ),
        tracking_id=segment.name,
        tracking_uid=identity.new_uid("segment", segment.name),
        anatomic_regions=None if segment.site is None else [coded(segment.site)],
        display_color=CIELabColor.from_rgb(*segment.rgb),
    )


def _refer(out: Dataset, identity: Identity) -> list[tuple[int, SourceFrame]]:
    """Refer to the true source frames; segment number and source frame of every frame, in order."""
    shared = out.SharedFunctionalGroupsSequence[0]
    order = []
    for groups in out.PerFrameFunctionalGroupsSequence:
        uid = groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        named = groups if "SegmentIdentificationSequence" in groups else shared
        number = int(named.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        order.append((number, identity.frames[int(uid.rpartition(".")[2])]))
    # Only now, as the frames of several segments share their reference to a source frame.
    for groups, (_, frame) in zip(out.PerFrameFunctionalGroupsSequence, order, strict=True):
        source = groups.DerivationImageSequence[0].SourceImageSequence[0]
        source.update(image_item([frame], identity.class_uid))
    out.SourceImageSequence = identity.source_items()
    out.ReferencedSeriesSequence = [identity.source_series_item()]
    return order


def _put_pixels(
    out: Dataset,
    order: Sequence[tuple[Segment, SourceFrame]],
    lungs: np.ndarray,
    lesions: np.ndarray,
) -> None:
    """One bit a pixel, frames one after the other without padding between them."""
    out.Rows, out.Columns = lungs.shape[1:]
    packed = []
    rest = np.empty(0, dtype=bool)
    for segment, frame in order:
        mask = segment.of(lungs[frame.plane], lesions[frame.plane]).reshape(-1)
        bits = np.concatenate([rest, mask]) if rest.size else mask
        whole = bits.size - bits.size % 8
        packed.append(np.packbits(bits[:whole], bitorder="little").tobytes())
        rest = bits[whole:]
    packed.append(np.packbits(rest, bitorder="little").tobytes())
    data = b"".join(packed)
    out.PixelData = data + b"\0" * (len(data) % 2)
    out["PixelData"].VR = "OB"
