"""Fixtures that many rooms share: where the real scans are, if they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def cip_dir() -> Path:
    """The small real chest CT that ships with the tests (64x64x79, true HU)."""
    return Path(__file__).resolve().parent / "data" / "cip"


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real scans that does not ship; the test is skipped where it is absent."""
    folder = Path(os.environ.get("GROUNDGLASS_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "covid19-ct-seg").is_dir():
        pytest.skip(f"real scans not at {folder}; set GROUNDGLASS_DATA to run this")
    return folder
