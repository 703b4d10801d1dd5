"""Files from anywhere: whatever is done to a file, readers answer, or say what is wrong with it."""

from __future__ import annotations

import contextlib
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from PIL import Image

from groundglass.errors import GroundglassError
from groundglass.io.inspect import inspect_input
from groundglass.io.read import read_scan
from groundglass.phantom.chest import Phantom, make_phantom
from groundglass.phantom.dicom_writer import DicomOptions, write_dicom_series
from groundglass.phantom.nifti_writer import write_nifti
from groundglass.phantom.settings import PhantomSettings

from .damages import damages

KINDS = {
    "explicit": ".dcm",
    "implicit": ".dcm",
    "rle": ".dcm",
    "jpegls": ".dcm",
    "enhanced": ".dcm",
    "nifti": ".nii",
    "packed": ".nii.gz",
    "nrrd": ".nrrd",
    "metaimage": ".mha",
    "picture": ".png",
    "zip": ".zip",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A small whole file of each kind."""
    root = tmp_path_factory.mktemp("whole")
    phantom = make_phantom(PhantomSettings(shape=(4, 12, 12), seed=1))
    out = {}
    for name in ("explicit", "implicit", "rle", "jpegls"):
        files = write_dicom_series(phantom, root / name, DicomOptions(transfer_syntax=name))
        out[name] = files[0].read_bytes()
    files = write_dicom_series(phantom, root / "enhanced", DicomOptions(enhanced=True))
    out["enhanced"] = files[0].read_bytes()
    shutil.make_archive(str(root / "zip"), "zip", root / "rle")
    out["zip"] = (root / "zip.zip").read_bytes()
    out |= _volume_files(phantom, root)
    return out


def _volume_files(phantom: Phantom, root: Path) -> dict[str, bytes]:
    import gzip

    import nrrd

    write_nifti(phantom, root / "a.nii.gz")
    packed = (root / "a.nii.gz").read_bytes()
    array = phantom.volume.array
    nrrd.write(str(root / "a.nrrd"), array.T, {"space": "left-posterior-superior",
        "space directions": np.eye(3), "space origin": np.zeros(3)})  # fmt: skip
    size = " ".join(map(str, array.shape[::-1]))
    head = f"ObjectType = Image\nNDims = 3\nDimSize = {size}\nElementType = MET_SHORT\n"
    head += "BinaryData = True\nElementDataFile = LOCAL\n"
    Image.fromarray(np.clip(array[2] / 4 + 100, 0, 255).astype(np.uint8)).save(root / "a.png")
    return {
        "packed": packed,
        "nifti": gzip.decompress(packed),
        "nrrd": (root / "a.nrrd").read_bytes(),
        "metaimage": head.encode() + array.astype("<i2").tobytes(),
        "picture": (root / "a.png").read_bytes(),
    }


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(damage=damages())
@example(damage=lambda data: b"")
@example(damage=lambda data: data[: len(data) // 2])
def test_damaged_files_are_read_or_refused(
    whole: dict[str, bytes], tmp_path: Path, kind: str, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / f"scan{KINDS[kind]}"
    path.write_bytes(damage(whole[kind]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries warn of odd values; the answer is what counts
        inspect_input(path)
        with contextlib.suppress(GroundglassError):
            assert read_scan(path).array.dtype in (np.int16, np.uint8)
