"""`groundglass evaluate`, as somebody calls it who has masks of another tool."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from .conftest import Groundglass


def write(path: Path, mask: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([-0.8, -0.8, 2.5, 1.0])
    affine[:3, 3] = 10, 20, -30
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), affine), path)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """labelsTs with three cases of two patients; predictions of another tool, one row lower."""
    made, true = tmp_path / "predictions", tmp_path / "labelsTs"
    for n, case in enumerate(("p1_a", "p1_b", "p2_a")):
        mask = np.zeros((16, 16, 5), bool)
        mask[4 : 10 + n, 4:10, 1:4] = True
        write(true / f"{case}.nii.gz", mask)
        write(made / f"{case}_seg.nii.gz", np.roll(mask, 1, axis=1))
    return made, true


def test_two_folders(groundglass: Groundglass, folders: tuple[Path, Path], tmp_path: Path) -> None:
    answer = groundglass(
        "evaluate", *folders, "-o", tmp_path / "out", "--group-by", r"^(p\d)_", "--draws", 50,
        "--tolerance-mm", 1, "--tolerance-mm", 3,
    )  # fmt: skip
    assert answer.code == 0
    assert "3 cases, 2 groups" in answer.out
    assert "0.833" in answer.out
    assert "surface Dice at 3 mm" in answer.out
    document = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert document["format"] == "groundglass-evaluation-1"
    assert document["scores"]["pooled"]["dice"]["value"] == pytest.approx(5 / 6)
    assert (tmp_path / "out" / "cases.png").stat().st_size > 5000


def test_two_files_as_json(groundglass: Groundglass, folders: tuple[Path, Path]) -> None:
    answer = groundglass(
        "evaluate", folders[0] / "p1_a_seg.nii.gz", folders[1] / "p2_a.nii.gz", "--json"
    )
    assert answer.code == 0
    document = json.loads(answer.out)
    assert [case["case"] for case in document["cases"]] == ["p2_a"]
    assert document["scores"]["pooled"]["dice"]["interval"] is None  # one patient says nothing


def test_bad_input_is_an_error_in_one_line(
    groundglass: Groundglass, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    (folders[0] / "p1_b_seg.nii.gz").unlink()
    answer = groundglass("evaluate", *folders, "-o", tmp_path / "out")
    assert answer.code == 1
    assert "1 of 3 references have no prediction: p1_b" in answer.err
    assert not (tmp_path / "out").exists()
    answer = groundglass("evaluate", *folders, "--allow-missing", "--draws", 20)
    assert answer.code == 0
    assert "1 of 3 predictions are missing: p1_b" in answer.out.replace("\n", " ")


def test_wrong_usage(groundglass: Groundglass, folders: tuple[Path, Path]) -> None:
    assert groundglass("evaluate", *folders, "--level", 95).code == 2
    answer = groundglass("evaluate", *folders, "--label", "covid")
    assert answer.code == 1
    assert "label 'covid'" in answer.err


def test_pairs_file_images_and_nominal_spacing(
    groundglass: Groundglass, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text("prediction,reference\np1_a_seg.nii.gz,p1_a.nii.gz\n")
    scan = np.random.default_rng(0).integers(-900, 200, (16, 16, 5)).astype(np.int16)
    affine = nib.load(folders[1] / "p1_a.nii.gz").affine  # pyright: ignore
    (tmp_path / "ct").mkdir()
    nib.save(nib.Nifti1Image(scan, affine), tmp_path / "ct" / "p1_a_0000.nii.gz")
    answer = groundglass(
        "evaluate", *folders, "--pairs", table, "--images", tmp_path / "ct", "-o",
        tmp_path / "out", "--spacing-is-nominal",
    )  # fmt: skip
    assert answer.code == 0
    assert "said to be nominal" in answer.out
    assert "volume error, voxels" in answer.out
    assert "left out" not in answer.err


def test_without_matplotlib_the_numbers_are_there(
    groundglass: Groundglass,
    folders: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    answer = groundglass("evaluate", *folders, "-o", tmp_path / "out", "--draws", 20)
    assert answer.code == 0
    assert "no figures: Drawing figures needs the package 'matplotlib'" in answer.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "cases.csv",
        "evaluation.json",
        "evaluation.md",
        "slices.csv",
    ]


def test_an_output_that_is_not_ours_is_refused_before_any_work(
    groundglass: Groundglass, folders: tuple[Path, Path]
) -> None:
    answer = groundglass("evaluate", *folders, "-o", folders[0])
    assert answer.code == 1
    assert "no evaluation of ours" in answer.err
