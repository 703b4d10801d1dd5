"""What objects inherit, and what is new in every run."""

from __future__ import annotations

import datetime
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage

import groundglass
from groundglass.errors import OutputError
from groundglass.outputs.dicom.identity import KINDS, Identity, make_identity, plain

from .made_objects import ALGORITHMS, CREATED, KEY, Made, made_axial


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_axial(tmp_path_factory.mktemp("identity") / "scan")


def stamped(identity: Identity, kind: str, number: int = 1) -> Dataset:
    dataset = Dataset()
    identity.put_on(dataset, kind, class_uid=EncapsulatedPDFStorage, number=number)
    return dataset


def test_patient_and_study_are_the_scans_and_series_and_instance_are_new(one: Made) -> None:
    dataset = stamped(one.identity, "pdf", 3)
    assert (dataset.PatientName, dataset.PatientID) == ("Secret^Name", "SECRET-ID")
    assert dataset.StudyInstanceUID == "1.2.3.4"
    assert dataset.SeriesInstanceUID != one.volume.source.series_uid
    assert dataset.SOPInstanceUID not in one.volume.source.slice_uids
    assert dataset.InstanceNumber == 3
    assert dataset.SeriesDescription == "Groundglass report - Research use only"
    assert dataset.SoftwareVersions == [
        f"groundglass {groundglass.__version__}", "lungs chs-net 1.0", "lesions ta-segnet 2.1",
    ]  # fmt: skip
    assert (dataset.ContentDate, dataset.ContentTime) == ("20260304", "050607")
    assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    for keyword in ("AccessionNumber", "ReferringPhysicianName", "PatientSex", "StudyID"):
        assert dataset[keyword].value in ("", None)  # absent in the scan, but type 2


def test_only_the_segmentation_has_a_frame_of_reference(one: Made) -> None:
    assert stamped(one.identity, "seg").FrameOfReferenceUID == "1.2.3.5"
    assert all("FrameOfReferenceUID" not in stamped(one.identity, k) for k in ("sr", "pdf", "sc"))


def test_every_kind_and_number_has_its_own_uids_and_every_run_has_new_ones(one: Made) -> None:
    other = make_identity(one.volume, ALGORITHMS)
    again = make_identity(one.volume, ALGORITHMS, key=KEY)
    uids = [i.new_series_uid(kind) for i in (one.identity, other) for kind in KINDS]
    uids += [
        i.new_instance_uid(kind, number)
        for i in (one.identity, other) for kind in KINDS for number in (1, 2)
    ]  # fmt: skip
    assert len(set(uids)) == len(uids) == 24
    assert all(uid.is_valid and uid.startswith("2.25.") for uid in uids)
    assert again.new_instance_uid("sc", 2) == one.identity.new_instance_uid("sc", 2)


def test_times_are_in_the_time_zone_of_the_header(tmp_path: Path) -> None:
    def at(zone: str) -> Identity:
        one = made_axial(
            tmp_path / zone.strip("+-"),
            change=lambda dataset, _: setattr(dataset, "TimezoneOffsetFromUTC", zone),
        )
        return one.identity

    assert stamped(at("+0530"), "sr").ContentTime == "103607"
    wrong = at("nonsense")
    assert wrong.created == CREATED
    assert "TimezoneOffsetFromUTC" not in stamped(wrong, "sr")


def test_now_is_taken_where_no_time_is_given(one: Made) -> None:
    created = make_identity(one.volume, ALGORITHMS).created
    assert abs(datetime.datetime.now(datetime.UTC) - created).total_seconds() < 60


def test_a_lost_frame_of_reference_is_replaced(tmp_path: Path) -> None:
    one = made_axial(
        tmp_path / "scan", change=lambda dataset, _: delattr(dataset, "FrameOfReferenceUID")
    )
    assert one.identity.inherited.FrameOfReferenceUID.startswith("2.25.")


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_a_scan_that_cannot_be_referred_to_is_refused(tmp_path: Path, keyword: str) -> None:
    with pytest.raises(OutputError, match=f"has no {keyword}"):
        made_axial(tmp_path / "scan", change=lambda dataset, _: delattr(dataset, keyword))


def test_an_image_without_its_uid_is_refused(one: Made) -> None:
    uids = ("", *one.volume.source.slice_uids[1:])
    nameless = replace(one.volume, source=replace(one.volume.source, slice_uids=uids))
    with pytest.raises(OutputError, match="slice 1 of scan 'scan' has no SOPInstanceUID"):
        make_identity(nameless, ALGORITHMS)


def test_other_input_than_dicom_is_refused(one: Made) -> None:
    nifti = replace(one.volume, source=replace(one.volume.source, kind="nifti", header={}))
    with pytest.raises(OutputError, match="is nifti, and DICOM objects refer to DICOM images"):
        make_identity(nifti, ALGORITHMS)


def test_long_and_foreign_names_of_weights_fit(one: Made) -> None:
    named = replace(
        one.identity,
        algorithms={"lungs": replace(ALGORITHMS["lungs"], name="肺" * 80)},
        key=uuid.uuid4(),
    )
    assert named.software_versions[1] == "lungs " + "?" * 58


def test_plain_text_is_ascii() -> None:
    assert plain("12\u00a0% \u2013 it\u2019s \u22121 \u00e9") == "12 % - it's -1 ?"


def test_the_patient_is_not_in_what_is_printed(one: Made) -> None:
    assert "ecret" not in repr(one.identity).lower()
