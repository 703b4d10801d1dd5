"""`groundglass prepare`."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from groundglass.cli.prepare_command import prepare
from groundglass.datasets.index import read_index
from groundglass.errors import DatasetError, SettingsError

app = typer.Typer()
app.command("prepare")(prepare)


def run(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_healthy_scan_ends_in_a_table(cip_dir: Path, tmp_path: Path) -> None:
    source = cip_dir / "ct-64.nrrd"
    result = run("healthy-scan", source, tmp_path, "--blocks", 2, "--license", "BSD-style")
    assert result.exit_code == 0, result.output
    assert [row.scan_id for row in read_index(tmp_path)] == ["ct-64-a", "ct-64-b"]
    for word in ("ct-64-a", "2 scans", "2 groups", "79", "license: BSD-style"):
        assert word in result.stdout


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("mosmed",), SettingsError, "'mosmed' is unknown; expected covid19-ct-seg or healthy"),
        (("covid19-ct-seg",), DatasetError, "expected the official layout"),
        (("covid19-ct-seg", "--scan-id", "x"), SettingsError, "do not apply to covid19-ct-seg"),
    ],
)
def test_errors_are_those_of_the_library(
    tmp_path: Path, arguments: tuple[str, ...], error: type[Exception], message: str
) -> None:
    result = run(arguments[0], tmp_path, tmp_path / "out", *arguments[1:])
    assert isinstance(result.exception, error)
    assert message in str(result.exception)
