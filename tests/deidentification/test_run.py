"""A whole input into a whole folder: what is written, left out, and told in the mapping."""

from __future__ import annotations

import csv
import shutil
import stat
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import SecondaryCaptureImageStorage

from groundglass.deidentification.profiles import PROFILES
from groundglass.deidentification.run import deidentify_input
from groundglass.deidentification.scan import scan_pseudonym
from groundglass.deidentification.secret_key import SecretKey
from groundglass.errors import OutputError, UnreadableError
from groundglass.io.read import read_scan

from ..io.dicom_builder import save
from .made_patient import SECRETS, SERIES, STUDY, find_secrets, patient_slice, write_patient

KEY = SecretKey(bytes(range(32)))
BASIC = PROFILES["basic"]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_patient(tmp_path / "Zorngiebel_Adalberta")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("form", ["folder", "zip", "file"])
def test_no_name_anywhere_and_the_same_volume(
    study: Path, tmp_path: Path, profile: str, form: str
) -> None:
    given = study
    if form == "zip":
        given = Path(shutil.make_archive(str(tmp_path / "Zorngiebel"), "zip", study))
    if form == "file":
        given = sorted(study.iterdir())[0]
    outcome = deidentify_input(given, tmp_path / "out", KEY, profile=PROFILES[profile])
    assert outcome.written == (1 if form == "file" else 12)
    assert find_secrets(tmp_path / "out") == []
    before, after = read_scan(given), read_scan(tmp_path / "out")
    np.testing.assert_array_equal(after.array, before.array)
    np.testing.assert_array_equal(after.affine, before.affine)
    assert after.source.series_uid == KEY.uid(SERIES)
    assert after.source.slice_uids == tuple(KEY.uid(uid) for uid in before.source.slice_uids)


