"""What the spool holds of one study."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Origin:
    """Who sent a series: by which front, from which address, as which AE title or token."""

    via: Literal["dicom", "http"]
    address: str = ""
    sender: str = ""


@dataclass(frozen=True)
class SpooledStudy:
    """A study as it lay there when it was read.

    `series` maps each SeriesInstanceUID to the SOP instance UIDs in it. `content` names this set
    of objects: it changes when one is added. `submitted` is the content that the queue was given
    last. `last_received` is in seconds since 1970.
    """

    study_uid: str
    folder: Path
    series: dict[str, tuple[str, ...]]
    origins: dict[str, Origin]
    size_bytes: int
    last_received: float
    submitted: str | None

    @property
    def instances(self) -> int:
        return sum(map(len, self.series.values()))

    @property
    def content(self) -> str:
        """SHA-256 over the UIDs, as hexadecimal digits."""
        names = [f"{series}/{sop}" for series, sops in self.series.items() for sop in sops]
        return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()

    def path(self, series_uid: str, sop_uid: str) -> Path:
        """Where an object lies."""
        return self.folder / series_uid / f"{sop_uid}.dcm"


def read_study(folder: Path) -> SpooledStudy | None:
    """The study in `folder`, or None where it holds no object."""
    series: dict[str, tuple[str, ...]] = {}
    origins: dict[str, Origin] = {}
    size, last = 0, 0.0
    try:
        children = sorted(child for child in folder.iterdir() if child.is_dir())
        for child in children:
            sops = []
            with os.scandir(child) as entries:
                for entry in entries:
                    if entry.name.endswith(".dcm"):
                        sops.append(entry.name.removesuffix(".dcm"))
                        size += entry.stat().st_size
            if sops:
                series[child.name] = tuple(sorted(sops))
                origins[child.name] = _origin(child / "origin.json")
                last = max(last, child.stat().st_mtime)  # a new name in a folder sets it
    except (FileNotFoundError, NotADirectoryError):  # removed meanwhile
        return None
    if not series:
        return None
    return SpooledStudy(
        folder.name, folder, series, origins, size, last, _text(folder / "submitted")
    )


def _origin(path: Path) -> Origin:
    text = _text(path)
    return Origin(via="dicom") if text is None else Origin(**json.loads(text))


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
