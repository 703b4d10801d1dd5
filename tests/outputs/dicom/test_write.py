"""Which kinds there are, and that a fault in one leaves none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from groundglass.errors import OutputError, SettingsError
from groundglass.outputs.dicom import write
from groundglass.outputs.dicom.identity import KINDS
from groundglass.outputs.dicom.write import Making, parse_dicom_kinds, write_objects
from groundglass.outputs.report.inputs import ReportInputs

from .made_objects import Made, made_axial


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_axial(tmp_path_factory.mktemp("write") / "scan")


def making(one: Made, lungs: np.ndarray | None = None) -> Making:
    lungs = one.lungs if lungs is None else lungs
    return Making(ReportInputs(one.volume, lungs, one.lesions, one.findings), one.identity)


class Stages:
    """What the seconds are booked on."""

    def __init__(self) -> None:
        self.names: list[str] = []

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self.names.append(name)
        yield


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("none", ()),
        ("seg", ("seg",)),
        ("SR, seg", ("seg", "sr")),
        ("sc,pdf,sr,seg,seg", ("seg", "sr", "pdf", "sc")),
    ],
)
def test_kinds_are_read_in_any_order(text: str, kinds: tuple[str, ...]) -> None:
    assert parse_dicom_kinds(text) == kinds


@pytest.mark.parametrize("text", ["", "rt", "seg,none", "seg,,sr"])
def test_unknown_kinds_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="expected some of seg, sr, pdf, sc, or none alone"):
        parse_dicom_kinds(text)


def test_every_kind_has_a_maker() -> None:
    assert set(write.MAKERS) == set(KINDS)
    assert set(write.DEFAULT_KINDS) < set(KINDS)


def test_all_objects_are_of_one_study_and_each_kind_is_a_series(one: Made, tmp_path: Path) -> None:
    stages = Stages()
    names = write_objects(tmp_path / "dicom", ("sc", "pdf", "sr", "seg"), making(one), stage=stages)
    assert stages.names == [f"dicom: {kind}" for kind in ("seg", "sr", "pdf", "sc")]
    assert names[:4] == ["seg.dcm", "sr.dcm", "report.dcm", "sc-001.dcm"]
    assert sorted(names) == sorted(path.name for path in (tmp_path / "dicom").iterdir())
    objects = {name: pydicom.dcmread(tmp_path / "dicom" / name) for name in names}
    assert {dataset.StudyInstanceUID for dataset in objects.values()} == {"1.2.3.4"}
    assert {str(dataset.PatientName) for dataset in objects.values()} == {"Secret^Name"}
    assert len({dataset.SOPInstanceUID for dataset in objects.values()}) == len(names)
    assert len({dataset.SeriesInstanceUID for dataset in objects.values()}) == 4
    assert all("Research use only" in d.SeriesDescription for d in objects.values())
    assert {d.Modality for d in objects.values()} == {"SEG", "SR", "DOC", "OT"}


def test_a_report_alone_refers_to_no_segmentation(one: Made, tmp_path: Path) -> None:
    assert write_objects(tmp_path / "dicom", ("sr",), making(one), stage=Stages()) == ["sr.dcm"]
    [study] = pydicom.dcmread(
        tmp_path / "dicom" / "sr.dcm"
    ).CurrentRequestedProcedureEvidenceSequence
    assert len(study.ReferencedSeriesSequence) == 1


def test_masks_without_a_voxel_are_noted_and_the_rest_is_written(one: Made, tmp_path: Path) -> None:
    asked = Making(
        ReportInputs(one.volume, one.lungs * 0, one.lesions * 0, one.findings), one.identity
    )
    assert write_objects(tmp_path / "dicom", ("seg", "sr"), asked, stage=Stages()) == ["sr.dcm"]
    assert asked.notes == {"seg": "no slice that has a source image holds lung or lesion"}


def test_a_difference_on_disk_is_an_error(
    one: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(which: Making) -> Iterator[tuple[str, Dataset]]:
        mirrored = ReportInputs(one.volume, one.lungs[:, :, ::-1].copy(), one.lesions, one.findings)
        yield from make(Making(mirrored, which.identity, which.made))
        which.made["seg"] = Dataset()

    make = write.MAKERS["seg"]
    monkeypatch.setitem(write.MAKERS, "seg", wrong)
    with pytest.raises(OutputError, match=r"seg\.dcm"):
        write_objects(tmp_path / "dicom", ("seg",), making(one), stage=Stages())


def test_a_folder_that_is_there_already_is_not_touched(one: Made, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="could not be made"):
        write_objects(tmp_path, ("sr",), making(one), stage=Stages())
    assert list(tmp_path.iterdir()) == []
