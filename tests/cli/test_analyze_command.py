"""`groundglass analyze`: what it prints, where, and with which exit code."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest

from groundglass.cli import analyze_command
from groundglass.cli.load_cascade import load_cascade
from groundglass.findings import findings_schema
from groundglass.outputs.result_folder import is_complete
from groundglass.phantom.chest import Phantom
from groundglass.phantom.dicom_writer import write_dicom_series
from groundglass.phantom.nifti_writer import write_nifti
from groundglass.pipeline.classify import LoadedClassifier
from groundglass.pipeline.load_classifier import load_classifier
from groundglass.weights.store import Weights

from ..made_classification import MadeClassifier, made_classification
from ..made_weights import write_lesion_model
from .conftest import Groundglass


@pytest.fixture(scope="session")
def scans(tmp_path_factory: pytest.TempPathFactory, small_chest: Phantom) -> tuple[Path, Path]:
    """A chest as NIfTI, and a picture without lungs."""
    root = tmp_path_factory.mktemp("scans")
    write_nifti(small_chest, root / "chest.nii.gz")
    image = np.full((64, 64), 200, np.uint8)
    image[0, 0] = 0
    cv2.imwrite(str(root / "wall.png"), image)
    return root / "chest.nii.gz", root / "wall.png"


@pytest.fixture
def analyze(groundglass: Groundglass, rule_weights: Weights, tmp_path: Path) -> Groundglass:
    def run(*arguments: object):
        return groundglass(
            "analyze", *arguments, "-o", tmp_path / "out", "--weights", rule_weights.folder
        )

    return run


class TestDicom:
    def test_the_kinds_asked_for_are_written(
        self, analyze: Groundglass, small_chest: Phantom, tmp_path: Path
    ) -> None:
        write_dicom_series(small_chest, tmp_path / "scan")
        done = analyze(tmp_path / "scan", "--dicom", "sr,seg")
        assert done.code == 0
        assert f"DICOM objects: {tmp_path / 'out' / 'dicom'}" in done.out
        written = sorted(path.name for path in (tmp_path / "out" / "dicom").iterdir())
        assert written == ["seg.dcm", "sr.dcm"]

    def test_an_unknown_kind_is_wrong_usage_and_other_input_an_error(
        self, analyze: Groundglass, scans: tuple[Path, Path], tmp_path: Path
    ) -> None:
        wrong = analyze(scans[0], "--dicom", "rtstruct")
        assert (wrong.code, wrong.out) == (2, "")
        assert "error: --dicom is 'rtstruct'; expected some of seg, sr, pdf, sc" in wrong.err
        other = analyze(scans[0], "--dicom", "seg")
        assert (other.code, other.out) == (1, "")
        assert "is nifti, and DICOM objects refer to DICOM images" in other.err
        assert list(tmp_path.iterdir()) == []


class TestLesionModel:
    def test_lungs_of_one_and_lesions_of_another(
        self, analyze: Groundglass, scans: tuple[Path, Path], tmp_path: Path
    ) -> None:
        alone = write_lesion_model(tmp_path / "lesions")
        assert analyze(scans[0], "--lesion-model", alone.folder, "--quiet").code == 0
        weights = json.loads((tmp_path / "out" / "run.json").read_text())["weights"]
        assert weights["name"] == "rule"
        assert weights["lesion_model"]["name"] == "lesion-rule"
        assert weights["lesion_model"]["version"] == "7"
        assert weights["sha256"]["lesions"] == alone.stage("lesions").onnx.sha256
        assert "lesion-rule" in (tmp_path / "out" / "report.html").read_text()

    @pytest.mark.parametrize(
        ("weights", "lesion_model", "used"),
        [(None, None, "ta-segnet"), (None, "chs-net", "chs-net"), ("chs-net", None, "chs-net")],
    )
    def test_which_shipped_one_is_taken(
        self, weights: str | None, lesion_model: str | None, used: str
    ) -> None:
        cascade = load_cascade(weights, lesion_model, engine="onnx", device="cpu")
        names = {stage: one.manifest.name for stage, one in cascade.weights.items()}
        assert names == {"lungs": "chs-net", "lesions": used}

    def test_an_unknown_one(
        self, analyze: Groundglass, scans: tuple[Path, Path], tmp_path: Path
    ) -> None:
        answer = analyze(scans[0], "--lesion-model", "lobes")
        assert answer.code == 1
        assert "weights 'lobes' are not here; expected chs-net" in answer.err


class TestClassifier:
    @pytest.fixture
    def severe(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str | None, str, str]]:
        """A classifier that says severe of every scan, in the place of weights; what was asked."""
        asked = []

        def load(name: str | None, *, engine: str, device: str) -> LoadedClassifier:
            asked.append((name, engine, device))
            even = MadeClassifier(
                lambda slices: made_classification(
                    0.9, 0.9, slices=slices, weights=[1 / len(slices)] * len(slices)
                )
            )
            return LoadedClassifier(even, {}, is_phantom_trained=False)

        monkeypatch.setattr(analyze_command, "load_classifier", load)
        return asked

    def test_a_difference_is_printed(
        self, analyze: Groundglass, scans: tuple[Path, Path], severe: list
    ) -> None:
        asked = ("--classifier", "made", "--engine", "onnx", "--device", "cpu")
        answer = analyze(scans[0], *asked, "--nominal-spacing")  # in mm its pixels are too coarse
        assert answer.code == 0, answer.err
        assert severe == [("made", "onnx", "cpu")]
        assert re.search(r"\n  measured: mild, \w+; learned: severe. THEY DIFFER\n", answer.out)
        assert "  warning: The two routes differ: " in answer.out

    def test_also_of_several(
        self, analyze: Groundglass, scans: tuple[Path, Path], severe: list
    ) -> None:
        answer = analyze(*scans, "--classifier", "made", "--nominal-spacing")
        assert severe == [("made", "auto", "auto")]
        assert "learned: severe. THEY DIFFER\n" in answer.err

    def test_without_one_it_is_said(self, analyze: Groundglass, scans: tuple[Path, Path]) -> None:
        assert load_classifier(None, engine="onnx", device="cpu") is None
        assert "; learned: no classifier given\n" in analyze(scans[0]).out


class TestOneScan:
    def test_a_person_gets_a_few_lines(
        self, analyze: Groundglass, scans: tuple[Path, Path], tmp_path: Path
    ) -> None:
        answer = analyze(scans[0])
        assert answer.code == 0, answer.err
        assert answer.err == ""
        assert answer.out.startswith("chest: Findings consistent with")
        for words in ("lungs ", " ml (right ", "involved: ", "report: "):
            assert words in answer.out
        assert is_complete(tmp_path / "out")

    def test_json_is_nothing_but_json(
        self, analyze: Groundglass, scans: tuple[Path, Path], tmp_path: Path
    ) -> None:
        answer = analyze(scans[0], "--json", "--probability", "--exact-lungs", "--flips")
        findings = json.loads(answer.out)
        jsonschema.validate(findings, findings_schema())
        assert findings == json.loads((tmp_path / "out" / "findings.json").read_text())
        assert (tmp_path / "out" / "lesion_probability.nii.gz").is_file()
        settings = json.loads((tmp_path / "out" / "run.json").read_text())["settings"]
        assert (settings["lung_step_mm"], settings["flips"]) == (0.0, True)
        resumed = analyze(scans[0], "--json", "--resume")
        assert json.loads(resumed.out) == findings

    def test_quiet_says_nothing(self, analyze: Groundglass, scans: tuple[Path, Path]) -> None:
        answer = analyze(scans[0], "--quiet")
        assert (answer.code, answer.out, answer.err) == (0, "", "")

    def test_verbose_tells_stages_on_stderr(
        self, analyze: Groundglass, scans: tuple[Path, Path]
    ) -> None:
        answer = analyze(scans[0], "--verbose")
        assert " s  read" in answer.err
        assert "MiB peak memory" in answer.err
        assert " s  read" not in answer.out


class TestErrors:
    @pytest.mark.parametrize("loudness", [(), ("--quiet",), ("--json",)])
    def test_no_lung(
        self,
        analyze: Groundglass,
        scans: tuple[Path, Path],
        tmp_path: Path,
        loudness: tuple[str, ...],
    ) -> None:
        answer = analyze(scans[1], *loudness)
        assert (answer.code, answer.out) == (1, "")
        assert answer.err.startswith("error: ")
        assert "; expected " in answer.err
        assert "Traceback" not in answer.err
        assert list(tmp_path.iterdir()) == []

    def test_no_such_scan(self, analyze: Groundglass, tmp_path: Path) -> None:
        answer = analyze(tmp_path / "nothing.nii")
        assert (answer.code, answer.out) == (1, "")
        assert answer.err == (
            "error: nothing.nii does not exist; expected a scan. Check the path.\n"
        )
        assert list(tmp_path.iterdir()) == []

    def test_weights_without_lungs(
        self, groundglass: Groundglass, scans: tuple[Path, Path], tmp_path: Path
    ) -> None:
        alone = write_lesion_model(tmp_path / "lesions")
        out = tmp_path / "out"
        answer = groundglass("analyze", scans[0], "-o", out, "--weights", alone.folder)
        assert answer.code == 1
        assert answer.err == (
            "error: weights 'lesion-rule' have no network for lungs; expected weights with one; "
            "these have lesions. Give their name to --lesion-model, beside weights that have one "
            "for lungs.\n"
        )
        assert not out.exists()

    def test_no_such_weights(
        self, groundglass: Groundglass, scans: tuple[Path, Path], tmp_path: Path
    ) -> None:
        for inputs in (scans[:1], (scans[0], scans[0])):
            answer = groundglass("analyze", *inputs, "-o", tmp_path / "out", "--weights", "none")
            assert (answer.code, answer.out) == (1, "")
            assert answer.err.count("weights 'none' are not here") == 1

    def test_an_output_inside_the_input(
        self, analyze: Groundglass, scans: tuple[Path, Path], tmp_path: Path
    ) -> None:
        shutil.copy(scans[0], tmp_path)
        answer = analyze(tmp_path)
        assert answer.code == 1
        assert "lies inside the input" in answer.err


class TestSeveral:
    def test_one_bad_scan(
        self, analyze: Groundglass, scans: tuple[Path, Path], tmp_path: Path
    ) -> None:
        answer = analyze(*scans)
        assert (answer.code, answer.out) == (1, "")
        assert "chest: done, " in answer.err
        assert "wall: failed: " in answer.err
        assert f"1 of 2 done; {tmp_path / 'out' / 'cohort.csv'}" in answer.err
        with (tmp_path / "out" / "cohort.csv").open(newline="", encoding="utf-8") as stream:
            assert [row["status"] for row in csv.DictReader(stream)] == ["done", "failed"]
        assert not (tmp_path / "out" / "wall").exists()
        again = analyze(*scans, "--resume", "--json")
        assert again.code == 1
        both = json.loads(again.out)
        jsonschema.validate(both["chest"], findings_schema())
        assert set(both["wall"]) == {"error"}
        assert "chest: skipped, " in again.err

    def test_quiet_tells_failures_only(
        self, analyze: Groundglass, scans: tuple[Path, Path]
    ) -> None:
        answer = analyze(*scans, "--quiet")
        assert (answer.code, answer.out) == (1, "")
        assert len(answer.err.splitlines()) == 1
        assert answer.err.startswith("wall: failed: ")


BLOCKED = """
import socket, sys

