"""What the tests of the node share: small objects as a scanner would send them."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundglass.phantom.chest import Phantom
from groundglass.phantom.dicom_writer import DicomOptions, write_dicom_series


@pytest.fixture(scope="session")
def chest_series(small_chest: Phantom, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The 16 slices of `small_chest`, explicit little endian, one study and series."""
    folder = tmp_path_factory.mktemp("chest") / "dicom"
    return write_dicom_series(small_chest, folder, DicomOptions())
