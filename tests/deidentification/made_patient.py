"""A CT slice whose header names the patient wherever a header can."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from ..io.dicom_builder import AXIAL, chest, save, slice_dataset

SECRETS = (
    "Zorngiebel",
    "Adalberta",
    "MRN-7741-X",
    "ACC-558812",
    "Quarkheim",
    "Feldwebel",
    "19470313",
    "20210417",
    "1.2.40.0.13.1.99",
    "KX-99-SERIAL",
)
"""What must be nowhere in anything that is written."""
STUDY, SERIES = "1.2.40.0.13.1.99.1", "1.2.40.0.13.1.99.2"


def patient_slice(index: int = 0, hu: np.ndarray | None = None) -> Dataset:
    """One slice with names in known, nested, private, unknown and misused attributes."""
    hu = chest() if hu is None else hu
    out = slice_dataset(hu[index], AXIAL, index, SERIES)
    out.SpecificCharacterSet = "ISO_IR 100"
    out.SOPInstanceUID = f"1.2.40.0.13.1.99.3.{index}"
    out.StudyInstanceUID, out.FrameOfReferenceUID = STUDY, "1.2.40.0.13.1.99.4"
    out.PatientName, out.PatientID = "Zorngiebel^Adalberta", "MRN-7741-X"
    out.PatientBirthDate, out.PatientSex, out.PatientAge = "19470313", "F", "074Y"
    out.OtherPatientIDs = ["MRN-7741-X", "MRN-OLD"]
    out.PatientComments = "daughter of Adalberta Zorngiebel"
    out.AccessionNumber, out.StudyID = "ACC-558812", "ACC-558812"
    out.StudyDate = out.SeriesDate = out.AcquisitionDate = out.ContentDate = "20210417"
    out.AcquisitionDateTime = "20210417083000.5"
    out.StudyTime = out.AcquisitionTime = "083000"
    out.InstitutionName, out.InstitutionAddress = "Klinikum Quarkheim", "Quarkheim 1"
    out.ReferringPhysicianName, out.OperatorsName = "Feldwebel^Otto", "Feldwebel^Otto"
    out.StationName, out.DeviceSerialNumber = "CTQUARKHEIM", "KX-99-SERIAL"
    out.StudyDescription = "CT Thorax Zorngiebel 1mm"
    out.SeriesDescription = "Lung for Dr. Feldwebel"
    out.ProtocolName = "HRCT Quarkheim"
    out.ImageComments = "Zorngiebel"
    out.BodyPartExamined, out.ConvolutionKernel = "CHEST", "B60f"
    out.AcquisitionNumber = 2
    request = Dataset()
    request.RequestedProcedureDescription = "Zorngiebel"
    request.ScheduledProcedureStepID = "ACC-558812"
    out.RequestAttributesSequence = Sequence([request])
    reference = Dataset()
    reference.ReferencedSOPClassUID = out.SOPClassUID
    reference.ReferencedSOPInstanceUID = "1.2.40.0.13.1.99.3.1"
    reference.PurposeOfReferenceCodeSequence = Sequence([])
    reference.add_new(0x00091001, "LO", "Zorngiebel")
    out.SourceImageSequence = Sequence([reference])
    out.private_block(0x0029, "QUARKHEIM CSA", create=True).add_new(1, "LO", "Zorngiebel")
    out.add_new(0x00080FF1, "LO", "Zorngiebel")  # in no dictionary
    out.add_new(0x60000010, "US", 4)
    out.add_new(0x60000011, "US", 4)
    out.add_new(0x60000102, "US", 0)
    out.add_new(0x60003000, "OW", b"ZORNGIEBEL")
    out.add_new(0x60004000, "LT", "Zorngiebel")
    out.add_new(0x50003000, "OW", b"Zorngiebel")
    # Misused: fields of plain words into which a technician typed the patient.
    out.FilterType = "Zorngiebel"
    out.ManufacturerModelName = "Scanner of QUARKHEIM MRN-7741-X"
    out.ContrastBolusRoute = "given by Feldwebel"
    return out


def write_patient(folder: Path, hu: np.ndarray | None = None) -> Path:
    """All slices of the patient's scan; the folder and the files are named after her too."""
    hu = chest() if hu is None else hu
    folder.mkdir(parents=True)
    for index in range(len(hu)):
        save(patient_slice(index, hu), folder / f"Zorngiebel_{index:03d}.dcm")
    return folder


def find_secrets(folder: Path, secrets: tuple[str, ...] = SECRETS) -> list[tuple[str, str]]:
    """(file, secret) for every secret in a name or in the bytes of a file, packed or not."""
    import gzip

    found = []
    for path in sorted(folder.rglob("*")):
        data = str(path.relative_to(folder)).encode()
        if path.is_file():
            raw = path.read_bytes()
            data += raw + (gzip.decompress(raw) if path.suffix == ".gz" else b"")
        lowered = data.lower()
        found += [(path.name, secret) for secret in secrets if secret.lower().encode() in lowered]
    return found