def test_the_same_key_gives_the_same_bytes(study: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        deidentify_input(study, tmp_path / name, KEY, profile=BASIC)
    files = {
        name: {str(f.relative_to(tmp_path / name)): f.read_bytes()
               for f in (tmp_path / name).rglob("*.dcm")}
        for name in ("one", "two")
    }  # fmt: skip
    assert files["one"] == files["two"]
    assert len(files["one"]) == 12


def test_mapping_only_where_asked_and_for_its_owner_alone(study: Path, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    deidentify_input(study, tmp_path / "out", KEY, profile=BASIC)
    assert set(tmp_path.iterdir()) - before == {tmp_path / "out"}
    path = tmp_path / "mapping.csv"
    profile = PROFILES["longitudinal"]
    deidentify_input(study, tmp_path / "out2", KEY, profile=profile, mapping=path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open(newline="") as stream:
        rows = {row["kind"]: row for row in csv.DictReader(stream)}
    assert rows["patient"]["old"] == "MRN-7741-X"
    assert (tmp_path / "out2" / rows["patient"]["new"]).is_dir()
    assert rows["study"] == {"kind": "study", "old": STUDY, "new": KEY.uid(STUDY), "days": ""}
    files = (tmp_path / "out2").rglob("*.dcm")
    date = pydicom.dcmread(next(files)).StudyDate
    moved = np.datetime64("2021-04-17") + int(rows["patient"]["days"])
    assert date == str(moved).replace("-", "")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"BurnedInAnnotation": "YES"}, "its header says that text is burned in"),
        ({"SOPClassUID": SecondaryCaptureImageStorage}, "it is a screen capture"),
        ({"Modality": "OT"}, "modality OT often shows text"),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "its image type is that of"),
    ],
)
def test_images_that_may_show_text(
    study: Path, tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    dataset = patient_slice()
    dataset.SOPInstanceUID = "1.2.40.0.13.1.99.9"
    for name, value in change.items():
        setattr(dataset, name, value)
    save(dataset, study / "Zorngiebel_text.dcm")
    outcome = deidentify_input(study, tmp_path / "out", KEY, profile=BASIC)
    assert (outcome.written, outcome.left_out.total()) == (12, 1)
    assert next(iter(outcome.left_out)).startswith(reason)
    kept = deidentify_input(study, tmp_path / "all", KEY, profile=BASIC, keep_burned_in=True)
    assert kept.written == 13
    assert find_secrets(tmp_path / "all") == []


def test_overlay_in_spare_bits_of_the_pixels(study: Path, tmp_path: Path) -> None:
    dataset = patient_slice()
    del dataset[0x60003000]  # no data of its own: it lies in the pixels
    shutil.rmtree(study)
    study.mkdir()
    save(dataset, study / "a.dcm")
    with pytest.raises(UnreadableError, match="overlay lies in the spare bits"):
        deidentify_input(study, tmp_path / "out", KEY, profile=BASIC)


def test_what_is_no_image_is_left_out_and_counted(study: Path, tmp_path: Path) -> None:
    (study / "Zorngiebel.txt").write_text("Adalberta")
    report = patient_slice()
    del report.PixelData
    report.SOPInstanceUID = "1.2.40.0.13.1.99.9"
    report.file_meta = pydicom.dataset.FileMetaDataset()
    report.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    report.file_meta.MediaStorageSOPClassUID = report.SOPClassUID
    report.file_meta.MediaStorageSOPInstanceUID = report.SOPInstanceUID
    report.save_as(study / "sr.dcm", enforce_file_format=True)
    whole = study / "Zorngiebel_000.dcm"
    (study / "cut.dcm").write_bytes(whole.read_bytes()[:-50])
    shutil.copy(whole, study / "twice.dcm")
    outcome = deidentify_input(study, tmp_path / "out", KEY, profile=BASIC)
    assert outcome.written == 12
    assert outcome.left_out == {
        "not DICOM": 1,
        "DICOM without an image": 1,
        "damaged DICOM": 1,
        "an instance that was there already": 1,
    }
    assert find_secrets(tmp_path / "out") == []


class TestNothingHalfWritten:
    def test_nothing_left_to_write(self, tmp_path: Path) -> None:
        dataset = patient_slice()
        dataset.BurnedInAnnotation = "YES"
        (tmp_path / "in").mkdir()
        save(dataset, tmp_path / "in" / "a.dcm")
        with pytest.raises(UnreadableError, match=r"text is burned in\).*--keep-burned-in"):
            deidentify_input(tmp_path / "in", tmp_path / "out", KEY, profile=BASIC,
                             mapping=tmp_path / "map.csv")  # fmt: skip
        assert [path.name for path in tmp_path.iterdir()] == ["in"]

    def test_output_inside_the_input(self, study: Path) -> None:
        with pytest.raises(OutputError, match="inside the input"):
            deidentify_input(study, study / "out", KEY, profile=BASIC)

    def test_output_that_holds_something(self, study: Path, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "x").write_text("x")
        with pytest.raises(OutputError, match="not empty"):
            deidentify_input(study, tmp_path / "out", KEY, profile=BASIC)

    def test_mapping_that_would_be_given_away(self, study: Path, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match="to be given away"):
            deidentify_input(study, tmp_path / "out", KEY, profile=BASIC,
                             mapping=tmp_path / "out" / "map.csv")  # fmt: skip
        assert not (tmp_path / "out").exists()

    def test_mapping_that_is_there(self, study: Path, tmp_path: Path) -> None:
        (tmp_path / "map.csv").write_text("mine")
        with pytest.raises(OutputError, match=r"map.csv is there; expected a new file"):
            deidentify_input(study, tmp_path / "out", KEY, profile=BASIC,
                             mapping=tmp_path / "map.csv")  # fmt: skip
        assert (tmp_path / "map.csv").read_text() == "mine"
        assert not (tmp_path / "out").exists()


def test_a_volume_file_gets_the_scans_pseudonym(tmp_path: Path, cip_dir: Path) -> None:
    given = tmp_path / "Zorngiebel.nrrd"
    shutil.copy(cip_dir / "ct-64.nrrd", given)
    outcome = deidentify_input(given, tmp_path / "out", KEY, profile=BASIC)
    name = scan_pseudonym(KEY, "Zorngiebel")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{name}.nrrd"]
    assert outcome.names == {("scan", "Zorngiebel"): name}
    before, after = read_scan(given), read_scan(tmp_path / "out")
    np.testing.assert_array_equal(after.array, before.array)


def test_the_made_patient_has_every_secret(study: Path) -> None:
    assert {secret for _, secret in find_secrets(study)} == set(SECRETS)
