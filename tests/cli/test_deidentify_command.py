"""`groundglass deidentify` and `analyze --deidentify`: what they print, and exit codes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest

from groundglass.deidentification.scan import scan_pseudonym
from groundglass.deidentification.secret_key import read_or_make_key
from groundglass.phantom.chest import Phantom
from groundglass.phantom.nifti_writer import write_nifti
from groundglass.weights.store import Weights

from ..deidentification.made_patient import SECRETS, find_secrets, write_patient
from .conftest import Groundglass


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_patient(tmp_path / "Zorngiebel_Adalberta")


def test_what_it_says(groundglass: Groundglass, study: Path, tmp_path: Path) -> None:
    (study / "notes.txt").write_text("x")
    answer = groundglass("deidentify", study, tmp_path / "out", "--profile", "research")
    assert (answer.code, answer.out) == (0, f"{tmp_path / 'out'}\n")
    assert "12 files written: 1 patients, 1 studies, 1 series" in answer.err
    assert "36 attributes that stay held a name or number and were cut" in answer.err
    assert "12 images do not say whether text is burned in" in answer.err
    assert "left out: 1 files, not DICOM" in answer.err
    assert "chin" in answer.err
    assert not [secret for secret in SECRETS if secret in answer.err]
    assert find_secrets(tmp_path / "out") == []


def test_key_links_runs(groundglass: Groundglass, study: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    names = []
    for run in ("one", "two", "three"):
        more = ("--key", key) if run != "three" else ()
        assert groundglass("deidentify", study, tmp_path / run, *more, "--quiet").code == 0
        names += [path.name for path in (tmp_path / run).iterdir()]
    assert names[0] == names[1] != names[2]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--profile", "none"), 2, "expected one of basic, longitudinal, research"),
        (("--key", "no/such/key"), 1, "could not be written"),
        (("--mapping", "out/map.csv"), 1, "to be given away"),
    ],
)
def test_refusals_write_nothing(
    groundglass: Groundglass, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, str], code: int, said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    answer = groundglass("deidentify", study, "out", *arguments)
    assert answer.code == code
    assert said in answer.err
    assert os.listdir(tmp_path) == [study.name]


def test_input_that_is_not_there(groundglass: Groundglass, tmp_path: Path) -> None:
    answer = groundglass("deidentify", tmp_path / "none", tmp_path / "out")
    assert answer.code == 1
    assert "none does not exist" in answer.err
    assert not (tmp_path / "out").exists()


class TestAnalyze:
    @pytest.fixture
    def scan(self, tmp_path: Path, small_chest: Phantom) -> Path:
        write_nifti(small_chest, tmp_path / "Zorngiebel.nii.gz")
        return tmp_path / "Zorngiebel.nii.gz"

    def test_one_scan(
        self, groundglass: Groundglass, scan: Path, rule_weights: Weights, tmp_path: Path
    ) -> None:
        key, out = tmp_path / "key", tmp_path / "out"
        answer = groundglass("analyze", scan, "-o", out, "--weights", rule_weights.folder,
                             "--deidentify", "basic", "--key", key, "--json")  # fmt: skip
        assert answer.code == 0
        name = scan_pseudonym(read_or_make_key(key), "Zorngiebel")
        assert json.loads(answer.out)["scan"]["id"] == name
        assert find_secrets(out) == []

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("--deidentify", "hipaa"), "profile 'hipaa' is unknown"),
            (("--key", "key"), "--key is given without --deidentify"),
            (("--deidentify", "basic", "--resume"), "expected --key too"),
        ],
    )
    def test_wrong_usage(
        self, groundglass: Groundglass, scan: Path, tmp_path: Path,
        arguments: tuple[str, ...], said: str,
    ) -> None:  # fmt: skip
        answer = groundglass("analyze", scan, "-o", tmp_path / "out", *arguments)
        assert answer.code == 2
        assert said in answer.err
        assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dciodvfy (dicom3tools) is not installed")
@pytest.mark.parametrize("profile", ["basic", "longitudinal", "research"])
def test_an_independent_validator_finds_nothing_new(
    groundglass: Groundglass, tmp_path: Path, small_chest: Phantom, profile: str
) -> None:
    from groundglass.phantom.dicom_writer import write_dicom_series

    def errors(path: Path) -> set[str]:
        said = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
        return {line for line in said.stderr.splitlines() if line.startswith("Error")}

    before = write_dicom_series(small_chest, tmp_path / "in")[0]
    answer = groundglass("deidentify", tmp_path / "in", tmp_path / "out", "--profile", profile)
    assert answer.code == 0
    after = next((tmp_path / "out").rglob("*.dcm"))
    assert pydicom.dcmread(after).PatientIdentityRemoved == "YES"
    assert errors(after) <= errors(before)


def test_help_reads_no_image_library() -> None:
    code = "import sys, groundglass.cli.app; print('pydicom' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"
