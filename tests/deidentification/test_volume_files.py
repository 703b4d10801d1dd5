"""NIfTI and NRRD: texts are gone, values and geometry are the same."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel
import nrrd
import numpy as np
import pytest

from groundglass.deidentification.volume_files import clean_volume_file
from groundglass.errors import UnreadableError
from groundglass.io.phantom_mark import HEADER_NOTE, is_phantom_header
from groundglass.io.read import read_scan

from ..io.dicom_builder import chest
from .made_patient import find_secrets

AFFINE = np.array([[-0.7, 0, 0, 20], [0, -0.8, 0, 30], [0, 0.1, 2, -100], [0, 0, 0, 1.0]])


def write_nifti(path: Path, kind: type = nibabel.Nifti1Image, order: str = "<") -> None:
    """A NIfTI whose texts and extension name the patient."""
    header: Any = kind.header_class(endianness=order)  # type: ignore[attr-defined]
    image: Any = kind(chest().T.astype(order + "i2"), AFFINE, header)
    for name, text in (("descrip", b"Zorngiebel"), ("aux_file", b"Adalberta"),
                       ("intent_name", b"MRN-7741-X"), ("db_name", b"Quarkheim")):  # fmt: skip
        if name in image.header:
            image.header[name] = text
    note = b"Zorngiebel, Adalberta, born 19470313"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(6, note))
    nibabel.save(image, path)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("order", ["<", ">"])
def test_nifti(tmp_path: Path, suffix: str, kind: type, order: str) -> None:
    source, folder = tmp_path / f"in{suffix}", tmp_path / "out"
    folder.mkdir()
    write_nifti(source, kind, order)
    assert len(find_secrets(tmp_path)) >= 4
    clean_volume_file(source, folder / f"a{suffix}", "nifti")
    assert find_secrets(folder) == []
    before: Any = nibabel.load(source)
    after: Any = nibabel.load(folder / f"a{suffix}")
    assert type(after) is kind
    np.testing.assert_array_equal(np.asarray(after.dataobj), np.asarray(before.dataobj))
    np.testing.assert_array_equal(after.affine, before.affine)
    assert after.header.get_zooms() == before.header.get_zooms()
    assert not after.header.extensions


def test_gzip_names_no_file_and_no_time(tmp_path: Path) -> None:
    write_nifti(tmp_path / "Zorngiebel.nii")
    with gzip.open(tmp_path / "Zorngiebel.nii.gz", "wb") as packed:
        packed.write((tmp_path / "Zorngiebel.nii").read_bytes())
    assert b"Zorngiebel" in (tmp_path / "Zorngiebel.nii.gz").read_bytes()[:40]
    clean_volume_file(tmp_path / "Zorngiebel.nii.gz", tmp_path / "a.nii.gz", "nifti")
    assert (tmp_path / "a.nii.gz").read_bytes()[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"


def test_a_phantom_still_says_that_it_is_no_patient(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii")
    data = bytearray((tmp_path / "a.nii").read_bytes())
    data[148 : 148 + len(HEADER_NOTE)] = HEADER_NOTE.encode()
    (tmp_path / "a.nii").write_bytes(data)
    clean_volume_file(tmp_path / "a.nii", tmp_path / "b.nii", "nifti")
    assert is_phantom_header({"nifti_header": nibabel.load(tmp_path / "b.nii").header})


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_nrrd(tmp_path: Path, encoding: str) -> None:
    source, folder = tmp_path / "in.nrrd", tmp_path / "out"
    folder.mkdir()
    header = {
        "encoding": encoding,
        "space": "left-posterior-superior",
        "space directions": np.diag([0.7, 0.8, 2.0]),
        "space origin": np.array([1.0, 2.0, 3.0]),
        "kinds": ["domain"] * 3,
        "content": "Zorngiebel",
        "Patient name": "Adalberta",
    }
    nrrd.write(str(source), chest().T, header)
    text = source.read_bytes()
    source.write_bytes(text.replace(b"\ndimension", b"\n# MRN-7741-X\ndimension", 1))
    assert len(find_secrets(tmp_path)) == 3
    clean_volume_file(source, folder / "a.nrrd", "nrrd")
    assert find_secrets(folder) == []
    before, after = read_scan(source), read_scan(folder / "a.nrrd")
    np.testing.assert_array_equal(after.array, before.array)
    np.testing.assert_array_equal(after.affine, before.affine)


def test_nrrd_with_values_elsewhere_is_refused(tmp_path: Path) -> None:
    text = b"NRRD0004\ntype: short\ndimension: 3\nsizes: 1 1 1\ndata file: Zorngiebel.raw\n\n"
    (tmp_path / "a.nhdr").write_bytes(text)
    with pytest.raises(UnreadableError, match="values in another file"):
        clean_volume_file(tmp_path / "a.nhdr", tmp_path / "b.nrrd", "nrrd")


@pytest.mark.parametrize(("kind", "data"), [("nifti", b"x" * 600), ("nrrd", b"hello")])
def test_no_such_file(tmp_path: Path, kind: str, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(UnreadableError, match="a"):
        clean_volume_file(tmp_path / "a", tmp_path / "b", kind)
    assert not (tmp_path / "b").exists()


def test_other_kinds_are_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match=r"a.png is of the kind pictures.*Convert"):
        clean_volume_file(tmp_path / "a.png", tmp_path / "b.png", "pictures")
