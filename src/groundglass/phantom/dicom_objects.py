"""A phantom's slices, scout and multi-frame object as DICOM data sets (nothing is written)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    generate_uid,
)
from pydicom.valuerep import format_number_as_ds

from groundglass.geometry import slice_distance_mm
from groundglass.io.phantom_mark import DICOM_MANUFACTURER, DICOM_MODEL
from groundglass.phantom.chest import Phantom

_DATE, _TIME = "20200101", "120000"


@dataclass(frozen=True)
class DicomForm:
    """How a phantom's voxels are stored: signed HU, or unsigned with intercept -1024.

    All UIDs follow from the settings: the same phantom gives the same files.
    """

    phantom: Phantom
    unsigned: bool = False

    def uid(self, *parts: object) -> UID:
        """A UID for a part of this phantom."""
        return generate_uid(entropy_srcs=[repr(self.phantom.settings), *map(str, parts)])

    @cached_property
    def orientation(self) -> list[str]:
        """Direction cosines of a row (along W) and of a column (along H)."""
        matrix = self.phantom.volume.affine[:3, :3]
        unit = matrix / np.linalg.norm(matrix, axis=0)
        return [number(v) for v in (*unit[:, 2], *unit[:, 1])]

    @cached_property
    def pixel_spacing(self) -> list[str]:
        _, h, w = self.phantom.volume.spacing_mm
        return [number(h), number(w)]

    @cached_property
    def slice_mm(self) -> str:
        return number(slice_distance_mm(self.phantom.volume.affine))

    def position(self, d: float) -> list[str]:
        """LPS mm of the first pixel of slice d."""
        return [number(v) for v in (self.phantom.volume.affine @ (d, 0, 0, 1))[:3]]

    def slice_object(self, d: int, series: str, instance: int, key: object = "") -> Dataset:
        """CT Image Storage of slice d; `key` tells copies of one slice apart."""
        out = self._new(CTImageStorage, self.uid("instance", series, d, key))
        self._say_series(out, series, number=1 if series == "main" else 2)
        out.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        self._say_acquisition(out, instance)
        out.SliceThickness = self.slice_mm
        out.SpacingBetweenSlices = self.slice_mm
        out.GantryDetectorTilt = number(self.phantom.settings.tilt_degrees)
        out.ImagePositionPatient = self.position(d)
        out.ImageOrientationPatient = self.orientation
        out.SliceLocation = out.ImagePositionPatient[2]
        out.PixelSpacing = self.pixel_spacing
        self._say_rescale(out)
        out.RescaleType = "HU"
        out.WindowCenter, out.WindowWidth = "-600", "1500"
        self._put_pixels(out, self.phantom.volume.array[d])
        return out

    def scout_object(self, series: str) -> Dataset:
        """A localizer: the mean along H of the volume, in the plane of W and D."""
        volume = self.phantom.volume
        image = np.rint(volume.array.mean(axis=1)[::-1]).astype(np.int16)
        out = self._new(CTImageStorage, self.uid("scout", series))
        self._say_series(out, series, number=1 if series == "main" else 3)
        out.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        self._say_acquisition(out, 0)
        matrix = volume.affine[:3, :3]
        along, across = matrix[:, 0], matrix[:, 2]
        out.ImagePositionPatient = self.position(volume.shape[0] - 1)
        out.ImageOrientationPatient = [
            number(v) for v in (*across / np.linalg.norm(across), *-along / np.linalg.norm(along))
        ]
        out.PixelSpacing = [number(float(np.linalg.norm(along))), self.pixel_spacing[1]]
        out.SliceThickness = ""
        self._say_rescale(out)
        out.RescaleType = "HU"
        self._put_pixels(out, image)
        return out

    def enhanced_object(self, slices: list[int]) -> Dataset:
        """Enhanced CT Image Storage with one frame for each entry of `slices`."""
        out = self._new(EnhancedCTImageStorage, self.uid("enhanced"))
        self._say_series(out, "main", number=1)
        out.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
        self._say_acquisition(out, 1)
        out.AcquisitionDateTime = _DATE + _TIME
        out.ContentQualification = "RESEARCH"
        out.PixelPresentation, out.VolumetricProperties = "MONOCHROME", "VOLUME"
        out.VolumeBasedCalculationTechnique = "NONE"
        out.PresentationLUTShape = "IDENTITY"
        out.BurnedInAnnotation, out.LossyImageCompression = "NO", "00"
        out.AcquisitionContextSequence = Sequence([])
        out.NumberOfFrames = len(slices)
        organization = Dataset()
        organization.DimensionOrganizationUID = self.uid("dimensions")
        out.DimensionOrganizationSequence = Sequence([organization])
        out.SharedFunctionalGroupsSequence = Sequence([self._shared_groups()])
        out.PerFrameFunctionalGroupsSequence = Sequence(
            [self._frame_groups(d, at + 1) for at, d in enumerate(slices)]
        )
        self._put_pixels(out, self.phantom.volume.array[slices])
        return out

    def _shared_groups(self) -> Dataset:
        measures, plane, values, frame = Dataset(), Dataset(), Dataset(), Dataset()
        measures.PixelSpacing = self.pixel_spacing
        measures.SliceThickness = self.slice_mm
        measures.SpacingBetweenSlices = self.slice_mm
        plane.ImageOrientationPatient = self.orientation
        self._say_rescale(values)
        values.RescaleType = "HU"
        frame.FrameType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
        frame.PixelPresentation, frame.VolumetricProperties = "MONOCHROME", "VOLUME"
        frame.VolumeBasedCalculationTechnique = "NONE"
        out = Dataset()
        out.PixelMeasuresSequence = Sequence([measures])
        out.PlaneOrientationSequence = Sequence([plane])
        out.PixelValueTransformationSequence = Sequence([values])
        out.CTImageFrameTypeSequence = Sequence([frame])
        return out

    def _frame_groups(self, d: int, place: int) -> Dataset:
        content, position = Dataset(), Dataset()
        content.StackID, content.InStackPositionNumber = "1", place
        content.DimensionIndexValues = [1, place]
        content.FrameReferenceDateTime = content.FrameAcquisitionDateTime = _DATE + _TIME
        content.FrameAcquisitionDuration = 0.0
        position.ImagePositionPatient = self.position(d)
        out = Dataset()
        out.FrameContentSequence = Sequence([content])
        out.PlanePositionSequence = Sequence([position])
        return out

    def _new(self, sop_class: UID, instance_uid: UID) -> Dataset:
        """Patient, study and frame of reference; an empty series."""
        out = Dataset()
        out.file_meta = FileMetaDataset()
        out.file_meta.MediaStorageSOPClassUID = sop_class
        out.file_meta.MediaStorageSOPInstanceUID = instance_uid
        out.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        out.SpecificCharacterSet = "ISO_IR 100"
        out.SOPClassUID, out.SOPInstanceUID = sop_class, instance_uid
        out.StudyDate = out.SeriesDate = out.ContentDate = out.AcquisitionDate = _DATE
        out.StudyTime = out.SeriesTime = out.ContentTime = out.AcquisitionTime = _TIME
        out.AccessionNumber = out.ReferringPhysicianName = out.StudyID = ""
        out.Modality, out.Manufacturer = "CT", DICOM_MANUFACTURER
        out.ManufacturerModelName = DICOM_MODEL
        out.PatientName = "PHANTOM^GROUNDGLASS"
        out.PatientID = f"PHANTOM-{self.phantom.settings.seed}"
        out.PatientBirthDate = out.PatientSex = ""
        out.StudyInstanceUID = self.uid("study")
        out.FrameOfReferenceUID = self.uid("frame")
        out.PositionReferenceIndicator = ""
        out.PatientPosition = "HFS"
        return out

    def _say_series(self, out: Dataset, series: str, *, number: int) -> None:
        out.SeriesInstanceUID = self.uid("series", series)
        out.SeriesNumber = number
        out.SeriesDescription = {"main": "PHANTOM CHEST", "thick": "PHANTOM EVERY OTHER"}.get(
            series, "PHANTOM SCOUT"
        )

    @staticmethod
    def _say_acquisition(out: Dataset, instance: int) -> None:
        out.InstanceNumber, out.AcquisitionNumber = instance, 1
        out.BodyPartExamined, out.KVP = "CHEST", "120"

    def _say_rescale(self, out: Dataset) -> None:
        out.RescaleIntercept = "-1024" if self.unsigned else "0"
        out.RescaleSlope = "1"

    def _put_pixels(self, out: Dataset, hu: np.ndarray) -> None:
        """Rows, columns and 16-bit values of (H, W) or (frames, H, W)."""
        out.Rows, out.Columns = hu.shape[-2:]
        out.SamplesPerPixel, out.PhotometricInterpretation = 1, "MONOCHROME2"
        bits = 12 if self.unsigned else 16  # 3071 + 1024 = 4095
        out.BitsAllocated, out.BitsStored, out.HighBit = 16, bits, bits - 1
        out.PixelRepresentation = 0 if self.unsigned else 1
        stored = (hu + np.int16(1024)).astype("<u2") if self.unsigned else hu.astype("<i2")
        out.PixelData = stored.tobytes()
        out["PixelData"].VR = "OW"


def number(value: float) -> str:
    """A DICOM decimal string: at most 16 characters, no negative zero."""
    return format_number_as_ds(float(np.round(value, 10)) + 0.0)
