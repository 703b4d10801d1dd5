"""Every command: help, exit codes, and errors in the house's form."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import typer.main

import groundglass as package
from groundglass.__main__ import main as start
from groundglass.cli.app import app

from .conftest import Groundglass

COMMANDS = [
    (),
    *((name,) for name in sorted(typer.main.get_command(app).commands)),  # type: ignore[attr-defined]
    *(("weights", name) for name in ("list", "show", "verify", "import", "export")),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_of_every_command(groundglass: Groundglass, command: tuple[str, ...]) -> None:
    for option in ("--help", "-h"):
        answer = groundglass(*command, option)
        assert answer.code == 0
        assert "Usage: " in answer.out
        assert answer.err == ""


def test_there_are_the_commands_promised() -> None:
    promised = {"analyze", "inspect", "demo", "phantom", "schema", "weights", "prepare", "train"}
    assert promised <= {name for command in COMMANDS for name in command[:1]}


def test_every_command_stands_in_a_panel() -> None:
    """Else the help shows it apart from the commands of its readers."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert all(command.rich_help_panel for command in commands.values())


def test_version(groundglass: Groundglass) -> None:
    assert groundglass("--version").out == f"groundglass {package.__version__}\n"


def test_schema_is_json(groundglass: Groundglass) -> None:
    assert "properties" in json.loads(groundglass("schema").out)


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("analyze",),
        ("analyze", "x"),
        ("analyze", "x", "-o", "y", "--nonsense"),
        ("analyze", "x", "-o", "y", "--intensity", "raw"),
        ("analyze", "x", "-o", "y", "--engine", "raw"),
        ("analyze", "x", "-o", "y", "--device", "raw"),
        ("inspect", "x", "--intensity", "raw"),
        ("weights", "nonsense"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(
    groundglass: Groundglass,
    arguments: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = groundglass(*arguments)
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err
    assert "Traceback" not in answer.err
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_is_exit_code_130(
    groundglass: Groundglass, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("groundglass.findings.findings_schema", interrupted)
    answer = groundglass("schema")
    assert answer.code == 130
    assert "Traceback" not in answer.err


def test_main_is_what_the_script_calls() -> None:
    from importlib.metadata import entry_points

    (script,) = entry_points(group="console_scripts", name="groundglass")
    assert script.load() is start


def test_an_interrupt_while_the_command_line_is_imported_prints_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "groundglass.cli.app":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "groundglass.cli.app")
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        start()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"
