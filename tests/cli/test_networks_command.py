"""`groundglass networks`: the catalog, a line each or whole, without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict

from groundglass.catalog import NETWORKS

from .conftest import Groundglass


def test_a_line_each_with_name_count_and_paper(groundglass: Groundglass) -> None:
    answer = groundglass("networks")
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert len(lines) == len(NETWORKS)
    for line, entry in zip(lines, NETWORKS, strict=True):
        name, count, paper = line.split(maxsplit=2)
        assert (name, count, paper) == (entry.name, f"{entry.parameters:,}", entry.paper)
    assert len({line.index(entry.paper) for line, entry in zip(lines, NETWORKS, strict=True)}) == 1


def test_json_is_the_whole_catalog(groundglass: Groundglass) -> None:
    answer = groundglass("networks", "--json")
    assert json.loads(answer.out) == [asdict(entry) for entry in NETWORKS]


def test_no_torch_is_loaded() -> None:
    script = (
        "import sys; from groundglass.cli.app import main; sys.argv[1:] = ['networks']\n"
        "try: main()\nexcept SystemExit as stop: assert not stop.code\n"
        "assert not {'torch', 'numpy', 'monai'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
