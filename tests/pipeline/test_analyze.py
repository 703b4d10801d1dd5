"""One scan from disk to a whole result folder, in every form it comes in."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import nibabel as nib
import numpy as np
import pytest

from groundglass.errors import NoLungError, OutputError, SettingsError, UnreadableError
from groundglass.findings import findings_schema
from groundglass.intensity import IntensityChoice
from groundglass.outputs.result_folder import is_complete
from groundglass.phantom.chest import Phantom
from groundglass.pipeline.analyze import Analysis, AnalyzeOptions, analyze_scan
from groundglass.predictor.cascade import Cascade

KINDS = ("nifti", "dicom", "zip", "png", "slice")


@pytest.fixture(scope="module")
def analyses(
    tmp_path_factory: pytest.TempPathFactory, inputs: dict[str, Path], rule_cascade: Cascade
) -> dict[str, Analysis]:
    root = tmp_path_factory.mktemp("results")
    options = AnalyzeOptions(probability=True)
    return {
        kind: analyze_scan(inputs[kind], root / kind, rule_cascade, options=options)
        for kind in KINDS
    }


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("kind", KINDS)
class TestResult:
    def test_all_files_are_there(self, analyses: dict[str, Analysis], kind: str) -> None:
        assert left(analyses[kind].folder) == [
            *(["dicom"] if kind in ("dicom", "zip") else []),
            "findings.json",
            "labels.json",
            "lesion_probability.nii.gz",
            "lesions.nii.gz",
            "lungs.nii.gz",
            "report.html",
            "run.json",
        ]

    def test_findings_fit_their_schema(self, analyses: dict[str, Analysis], kind: str) -> None:
        analysis = analyses[kind]
        findings = read(analysis.folder, "findings.json")
        jsonschema.validate(findings, findings_schema())
        assert findings == analysis.findings.model_dump(mode="json")
        assert findings["scan"]["kind"] == {"zip": "dicom", "png": "pictures", "slice": "pictures"}.get(kind, kind)  # fmt: skip  # noqa: E501
        has_units = kind in ("nifti", "dicom", "zip")
        assert (findings["lungs"]["total"]["volume_ml"] is not None) == has_units
        assert (findings["lesions"]["volume_ml"] is not None) == has_units
        assert findings["lesions"]["involvement_percent"] > 1
        assert findings["lesions"]["items"][0]["mean_probability"] > 0.5
        known = findings["lesions"]["uncertainty"]
        assert (known["is_calibrated"], known["threshold"]) == (False, 0.5)
        ends = known["involvement_low_percent"], known["involvement_high_percent"]
        assert ends[0] <= findings["lesions"]["involvement_percent"] <= ends[1]
        assert (findings["lesions"]["ground_glass_percent"] is not None) == has_units

    def test_the_run_is_recorded(
        self, analyses: dict[str, Analysis], rule_cascade: Cascade, kind: str
    ) -> None:
        run = read(analyses[kind].folder, "run.json")
        manifest = rule_cascade.weights["lungs"].manifest
        assert run["weights"]["license"] == "CC0-1.0"
        assert run["weights"]["name"] == "rule"
        assert run["weights"]["lesion_model"] == {
            "name": "rule", "version": "1", "license": "CC0-1.0", "network": "raiu-net",
        }  # fmt: skip
        assert run["weights"]["temperature"] == {"lungs": 1.0, "lesions": 1.0}
        assert run["weights"]["calibrated"] == {"lungs": False, "lesions": False}
        assert run["settings"]["flips"] is False
        for stage, entry in manifest.stages.items():
            assert run["weights"]["sha256"][stage] == entry.onnx.sha256
            assert run["recipe"][stage] == entry.recipe
        assert run["engine"] == {"name": "onnx", "device": "cpu"}
        assert {"read", "lungs: network", "lesions: network", "report"} <= set(run["seconds"])
        assert run["seconds_total"] == pytest.approx(sum(run["seconds"].values()), abs=0.01)
        assert run["peak_memory_mib"] > 10
        assert run["versions"]["numpy"] == np.__version__
        assert run["warnings"] == list(analyses[kind].findings.warnings)
        assert run["slices_seen"]["lungs"] == (1 if kind == "slice" else 16)
        assert "/" not in run["input"]  # where a scan lay is nobody's business

    def test_masks_are_on_the_grid_of_the_scan(
        self, analyses: dict[str, Analysis], small_chest: Phantom, kind: str
    ) -> None:
        folder = analyses[kind].folder
        shapes = set()
        for name, labels in (("lungs", {0, 1, 2}), ("lesions", {0, 1})):
            image = nib.load(folder / f"{name}.nii.gz")
            values = np.asarray(image.dataobj)
            assert values.dtype == np.uint8
            assert set(np.unique(values)) == labels
            shapes.add(image.shape)
        depth, height, width = small_chest.volume.shape
        scale = 4 if kind in ("png", "slice") else 1
        assert shapes == {(width * scale, height * scale, 1 if kind == "slice" else depth)}
        chance = nib.load(folder / "lesion_probability.nii.gz").get_fdata()
        assert 0 <= chance.min() < chance.max() <= 1 + 1e-6


class TestGrid:
    def test_nifti_affine_is_the_inputs(
        self, analyses: dict[str, Analysis], inputs: dict[str, Path], small_chest: Phantom
    ) -> None:
        given = nib.load(inputs["nifti"])
        for name in ("lungs", "lesions", "lesion_probability"):
            image = nib.load(analyses["nifti"].folder / f"{name}.nii.gz")
            assert image.shape == given.shape
            np.testing.assert_allclose(image.affine, given.affine, atol=1e-4)
        lungs = np.asarray(nib.load(analyses["nifti"].folder / "lungs.nii.gz").dataobj).T
        for side in (1, 2):
            both = np.count_nonzero((lungs == side) & (small_chest.lungs == side))
            assert both > 0.85 * np.count_nonzero(small_chest.lungs == side)

    def test_dicom_and_its_zip_give_what_nifti_gives(self, analyses: dict[str, Analysis]) -> None:
        for name in ("lungs", "lesions"):
            first = nib.load(analyses["nifti"].folder / f"{name}.nii.gz")
            for kind in ("dicom", "zip"):
                other = nib.load(analyses[kind].folder / f"{name}.nii.gz")
                np.testing.assert_allclose(other.affine, first.affine, atol=1e-4)
                assert np.array_equal(np.asarray(other.dataobj), np.asarray(first.dataobj))

    def test_pictures_are_read_from_the_head_down(
        self, analyses: dict[str, Analysis], small_chest: Phantom
    ) -> None:
        values = np.asarray(nib.load(analyses["png"].folder / "lungs.nii.gz").dataobj).T
        values = values[::-1, 2::4, 2::4]
        both = np.count_nonzero((values == 1) & (small_chest.lungs == 1))
        assert both > 0.75 * np.count_nonzero(small_chest.lungs == 1)


class TestRefusals:
    def test_a_missing_lung_says_whose(
        self, tmp_path: Path, rule_cascade: Cascade, no_lung: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def covers_little(*_: object) -> None:
            raise NoLungError("Lung mask covers little", expected="more", remedy="Look at it")

        monkeypatch.setattr(rule_cascade, "segment", covers_little)
        message = f"{no_lung}: Lung mask covers little; expected more. Look at it."
        with pytest.raises(NoLungError, match=f"^{re.escape(message)}$"):
            analyze_scan(no_lung, tmp_path / "out", rule_cascade)

    def test_nothing_is_left_of_a_failure(
        self, tmp_path: Path, rule_cascade: Cascade, no_lung: Path
    ) -> None:
        with pytest.raises(NoLungError, match=f"No lung found in {no_lung.stem!r}"):
            analyze_scan(no_lung, tmp_path / "out", rule_cascade)
        with pytest.raises(UnreadableError, match="does not exist"):
            analyze_scan(tmp_path / "nothing", tmp_path / "out", rule_cascade)
        assert left(tmp_path) == []

    def test_a_wrong_intensity_is_refused(
        self, tmp_path: Path, rule_cascade: Cascade, inputs: dict[str, Path]
    ) -> None:
        options = AnalyzeOptions(intensity=IntensityChoice.parse("hu"))
        with pytest.raises(Exception, match="cannot be in HU"):
            analyze_scan(inputs["png"], tmp_path / "out", rule_cascade, options=options)
        with pytest.raises(SettingsError, match="--intensity is 'raw'"):
            IntensityChoice.parse("raw")

    def test_foreign_files_are_not_touched(
        self, tmp_path: Path, rule_cascade: Cascade, inputs: dict[str, Path]
    ) -> None:
        (tmp_path / "thesis.docx").write_text("mine")
        with pytest.raises(OutputError, match=r"no result of ours \(thesis\.docx\)"):
            analyze_scan(inputs["slice"], tmp_path, rule_cascade)
        assert left(tmp_path) == ["thesis.docx"]

    def test_a_second_run_replaces_the_first(
        self, tmp_path: Path, rule_cascade: Cascade, inputs: dict[str, Path]
    ) -> None:
        out = tmp_path / "out"
        analyze_scan(inputs["nifti"], out, rule_cascade, options=AnalyzeOptions(probability=True))
        again = analyze_scan(inputs["slice"], out, rule_cascade, scan_id="mine")
        assert read(out, "findings.json")["scan"]["id"] == again.findings.scan.id == "mine"
        assert not (out / "lesion_probability.nii.gz").exists()
        assert is_complete(out)
        assert left(tmp_path) == ["out"]

    def test_a_failed_second_run_keeps_the_first(
        self, tmp_path: Path, rule_cascade: Cascade, inputs: dict[str, Path], no_lung: Path
    ) -> None:
        analyze_scan(inputs["slice"], tmp_path / "out", rule_cascade)
        before = read(tmp_path / "out", "run.json")
        with pytest.raises(NoLungError):
            analyze_scan(no_lung, tmp_path / "out", rule_cascade)
        assert read(tmp_path / "out", "run.json") == before
        assert left(tmp_path) == ["out"]


KILLED = """
import os, signal, sys
from pathlib import Path
from groundglass.pipeline import analyze
from groundglass.predictor.cascade import Cascade
from groundglass.weights.store import find_weights

def killed(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

analyze.write_report = killed  # the masks are written by then
cascade = Cascade(find_weights(sys.argv[1]))
analyze.analyze_scan(Path(sys.argv[2]), Path(sys.argv[3]), cascade)
"""


def test_a_kill_leaves_no_half_result(
    tmp_path: Path, rule_cascade: Cascade, inputs: dict[str, Path]
) -> None:
    out = tmp_path / "out"
    arguments = [str(rule_cascade.weights["lungs"].folder), str(inputs["slice"]), str(out)]
    ran = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False)
    assert ran.returncode == -9
    assert not out.exists()
    hidden = [path for path in tmp_path.iterdir() if path.name.startswith(".out.partial-")]
    assert len(hidden) == 1
    assert (hidden[0] / "lungs.nii.gz").exists()
    analyze_scan(inputs["slice"], out, rule_cascade)
    assert is_complete(out)
    assert left(tmp_path) == ["out"]
