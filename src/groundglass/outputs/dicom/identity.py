"""Who a derived DICOM object belongs to, and who made it: one `Identity` for all objects of a run.

An object inherits patient, study and frame of reference from the scan, unchanged, so that an
archive files it beside the images. Series and instances are new in every run: two runs can give
different results, and one UID must never stand for two contents.
"""

from __future__ import annotations

import copy
import datetime
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

import groundglass
from groundglass.errors import OutputError
from groundglass.outputs.dicom.inherited import FRAME_OF_REFERENCE, inherited_from
from groundglass.outputs.dicom.sources import SourceFrame, instance_items, source_frames
from groundglass.volume import Volume

MANUFACTURER = "Groundglass"
RESEARCH_USE = "Research use only"
KINDS = {"seg": "segmentation", "sr": "measurements", "pdf": "report", "sc": "pictures"}
"""Every kind of object, and what its series is called."""
_FIRST_SERIES_NUMBER = 9101  # behind the scanner's own series, and few digits for old archives
IMPLEMENTATION_UID = UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_DNS, 'groundglass').int}")


@dataclass(frozen=True)
class Algorithm:
    """A network that had a part in the result, by the name and version of its weights."""

    name: str
    version: str
    network: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class Identity:
    """What all DICOM objects of one run share.

    `inherited`: patient, study and frame of reference of the scan, as `inherited.py` lists them.
    `series_uid`, `class_uid`, `frames`: the source series, the SOP class of its images, and the
    frames behind the volume's planes. `algorithms`: by what they did ('lungs', 'lesions' and, with
    one, 'classifier'). `created`: content date and time of all objects. `key`: all new UIDs follow
    from it, so that two objects of a run can name each other before either is written.
    """

    inherited: Dataset = field(repr=False)  # a name in a log is one too many
    series_uid: str
    class_uid: str
    frames: tuple[SourceFrame, ...]
    algorithms: Mapping[str, Algorithm]
    created: datetime.datetime
    key: uuid.UUID = field(default_factory=uuid.uuid4)

    def new_series_uid(self, kind: str) -> UID:
        """UID of this run's series of a kind in `KINDS`."""
        return self._uid("series", kind)

    def new_instance_uid(self, kind: str, number: int = 1) -> UID:
        """UID of instance `number` (from 1) in that series."""
        return self._uid("instance", kind, number)

    def new_uid(self, *parts: object) -> UID:
        """UID of anything else in this run, such as a lesion that several objects speak of."""
        return self._uid("other", *parts)

    def _uid(self, *parts: object) -> UID:
        return UID(f"2.25.{uuid.uuid5(self.key, '/'.join(map(str, parts))).int}")

    @property
    def software_versions(self) -> list[str]:
        """Of Groundglass, and of the weights of each network; each at most 64 characters."""
        used = [f"{role} {algorithm}" for role, algorithm in self.algorithms.items()]
        return [plain(text)[:64] for text in (f"groundglass {groundglass.__version__}", *used)]

    def series_description(self, kind: str) -> str:
        return f"Groundglass {KINDS[kind]} - {RESEARCH_USE}"

    def source_items(self) -> list[Dataset]:
        """One item (SOP class, instance) for every source instance: a SourceImageSequence."""
        return instance_items(self.frames, self.class_uid)

    def source_series_item(self) -> Dataset:
        """The source series with all its instances: an item of a ReferencedSeriesSequence."""
        item = Dataset()
        item.SeriesInstanceUID = self.series_uid
        item.ReferencedInstanceSequence = self.source_items()
        return item

    def put_on(
        self, dataset: Dataset, kind: str, *, class_uid: str | None = None, number: int = 1
    ) -> None:
        """Set everything that does not depend on an object's content.

        Patient, study, series, equipment, SOP common, content date and time, and the file meta
        (its transfer syntax stays where there is one); the frame of reference for 'seg' only, as
        the others need not lie in space. `kind`: one of `KINDS`; `class_uid`: the object's SOP
        class, where the dataset has none yet; `number`: InstanceNumber in the series. Modality is
        the caller's. Whatever the dataset has already is overwritten.
        """
        for element in self.inherited:
            if kind == "seg" or element.keyword not in FRAME_OF_REFERENCE:
                dataset[element.tag] = copy.deepcopy(element)
        dataset.SOPClassUID = UID(class_uid or dataset.SOPClassUID)
        dataset.SOPInstanceUID = self.new_instance_uid(kind, number)
        dataset.SeriesInstanceUID = self.new_series_uid(kind)
        dataset.SeriesNumber = _FIRST_SERIES_NUMBER + list(KINDS).index(kind)
        dataset.SeriesDescription = self.series_description(kind)
        dataset.InstanceNumber = number
        dataset.Manufacturer = dataset.ManufacturerModelName = MANUFACTURER
        dataset.DeviceSerialNumber = f"groundglass-{groundglass.__version__}"
        dataset.SoftwareVersions = self.software_versions
        day, clock = self.created.strftime("%Y%m%d"), self.created.strftime("%H%M%S")
        dataset.SeriesDate = dataset.ContentDate = dataset.InstanceCreationDate = day
        dataset.SeriesTime = dataset.ContentTime = dataset.InstanceCreationTime = clock
        for item in dataset.get("ContributingEquipmentSequence", ()):
            item.ContributionDateTime = f"{day}{clock}"  # libraries add themselves, with their time
        old = getattr(dataset, "file_meta", None) or FileMetaDataset()
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        meta.TransferSyntaxUID = old.get("TransferSyntaxUID", ExplicitVRLittleEndian)
        meta.ImplementationClassUID = IMPLEMENTATION_UID
        meta.ImplementationVersionName = f"GROUNDGLASS{groundglass.__version__}"[:16]
        dataset.file_meta = meta


