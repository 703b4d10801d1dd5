"""The benchmark of STOW-RS runs, and its objects arrive."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def test_a_small_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import node_http

    output = tmp_path / "figures.json"
    node_http.main(
        ["--objects", "5", "--pixels", "16", "--uploads", "2", "--per-request", "2",
         "--output", str(output)]
    )  # fmt: skip
    (figure,) = json.loads(output.read_text())
    assert figure["uploads"] == 2
    assert figure["mib"] > 0.005
    assert figure["peak_mib"] >= figure["idle_mib"] > 1
    assert capsys.readouterr().out.startswith("| studies at once |")
