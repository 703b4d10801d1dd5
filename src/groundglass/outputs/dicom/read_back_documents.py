"""Documents and pictures are read again too, and every object must be in the patient's study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels.utils import pixel_array

from groundglass.errors import OutputError
from groundglass.outputs.dicom.read_back import differ, read_again

_WHOSE = ("PatientID", "PatientName", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


def check_document(path: Path, made: Dataset) -> None:
    """Compare the PDF in a file with the one that was made, byte by byte.

    Raises: OutputError where they differ, or where the file cannot be read.
    """
    found = read_again(path)
    pdf, wanted = (_pdf(dataset) for dataset in (found, made))
    if pdf != wanted:
        differ(path, f"holds {len(pdf)} bytes of PDF", f"the {len(wanted)} that were made")


def check_picture(path: Path, made: Dataset) -> None:
    """Compare a picture, decoded, with the pixels that were drawn.

    Raises: OutputError where they differ, or where the file cannot be read.
    """
    found = read_again(path)
    drawn = np.frombuffer(made.PixelData, np.uint8)[: made.Rows * made.Columns * 3]
    try:
        pixels = pixel_array(found)
    except Exception as error:  # whatever is wrong with it, it is not what was drawn
        raise OutputError(
            f"pixels of {path.name} cannot be read back ({type(error).__name__}: {error})",
            expected="an RGB picture",
        ) from error
    shape = (made.Rows, made.Columns, 3)
    if pixels.shape != shape:
        differ(path, f"has a picture of shape {pixels.shape}", f"{shape}")
    wrong = int(np.count_nonzero(pixels != drawn.reshape(shape)))
    if wrong:
        differ(path, f"differs in {wrong} samples", "the picture that was drawn")


def check_owner(path: Path, made: Dataset) -> None:
    """Compare patient, study, series and instance with those that were meant.

    Raises: OutputError where they differ, or where the file cannot be read.
    """
    found = read_again(path, only=_WHOSE)
    for keyword in _WHOSE:
        says, meant = (str(dataset.get(keyword, "")).strip() for dataset in (found, made))
        if says != meant:
            # No values: a patient's name does not belong into a log.
            differ(path, f"has another {keyword} than it was made with", "the same")


def _pdf(dataset: Dataset) -> bytes:
    return bytes(dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength])
