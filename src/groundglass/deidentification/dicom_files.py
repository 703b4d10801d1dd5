"""DICOM files, de-identified into a folder: patient, study, series, instance, all by new names."""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset

from groundglass.deidentification.burned_in import text_in_pixels
from groundglass.deidentification.dataset import deidentify_dataset
from groundglass.deidentification.identity import patient_of
from groundglass.deidentification.profiles import Profile
from groundglass.deidentification.secret_key import SecretKey
from groundglass.errors import OutputError
from groundglass.io.dicom_file import looks_like_dicom, read_dicom_file
from groundglass.io.dicom_frames import MEDIA_DIRECTORY

_log = logging.getLogger(__name__)
_SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


@dataclass
class Outcome:
    """What was written, what was not and why, and how old names became new ones.

    `left_out` counts files by reason. `names` maps (kind, old) to new, kind patient, study,
    series or scan; `days` a patient's old id to the shift of its dates. `redacted` counts
    attributes that stay and held a name or number of the patient, which was cut out; `silent`
    images whose header does not say whether text is burned in.
    """

    written: int = 0
    silent: int = 0
    redacted: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    days: dict[str, int] = field(default_factory=dict)

    def count(self, kind: str) -> int:
        """How many patients, studies, series or scans there are."""
        return sum(known == kind for known, _ in self.names)


def deidentify_dicom(
    files: Iterable[Path],
    folder: Path,
    key: SecretKey,
    *,
    profile: Profile,
    keep_burned_in: bool = False,
) -> Outcome:
    """Write every DICOM image among `files` below `folder` without its patient.

    Left out, with the reason: what is no image (reports, dose records and presentations are
    free text throughout), and images that may show text, unless `keep_burned_in`.
    Raises: OutputError where a file cannot be written.
    """
    job = _Job(folder, key, profile, keep_burned_in)
    for path in files:
        reason = "not DICOM"
        if looks_like_dicom(path):
            try:
                reason = job.write(path)
            except OutputError:
                raise
            except Exception as error:  # a damaged file fails in any way; counted, not hidden
                _log.debug("%s: %r", path, error)
                reason = "damaged DICOM"
        if reason:
            job.out.left_out[reason] += 1
    return job.out


@dataclass(frozen=True)
class _Job:
    folder: Path
    key: SecretKey
    profile: Profile
    keep_burned_in: bool
    out: Outcome = field(default_factory=Outcome)

    def write(self, path: Path) -> str:
        """De-identify one file; the reason where it is left out."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd headers are warned about, and still written
            dataset = read_dicom_file(path)
            reason = _unfit(dataset, self.keep_burned_in)
            if reason:
                return reason
            patient = patient_of(dataset)
            old = [str(dataset.StudyInstanceUID), str(dataset.SeriesInstanceUID)]
            redacted = deidentify_dataset(dataset, self.key, self.profile)
            new = [str(dataset.StudyInstanceUID), str(dataset.SeriesInstanceUID)]
            pseudonym = str(dataset.PatientID)
            place = self.folder.joinpath(pseudonym, *new, f"{dataset.SOPInstanceUID}.dcm")
            if place.exists():
                return "an instance that was there already"
            _save(dataset, place)
        self.out.written += 1
        self.out.redacted += redacted
        self.out.silent += "BurnedInAnnotation" not in dataset
        names = zip(("study", "series"), old, new, strict=True)
        self.out.names.update({(kind, before): after for kind, before, after in names})
        self.out.names["patient", _shown(patient)] = pseudonym
        if self.profile.shift_dates:
            self.out.days[_shown(patient)] = self.key.shift_days(patient)
        return ""


def _shown(patient: str) -> str:
    return patient.replace("\n", "|").strip("|")


def _unfit(dataset: Dataset, keep_burned_in: bool) -> str:
    meta = getattr(dataset, "file_meta", {})
    if str(meta.get("MediaStorageSOPClassUID", "")) == MEDIA_DIRECTORY:
        return "DICOMDIR"
    if not any(name in dataset for name in _PIXELS):
        return "DICOM without an image"
    for name in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        if not dataset.get(name):
            return f"DICOM without {name}"
    if str(dataset.SOPClassUID) in _SEGMENTATIONS:
        return "DICOM segmentation, whose labels are free text"
    return "" if keep_burned_in else text_in_pixels(dataset)


def _save(dataset: Dataset, place: Path) -> None:
    """Raises: OutputError, or whatever a damaged data set leads pydicom to."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(place, enforce_file_format=True)
    except OSError as error:
        raise OutputError(
            f"{place.name} could not be written ({error.strerror or error})",
            remedy="Check that the place is writable and has room",
        ) from error
    except BaseException:
        place.unlink(missing_ok=True)
        raise