tried = sys.argv[1]  # the command below gets an argv of its own

def blocked(*arguments, **options):
    if arguments[1:] != (("::1", 0),):  # urllib3, when imported, asks whether there is IPv6
        with open(tried, "a") as stream:
            stream.write(f"{arguments}\\n")
    raise OSError("no network here")

for name in ("connect", "connect_ex", "sendto", "bind"):
    setattr(socket.socket, name, blocked)
for name in ("getaddrinfo", "gethostbyname", "create_connection"):
    setattr(socket, name, blocked)
from groundglass.cli.app import main
sys.argv[:] = ["groundglass", *sys.argv[2:]]
main()
"""


class TestNoNetwork:
    def arguments(self, scan: Path, weights: Weights, out: Path) -> list[str]:
        return ["analyze", str(scan), "-o", str(out), "--weights", str(weights.folder)]

    def test_nothing_is_connected_to(
        self, scans: tuple[Path, Path], rule_weights: Weights, tmp_path: Path
    ) -> None:
        tried = tmp_path / "tried"
        arguments = self.arguments(scans[0], rule_weights, tmp_path / "out")
        ran = subprocess.run(
            [sys.executable, "-c", BLOCKED, str(tried), *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert not tried.exists(), tried.read_text()
        assert ran.returncode == 0, ran.stderr
        assert is_complete(tmp_path / "out")

    def test_it_runs_where_there_is_no_network_at_all(
        self, scans: tuple[Path, Path], rule_weights: Weights, tmp_path: Path
    ) -> None:
        """Also what is no Python's socket: the namespace has no interface that is up."""
        unshare = shutil.which("unshare")
        if unshare is None:
            pytest.skip("no unshare on this system")
        alone = [unshare, "--map-root-user", "--net"]
        if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
            pytest.skip("unshare may not make network namespaces here")
        code = "from groundglass.cli.app import main; main()"
        arguments = self.arguments(scans[0], rule_weights, tmp_path / "out")
        ran = subprocess.run(
            [*alone, sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert is_complete(tmp_path / "out")
