"""`groundglass networks`: both catalogs, a line each or whole, without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict

from groundglass.catalog import NETWORKS
from groundglass.classifier_catalog import CLASSIFIERS

from .conftest import Groundglass


def test_a_line_each_with_name_count_and_paper(groundglass: Groundglass) -> None:
    answer = groundglass("networks")
    assert (answer.code, answer.err) == (0, "")
    first, *lines = answer.out.splitlines()
    assert first == "Networks that segment slices:"
    second = lines.pop(len(NETWORKS))
    assert second.startswith("Networks that classify whole scans (")
    entries = (*NETWORKS, *CLASSIFIERS)
    assert len(lines) == len(entries)
    for line, entry in zip(lines, entries, strict=True):
        name, count, paper = line.split(maxsplit=2)
        assert (name, count, paper) == (entry.name, f"{entry.parameters:,}", entry.paper)
    assert len({line.index(entry.paper) for line, entry in zip(lines, entries, strict=True)}) == 1


def test_json_is_both_catalogs(groundglass: Groundglass) -> None:
    listed = json.loads(groundglass("networks", "--json").out)
    kinds = [entry.pop("kind") for entry in listed]
    assert listed == [asdict(entry) for entry in (*NETWORKS, *CLASSIFIERS)]
    assert kinds.count("segments slices") == len(NETWORKS)
    assert kinds[-1] == "classifies scans"


def test_no_torch_is_loaded() -> None:
    script = (
        "import sys; from groundglass.cli.app import main; sys.argv[1:] = ['networks']\n"
        "try: main()\nexcept SystemExit as stop: assert not stop.code\n"
        "assert not {'torch', 'numpy', 'monai'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
