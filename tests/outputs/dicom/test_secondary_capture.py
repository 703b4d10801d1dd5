"""Secondary Captures: which slices, in which order, pointing at which images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from groundglass.errors import SettingsError
from groundglass.outputs.dicom.captured_slices import draw_capture
from groundglass.outputs.dicom.save import save_dicom
from groundglass.outputs.dicom.secondary_capture import (
    CaptureSettings,
    choose_slices,
    make_captures,
)
from groundglass.outputs.report import ReportInputs
from groundglass.outputs.report.scene import Scene

from .derived import Derived, dciodvfy_errors, derive


@pytest.fixture(scope="module")
def derived(case, tmp_path_factory: pytest.TempPathFactory) -> Derived:
    return derive(tmp_path_factory.mktemp("scan") / "series", case)


@pytest.fixture(scope="module")
def captures(derived: Derived) -> list[Dataset]:
    return list(make_captures(derived.inputs, derived.identity))


def test_dciodvfy_has_no_errors(captures: list[Dataset], tmp_path: Path) -> None:
    for number in (0, -1):
        save_dicom(captures[number], tmp_path / "sc.dcm")
        assert dciodvfy_errors(tmp_path / "sc.dcm") == []


def test_every_slice_with_lung_head_first(captures: list[Dataset], derived: Derived) -> None:
    first, last = Scene.build(derived.inputs).extent
    uids = derived.inputs.volume.source.slice_uids
    assert [c.InstanceNumber for c in captures] == list(range(1, last - first + 2))
    named = [[item.ReferencedSOPInstanceUID for item in c.SourceImageSequence] for c in captures]
    assert named == [[uids[d]] for d in range(last, first - 1, -1)]
    assert len({c.SOPInstanceUID for c in captures}) == len(captures)
    assert len({c.SeriesInstanceUID for c in captures}) == 1


def test_it_says_what_it_is(captures: list[Dataset]) -> None:
    one = captures[0]
    assert list(one.ImageType) == ["DERIVED", "SECONDARY"]
    assert one.Modality == "OT"
    assert list(one.PatientOrientation) == ["L", "P"]
    assert one.LossyImageCompression == "00"
    assert "Research use only" in one.DerivationDescription
    assert "Research use only" in one.SeriesDescription
    assert str(one.PatientName) == "Secret^Name"


def test_pixels_are_read_back(captures: list[Dataset], derived: Derived, tmp_path: Path) -> None:
    save_dicom(captures[0], tmp_path / "sc.dcm")
    scene = Scene.build(derived.inputs)
    read = pydicom.dcmread(tmp_path / "sc.dcm").pixel_array
    assert np.array_equal(read, draw_capture(scene, scene.extent[1]))


@given(st.integers(1, 30))
def test_a_limit_keeps_ends_apart_and_the_worst_slice(derived: Derived, most: int) -> None:
    scene = Scene.build(derived.inputs)
    first, last = scene.extent
    chosen = choose_slices(scene, most)
    assert len(chosen) == min(most, last - first + 1)
    assert chosen == sorted(set(chosen), reverse=True)
    assert first <= chosen[-1] <= chosen[0] <= last
    assert int(scene.counts.lesion.sum(axis=1).argmax()) in chosen


def test_the_text_says_how_many_are_shown(derived: Derived) -> None:
    few = list(make_captures(derived.inputs, derived.identity, CaptureSettings(most_slices=3)))
    first, last = Scene.build(derived.inputs).extent
    assert len(few) == 3
    assert f"on 3 of {last - first + 1} axial slices" in few[0].DerivationDescription
    with pytest.raises(SettingsError, match="most_slices is 0"):
        CaptureSettings(most_slices=0)


def test_a_filled_slice_names_its_neighbors(case, tmp_path: Path) -> None:
    derived = derive(tmp_path / "series", case, skip=(10,))
    uids = derived.inputs.volume.source.slice_uids
    assert uids[10] == ""
    last = Scene.build(derived.inputs).extent[1]
    captures = list(make_captures(derived.inputs, derived.identity))
    filled = captures[last - 10]
    named = [item.ReferencedSOPInstanceUID for item in filled.SourceImageSequence]
    assert named == [uids[9], uids[11]]


def test_lossy_sources_stay_lossy(case, tmp_path: Path) -> None:
    def compress(dataset: Dataset, _: int) -> None:
        dataset.LossyImageCompression = "01"
        dataset.LossyImageCompressionRatio = "8"
        dataset.LossyImageCompressionMethod = "ISO_10918_1"

    derived = derive(tmp_path / "series", case, change=compress)
    one = next(make_captures(derived.inputs, derived.identity))
    assert one.LossyImageCompression == "01"
    assert float(one.LossyImageCompressionRatio) == 8
    assert one.LossyImageCompressionMethod == "ISO_10918_1"


def test_coronal_scans_name_all_images(derived: Derived, case) -> None:
    """Their axial slices run through every image."""
    turned = np.ascontiguousarray(case.volume.array.transpose(1, 0, 2))
    affine = case.volume.affine[:, [1, 0, 2, 3]]
    volume = replace(derived.inputs.volume, array=turned, affine=affine)
    masks = [np.ascontiguousarray(m.transpose(1, 0, 2)) for m in (case.lungs, case.lesions)]
    inputs = ReportInputs(volume, *masks, case.findings)
    one = next(make_captures(inputs, derived.identity))
    assert len(one.SourceImageSequence) == len(derived.identity.frames)
