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


TINY = ("--cohort", "2", "--size", "32", "--slices", "4,4")


def test_a_cohort_is_written_as_the_loader_reads_it(tmp_path: Path) -> None:
    text = run(
        "--out", str(tmp_path / "out"), *TINY, "--shares", "0,1,0,0,0", "--masks", "all",
        "--seed", "3", "--label-noise", "0", "--only", "2",
    )  # fmt: skip
    assert "1 of 2 scans (1 CT-1)" in text
    assert "1 with a mask. Made-up phantoms, no clinical meaning." in text
    files = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.gz")}
    assert files == {"studies/CT-1/study_0002.nii.gz", "masks/study_0002_mask.nii.gz"}
    settings = json.loads((tmp_path / "out" / "PHANTOM.json").read_text())["settings"]
    assert settings == {
        "count": 2, "seed": 3, "size": 32, "slices": [4, 4], "shares": [0, 1, 0, 0, 0],
        "masks": "all", "edge_flips": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--cohort", "0"), "count is 0"),
        ((*TINY, "--noise", "5"), "--noise have no effect with --cohort"),
        ((*TINY, "--format", "nifti", "--tilt", "0"), "--format, --tilt have no effect"),
        (("--masks", "all", "--only", "1"), "--masks, --only have no effect without --cohort"),
        (("--cohort", "2", "--size", "8,32,32"), "--size is 8,32,32; expected one number"),
        ((*TINY, "--slices", "4"), "--slices is '4'; expected 2 numbers"),
        ((*TINY, "--shares", "many"), "--shares is 'many'; expected balanced, mosmed, or five"),
        ((*TINY, "--shares", "1,2"), r"shares are \(1, 2\)"),
        ((*TINY, "--masks", "some"), "--masks is 'some'; expected all, or the share"),
        ((*TINY, "--label-noise", "2"), "edge_flips is 2"),
        ((*TINY, "--only", "3"), "scans 3 were asked for; expected numbers from 1 to 2"),
        ((*TINY, "--jobs", "0"), "jobs is 0"),
    ],
)
def test_bad_cohort_options_leave_nothing_behind(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        run("--out", str(tmp_path / "out"), *arguments)
    assert list(tmp_path.iterdir()) == []


def test_one_folder_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no folder to write into was named; expected OUT or"):
        run(*TINY)
    with pytest.raises(SettingsError, match=r"both .*a and --out .*b were named"):
        run(str(tmp_path / "a"), "--out", str(tmp_path / "b"))
    run("--out", str(tmp_path / "single"), "--size", "4,16,16", "--format", "nifti")
    assert (tmp_path / "single" / "truth.json").exists()
