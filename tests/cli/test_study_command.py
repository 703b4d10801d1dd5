"""The study command on phantoms: the budget that the project's own checks can afford."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from groundglass.cli.app import app
from groundglass.errors import SettingsError

RUNNER = CliRunner()


def test_a_tiny_table_says_that_it_shows_phantoms(tmp_path: Path) -> None:
    command = ["study", "chs-net", "--table", "2", "--budget", "tiny", "--threads", "1"]
    command += ["--work", str(tmp_path / "work"), "-o", str(tmp_path / "out")]
    first = RUNNER.invoke(app, command, catch_exceptions=False)
    assert first.exit_code == 0, first.output
    page = (tmp_path / "out" / "table-2.md").read_text(encoding="utf-8")
    assert "phantom" in page.lower()
    assert "slice split (leaks patients)" in page
    pictures = ("table-2.png", "cases.png", "dice-by-size.png", "reliability.png")
    for name in ("table-2.csv", *pictures, "shares-chs-net.md"):
        assert (tmp_path / "out" / name).stat().st_size > 0
    again = RUNNER.invoke(app, command, catch_exceptions=False)
    assert "fold" not in again.stderr  # nothing is trained twice
    assert (tmp_path / "out" / "table-2.md").read_text(encoding="utf-8") == page


@pytest.mark.parametrize("table", [1, 3])
def test_a_tiny_table_of_ta_segnet(tmp_path: Path, table: int) -> None:
    command = ["study", "ta-segnet", "--table", str(table), "--budget", "tiny", "--threads", "1"]
    command += ["--work", str(tmp_path / "work"), "-o", str(tmp_path / "out")]
    first = RUNNER.invoke(app, command, catch_exceptions=False)
    assert first.exit_code == 0, first.output
    page = (tmp_path / "out" / f"table-{table}.md").read_text(encoding="utf-8")
    assert "phantom" in page.lower()
    assert "not on the paper's data" in page
    assert f"`groundglass study ta-segnet --table {table} --budget tiny`" in page
    for end in (".csv", ".png", "-curves.png", "-fig-8.png"):
        assert (tmp_path / "out" / f"table-{table}{end}").stat().st_size > 0
    again = RUNNER.invoke(app, command, catch_exceptions=False)
    assert "fold" not in again.stderr  # nothing is trained twice


def test_figure_8(tmp_path: Path) -> None:
    result = RUNNER.invoke(
        app, ["study", "chs-net", "--figure", "8", "-o", str(tmp_path)], catch_exceptions=False
    )
    assert result.exit_code == 0
    assert (tmp_path / "figure-8.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nnu-net", "--table", "2"], "'nnu-net' is unknown; .* ta-segnet or covtanet"),
        (["covtanet", "--budget", "tiny"], "no table is asked for; expected --table 4"),
        (["covtanet", "--table", "4", "--budget", "cpu"], "budget cpu needs data"),
        (["covtanet", "--table", "4", "--budget", "gpu"], "'gpu' is not one of this study"),
        (["covtanet", "--table", "4", "--figure", "8"], "--figure is 8"),
        (["covtanet", "--table", "4", "--protocol", "slices"], "covtanet labels whole scans"),
        (
            ["covtanet", "--table", "4", "--budget", "tiny", "--folds", "2"],
            "--folds is '2'; expected some of 0 to 1",
        ),
        (["chs-net"], "no table is asked for"),
        (["chs-net", "--table", "7", "--budget", "tiny"], "table is 7; expected 2, 3, 4 or 5"),
        (["chs-net", "--table", "2", "--budget", "cpu"], "budget cpu needs data"),
        (["chs-net", "--table", "2", "--budget", "tiny", "--folds", "0,9"], "--folds is '0,9'"),
        (["chs-net", "--figure", "14"], "written with --table 2"),
        (["ta-segnet"], "expected --table 1, 2 or 3"),
        (["ta-segnet", "--table", "4", "--budget", "tiny"], "table is 4; expected 1, 2 or 3"),
        (["ta-segnet", "--figure", "8"], "written with every table"),
        (["ta-segnet", "--table", "2", "--encoder-weights", "x.pth"], "no row that is asked for"),
        (
            ["chs-net", "--table", "2", "--rows", "u-net"],
            "--rows names u-net; expected some of chs",
        ),
        (
            ["chs-net", "--table", "2", "--rows", "context", "--encoder-weights", "x.pth"],
            "no row that is asked for has an encoder .* or name other --rows",
        ),
        (["covtanet", "--table", "4", "--rows", "xception"], "--rows is xception; expected no --r"),
        (["covtanet", "--table", "4", "--encoder-weights", "x"], "--encoder-weights is x"),
    ],
)
def test_wrong_usage_is_named(arguments: list[str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        RUNNER.invoke(app, ["study", *arguments], catch_exceptions=False)
