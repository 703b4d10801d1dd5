"""Files one by one: damaged ones are counted, and never stop a run or leave a half file."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, example, given, settings

from groundglass.deidentification.dicom_files import deidentify_dicom
from groundglass.deidentification.profiles import PROFILES
from groundglass.deidentification.secret_key import SecretKey
from groundglass.io.read import read_scan
from groundglass.phantom.chest import Phantom
from groundglass.phantom.dicom_writer import DicomOptions, write_dicom_series

from ..io.damages import damages
from ..io.dicom_builder import save
from .made_patient import patient_slice

KEY = SecretKey(bytes(range(32)))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(damage=damages())
@example(damage=lambda data: data)
def test_damaged_files(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path, out = tmp_path / "a.dcm", tmp_path / "out"
    save(patient_slice(), path)
    path.write_bytes(damage(path.read_bytes()))
    shutil.rmtree(out, ignore_errors=True)
    outcome = deidentify_dicom([path], out, KEY, profile=PROFILES["research"])
    written = list(out.rglob("*.dcm"))
    assert outcome.written == len(written)
    assert outcome.written + outcome.left_out.total() == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what was odd and stays is odd still
        assert all(pydicom.dcmread(file).PatientIdentityRemoved == "YES" for file in written)


@pytest.mark.parametrize(
    "options",
    [DicomOptions(enhanced=True), DicomOptions(transfer_syntax="jpeg2000"),
        DicomOptions(transfer_syntax="rle", scout="same"),
     DicomOptions(transfer_syntax="implicit", unsigned=True)],
)  # fmt: skip
@pytest.mark.parametrize("profile", PROFILES)
def test_every_form_of_a_series_reads_the_same(
    tmp_path: Path, small_chest: Phantom, options: DicomOptions, profile: str
) -> None:
    files = write_dicom_series(small_chest, tmp_path / "in", options)
    deidentify_dicom(files, tmp_path / "out", KEY, profile=PROFILES[profile])
    before, after = read_scan(tmp_path / "in"), read_scan(tmp_path / "out")
    np.testing.assert_array_equal(after.array, before.array)
    np.testing.assert_array_equal(after.affine, before.affine)
    assert [bool(uid) for uid in after.source.slice_uids] == [True] * len(after.array)
    assert not set(after.source.slice_uids) & set(before.source.slice_uids)
