"""Secondary Captures: the lungs slice by slice in color, for viewers that show nothing else.

One single-frame image a slice, uncompressed RGB: the oldest form there is, and the one that
every archive and viewer takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import SecondaryCaptureImageStorage

from groundglass.errors import SettingsError
from groundglass.outputs.dicom.captured_slices import draw_capture
from groundglass.outputs.dicom.identity import Identity
from groundglass.outputs.dicom.sources import SourceFrame, image_item
from groundglass.outputs.report.inputs import ReportInputs
from groundglass.outputs.report.scene import Scene, choose_even


@dataclass(frozen=True)
class CaptureSettings:
    """`most_slices`: how many pictures there are at most; 60 is a whole chest at 5 mm, and 50 MB.

    Raises: SettingsError below 1.
    """

    most_slices: int = 60

    def __post_init__(self) -> None:
        if self.most_slices < 1:
            raise SettingsError(f"most_slices is {self.most_slices}", expected="1 or more")


def make_captures(
    inputs: ReportInputs, identity: Identity, settings: CaptureSettings | None = None
) -> Iterator[Dataset]:
    """Pictures of the slices that hold lung, head to feet by InstanceNumber, one at a time.

    All of them where there are at most `most_slices`, else an even choice that holds the slice
    with most lesion. A scan without lung gives its slices as they are. Each names the source
    images of its slice. Patient and date are not burnt in; the objects' headers have them.
    """
    scene = Scene.build(inputs)
    chosen = choose_slices(scene, (settings or CaptureSettings()).most_slices)
    first, last = scene.extent
    text = (
        f"Lung outline and lesion fill on {len(chosen)} of {last - first + 1} axial slices, "
        "by automatic segmentation. Research use only. Not a medical device."
    )
    for number, d in enumerate(chosen, start=1):
        dataset = _image(draw_capture(scene, d))
        identity.put_on(dataset, "sc", class_uid=SecondaryCaptureImageStorage, number=number)
        dataset.DateOfSecondaryCapture = dataset.ContentDate
        dataset.TimeOfSecondaryCapture = dataset.ContentTime
        dataset.DerivationDescription = text
        dataset.SourceImageSequence = _sources(scene, d, identity)
        _set_lossy(dataset, inputs)
        yield dataset


def choose_slices(scene: Scene, most: int) -> list[int]:
    """Which slices of the scene are shown, head first; among them the one with most lesion."""
    chosen = choose_even(*scene.extent, most)
    lesion = scene.counts.lesion.sum(axis=1)
    worst = int(lesion.argmax())
    if lesion[worst] and worst not in chosen:
        nearest = min(range(len(chosen)), key=lambda i: abs(chosen[i] - worst))
        chosen[nearest] = worst
    return chosen


def _image(pixels: np.ndarray) -> Dataset:
    """A dataset with the pixels and all that is the same in every picture."""
    dataset = Dataset()
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.Modality = "OT"  # not CT: gray values are no HU, and no reader shall take them for it
    dataset.ConversionType = "WSD"
    dataset.BodyPartExamined = "CHEST"
    dataset.PatientOrientation = ["L", "P"]
    dataset.BurnedInAnnotation = "NO"  # nothing in the pixels tells patient or date
    dataset.SamplesPerPixel = 3
    dataset.PhotometricInterpretation = "RGB"
    dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    data = np.ascontiguousarray(pixels).tobytes()
    dataset.add_new("PixelData", "OB", data + b"\0" * (len(data) % 2))
    return dataset


def _sources(scene: Scene, d: int, identity: Identity) -> list[Dataset]:
    """References to the images behind slice `d`, with what they were used for."""
    items = []
    for frame in _frames(scene, d, identity):
        item = image_item([frame], identity.class_uid)
        purpose = codes.DCM.SourceImageForImageProcessingOperation
        code = Dataset()
        code.CodeValue = purpose.value
        code.CodingSchemeDesignator = purpose.scheme_designator
        code.CodeMeaning = purpose.meaning
        item.PurposeOfReferenceCodeSequence = [code]
        item.SpatialLocationsPreserved = "NO"
        items.append(item)
    return items


def _frames(scene: Scene, d: int, identity: Identity) -> list[SourceFrame]:
    """The slice's own frame; its neighbors where it was filled in; all where it cuts all."""
    if scene.order.source[0] != 0:
        return list(identity.frames)
    plane = scene.axial.shape[0] - 1 - d if scene.order.flipped[0] else d
    own = [frame for frame in identity.frames if frame.plane == plane]
    if own:
        return own
    below = [frame for frame in identity.frames if frame.plane < plane][-1:]
    return below + [frame for frame in identity.frames if frame.plane > plane][:1]


def _set_lossy(dataset: Dataset, inputs: ReportInputs) -> None:
    """A picture of images that once lost something says so too."""
    header: Dataset = inputs.volume.source.header["dataset"]
    if header.get("LossyImageCompression") != "01":
        dataset.LossyImageCompression = "00"
        return
    for keyword in (
        "LossyImageCompression",
        "LossyImageCompressionRatio",
        "LossyImageCompressionMethod",
    ):
        if header.get(keyword):
            dataset[keyword] = header[keyword]