def plain(text: str) -> str:
    """Text in ASCII, which every character set holds; the rest becomes '?'."""
    known = text.translate({0xA0: " ", 0x2013: "-", 0x2019: "'", 0x2212: "-"})
    return known.encode("ascii", "replace").decode("ascii")


def make_identity(
    volume: Volume,
    algorithms: Mapping[str, Algorithm],
    *,
    created: datetime.datetime | None = None,
    key: uuid.UUID | None = None,
) -> Identity:
    """The identity of a run's objects on a scan that was read from DICOM.

    `created`: with its time zone, or as a time of the scan's; now, where left out. `key`: a new
    one, where left out; the same key gives the same UIDs (for tests).
    Raises: OutputError where the scan is no DICOM, or its images lack the UIDs that tie an object
    to a study, a series and images.
    """
    frames = source_frames(volume)
    header: Dataset = volume.source.header["dataset"]
    key = key or uuid.uuid4()
    inherited = inherited_from(header, scan_id=volume.source.scan_id)
    if not inherited.get("FrameOfReferenceUID"):
        # The frame of reference is lost: ours says where things are among our objects only.
        inherited.FrameOfReferenceUID = f"2.25.{uuid.uuid5(key, 'frame of reference').int}"
    class_uid = str(header.get("SOPClassUID") or "")
    for name, value in (
        ("SeriesInstanceUID", volume.source.series_uid),
        ("SOPClassUID", class_uid),
    ):
        if not value:
            raise OutputError(
                f"scan {volume.source.scan_id!r} has no {name}",
                expected="images that can be referred to",
                remedy="Ask for --dicom none, or export the series again",
            )
    return Identity(
        inherited=inherited,
        series_uid=volume.source.series_uid,
        class_uid=class_uid,
        frames=frames,
        algorithms=dict(algorithms),
        created=_in_zone(created or datetime.datetime.now().astimezone(), inherited),
        key=key,
    )


def _in_zone(created: datetime.datetime, inherited: Dataset) -> datetime.datetime:
    """In the time zone that the scan's header states, as it holds for all its times; else as is."""
    try:
        zone = datetime.datetime.strptime(str(inherited.TimezoneOffsetFromUTC), "%z").tzinfo
    except (AttributeError, ValueError):
        inherited.pop("TimezoneOffsetFromUTC", None)
        return created
    # Without a zone of its own it is a time of the scan's header already.
    return created if created.tzinfo is None else created.astimezone(zone)
