"""`groundglass serve` as an operator calls it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from groundglass.server.default_config import DEFAULT_CONFIG

from .conftest import Groundglass


def test_the_settings_file_is_printed(groundglass: Groundglass) -> None:
    assert groundglass("serve", "--print-config").out == DEFAULT_CONFIG


def test_settings_are_checked(groundglass: Groundglass, tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text('folder = "data"\n')
    answer = groundglass("serve", "--config", config, "--check")
    assert (answer.code, str(tmp_path / "data") in answer.out) == (0, True)
    other = groundglass("serve", "--config", config, "--folder", tmp_path / "own", "--check")
    assert str(tmp_path / "own") in other.out
    config.write_text('folder = "data"\nworker = 1\n')
    wrong = groundglass("serve", "--config", config)
    assert (wrong.code, "worker: Extra inputs" in wrong.err) == (2, True)
    config.write_text('folder = "data"\n[analysis]\nclassifier = "haeds"\n')
    for more in (("--check",), ()):
        unknown = groundglass("serve", "--config", config, *more)
        assert (unknown.code, "'haeds'" in unknown.err) == (2, True)
    assert not (tmp_path / "data").exists()


def test_without_settings_there_is_a_hint(groundglass: Groundglass) -> None:
    answer = groundglass("serve")
    assert answer.code == 2
    assert "--folder" in answer.err


@pytest.mark.parametrize("command", [("serve",), ("serve", "retry", "1")], ids=" ".join)
def test_without_its_extra_the_node_says_what_to_install(
    groundglass: Groundglass,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    answer = groundglass(*command, "--folder", tmp_path / "node")
    assert answer.code == 1
    assert (
        "'sqlalchemy', which is not installed. Run: pip install 'groundglass[serve]'" in answer.err
    )
    assert not (tmp_path / "node").exists()


def test_a_node_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text(
        'folder = "data"\nworkers = 0\n[dicom]\nenabled = false\n[http]\nenabled = false\n'
    )
    command = [sys.executable, "-m", "groundglass", "serve", "--config", str(config)]
    node = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 120  # a busy machine is slow to import
    while not (tmp_path / "data" / "queue.sqlite").exists() and time.monotonic() < until:
        time.sleep(0.05)
    second = subprocess.run(command, capture_output=True, text=True)
    assert second.returncode == 2
    assert "served by another node" in second.stderr
    os.kill(node.pid, signal.SIGTERM)
    said = node.communicate(timeout=120)[1]
    assert node.returncode == 0
    assert "is ready, 0 workers" in said
    assert "node is stopping" in said
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
