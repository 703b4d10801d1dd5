"""DICOM files that are whole or absent."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from pydicom.dataset import Dataset

from groundglass.errors import OutputError


def save_dicom(dataset: Dataset, path: Path) -> None:
    """Write a Part 10 file beside its place, then rename it into it.

    Raises: OutputError where it cannot be encoded or written.
    """
    beside = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of values that the scan's header had so
            dataset.save_as(beside, enforce_file_format=True)
        os.replace(beside, path)
    except OSError as error:
        raise OutputError(
            f"{path} could not be written ({error.strerror or error})",
            remedy="Check that the folder exists, is writable and has room",
        ) from error
    except Exception as error:  # pydicom raises anything for a value that it cannot encode
        raise OutputError(
            f"{path.name} could not be encoded ({type(error).__name__}: {error})",
            expected="values that DICOM can hold",
        ) from error
    finally:
        beside.unlink(missing_ok=True)
