"""A small DICOM scan with masks and findings, and checks by tools that are not ours."""

from __future__ import annotations

import datetime
import shutil
import subprocess
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from groundglass.io.read import read_scan
from groundglass.measurement import measure
from groundglass.outputs.dicom.identity import Algorithm, Identity, make_identity
from groundglass.outputs.report import ReportInputs

from ...io.dicom_builder import write_series
from ..conftest import Case


@dataclass(frozen=True)
class Derived:
    """What objects are made of."""

    inputs: ReportInputs
    identity: Identity


def derive(
    folder: Path,
    case: Case,
    *,
    change: Callable[[Dataset, int], object] | None = None,
    skip: tuple[int, ...] = (),
) -> Derived:
    """The case as a DICOM series in `folder`, read again, with its masks and an identity."""
    write_series(folder, case.volume.array, case.volume.affine, change=change, skip=skip)
    volume = read_scan(folder, allow_gaps=bool(skip))
    assert volume.shape == case.volume.shape
    found = measure(volume, case.lungs, case.lesions)
    identity = make_identity(
        volume,
        {"lungs": Algorithm("chs-net", "1"), "lesions": Algorithm("ta-segnet", "2")},
        created=datetime.datetime(2021, 5, 6, 7, 8, 9, tzinfo=datetime.UTC),
        key=uuid.UUID(int=7),
    )
    inputs = ReportInputs(volume, case.lungs, case.lesions, found, {"weights": {"name": "w"}})
    return Derived(inputs, identity)


def dciodvfy_errors(path: Path) -> list[str]:
    """What dciodvfy holds against a file; the test is skipped where it is not installed."""
    tool = shutil.which("dciodvfy")
    if tool is None:
        pytest.skip("dciodvfy (Debian package dicom3tools) is not installed")
    done = subprocess.run([tool, "-new", str(path)], capture_output=True, text=True, check=False)
    return [line for line in (done.stdout + done.stderr).splitlines() if "Error" in line]
