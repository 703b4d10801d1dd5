from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from groundglass.cli.phantom_command import phantom
from groundglass.errors import SettingsError

app = typer.Typer()
app.command("phantom")(phantom)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_help_says_that_it_is_no_patient() -> None:
    assert "no substitute for real data" in " ".join(run("--help").split())


def test_dicom_with_its_truth_beside(tmp_path: Path) -> None:
    text = run(
        str(tmp_path / "out"), "--size", "8,24,24", "--spacing", "30,14,14", "--missing", "2,3",
        "--tilt", "10", "--scout", "same",
    )  # fmt: skip
    assert "no substitute" in text
    assert len(list((tmp_path / "out" / "dicom").iterdir())) == 7
    truth = json.loads((tmp_path / "out" / "truth.json").read_text())
    assert truth["written"]["missing"] == [2, 3]
    assert truth["settings"]["tilt_degrees"] == 10
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_nifti_in_another_orientation(tmp_path: Path) -> None:
    run(
        str(tmp_path / "out"), "--format", "nifti", "--size", "24,24,8", "--orientation", "lps",
        "--oblique", "5,0,-10", "--domain", "uint8",
    )  # fmt: skip
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert names == {"ct.nii.gz", "lungs.nii.gz", "lesions.nii.gz", "truth.json"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--format", "png"), ("--domain", "float"), ("--size", "1,2"), ("--size", "1.5,2,3"),
        ("--oblique", "a,b,c"), ("--scout", "yes"), ("--domain", "uint8"),
    ],
)  # fmt: skip
def test_bad_options_leave_nothing_behind(tmp_path: Path, arguments: tuple[str, str]) -> None:
    with pytest.raises(SettingsError, match=arguments[0].lstrip("-")):
        run(str(tmp_path / "out"), *arguments)
    assert list(tmp_path.iterdir()) == []
