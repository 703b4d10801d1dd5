"""Calibration of the shipped weights on phantoms: the way there, not the figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from groundglass.cli.app import app
from groundglass.errors import SettingsError
from groundglass.studies.phantom_index import write_phantom_index

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantom_index(tmp_path_factory.mktemp("phantoms"), patients=2, slices=4)


def test_a_record_for_the_manifest_is_written(index: Path, tmp_path: Path) -> None:
    command = ["calibrate", "chs-net", "--index", str(index), "-o", str(tmp_path)]
    result = RUNNER.invoke(
        app, [*command, "--scans", "phantom_1,phantom_2"], catch_exceptions=False
    )
    assert result.exit_code == 0
    record = json.loads((tmp_path / "calibration.json").read_text(encoding="utf-8"))
    assert record["cases"] == 2
    assert record["temperature"] > 0
    assert "phantom_1, phantom_2" in record["data"]
    assert f"temperature {record['temperature']:.3f}" in result.stdout
    assert (tmp_path / "reliability.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("scans", ["phantom_1", "phantom_0,phantom_1", "phantom_1,elsewhere", None])
def test_too_few_patients_with_lesions_are_refused(
    index: Path, tmp_path: Path, scans: str | None
) -> None:
    command = ["calibrate", "chs-net", "--index", str(index), "-o", str(tmp_path)]
    command += [] if scans is None else ["--scans", scans]
    with pytest.raises(SettingsError, match="with lesions; expected all of --scans"):
        RUNNER.invoke(app, command, catch_exceptions=False)
    assert not list(tmp_path.iterdir())
