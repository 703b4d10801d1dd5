"""A phantom as a DICOM series, whole or with the faults that real folders have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import (
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from groundglass.errors import SettingsError
from groundglass.io.placing import new_folder
from groundglass.phantom.chest import Phantom
from groundglass.phantom.dicom_objects import DicomForm

_COMPRESSED = {"rle": RLELossless, "jpegls": JPEGLSLossless, "jpeg2000": JPEG2000Lossless}
TRANSFER_SYNTAXES = ("explicit", "implicit", *_COMPRESSED)
SCOUTS = ("none", "same", "other", "both")


@dataclass(frozen=True)
class DicomOptions:
    """How the series is written. Gantry tilt and directions belong to the phantom itself.

    `missing` slices are left out; `duplicates` are written twice (same position, own instance
    UID). `scout` adds a localizer with the 'same' series UID, an 'other' one, or 'both'.
    `second_series` adds every other slice as a series of its own. `shuffle_names` gives file
    names that say nothing about the order. `transfer_syntax` is 'explicit' or 'implicit' little
    endian, 'rle', 'jpegls' or 'jpeg2000' (all lossless); the last three in single-frame files.
    `unsigned` stores HU + 1024 with intercept -1024 instead of signed HU. `enhanced` writes one
    multi-frame file. Raises: SettingsError.
    """

    missing: tuple[int, ...] = ()
    duplicates: tuple[int, ...] = ()
    scout: str = "none"
    second_series: bool = False
    shuffle_names: bool = False
    transfer_syntax: str = "explicit"
    unsigned: bool = False
    enhanced: bool = False

    def __post_init__(self) -> None:
        for name, value, known in (
            ("scout", self.scout, SCOUTS),
            ("transfer_syntax", self.transfer_syntax, TRANSFER_SYNTAXES),
        ):
            if value not in known:
                raise SettingsError(f"{name} is {value!r}", expected=f"one of {', '.join(known)}")
        if self.enhanced and self.transfer_syntax in _COMPRESSED:
            raise SettingsError(
                f"transfer_syntax is {self.transfer_syntax!r} with enhanced",
                expected="explicit or implicit for the multi-frame file",
            )
        both = sorted(set(self.missing) & set(self.duplicates))
        if both:
            raise SettingsError(
                f"slices {both} are in missing and in duplicates", expected="one or the other"
            )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def write_dicom_series(
    phantom: Phantom, folder: Path, options: DicomOptions | None = None
) -> list[Path]:
    """Write `phantom` into a new `folder` (whole or not at all); the files, sorted by name.

    Raises: SettingsError where a slice number is not in the scan, OutputError where the
    folder holds something or cannot be written.
    """
    options = options or DicomOptions()
    count = phantom.volume.shape[0]
    for name, slices in (("missing", options.missing), ("duplicates", options.duplicates)):
        outside = [d for d in slices if not 0 <= d < count]
        if outside:
            raise SettingsError(f"{name} has slices {outside}", expected=f"0 to {count - 1}")
    kept = [d for d in range(count) if d not in options.missing]
    if not kept:
        raise SettingsError("missing leaves no slice", expected="at least one that stays")
    with new_folder(Path(folder)) as partial:
        names = _names(phantom, options)
        for dataset in _objects(phantom, kept, options):
            _save(dataset, partial / next(names), options)
    return sorted(Path(folder).iterdir())


def _objects(phantom: Phantom, kept: list[int], options: DicomOptions) -> Iterator[Dataset]:
    """One data set at a time, so that a large scan is never in memory twice."""
    form = DicomForm(phantom, options.unsigned)
    twice = [(d, copy) for d in kept for copy in range(1 + (d in options.duplicates))]
    if options.enhanced:
        yield form.enhanced_object([d for d, _ in twice])
    else:
        for place, (d, copy) in enumerate(twice):
            yield form.slice_object(d, "main", place + 1, key=copy)
    if options.scout in ("same", "both"):
        yield form.scout_object("main")
    if options.scout in ("other", "both"):
        yield form.scout_object("scout")
    if options.second_series:
        for place, d in enumerate(kept[::2]):
            yield form.slice_object(d, "thick", place + 1)


def _names(phantom: Phantom, options: DicomOptions) -> Iterator[str]:
    """File names, in the order of the slices or shuffled."""
    most = 2 * phantom.volume.shape[0] + len(options.duplicates) + 3
    order = np.arange(most)
    if options.shuffle_names:
        order = np.random.default_rng([phantom.settings.seed, 4]).permutation(most)
    return (f"IMG{place + 1:05d}.dcm" for place in order)


def _save(dataset: Dataset, path: Path, options: DicomOptions) -> None:
    if options.transfer_syntax in _COMPRESSED and "NumberOfFrames" not in dataset:
        dataset.compress(_COMPRESSED[options.transfer_syntax], generate_instance_uid=False)
    elif options.transfer_syntax == "implicit":
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
