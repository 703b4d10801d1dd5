"""`groundglass audit`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from groundglass.datasets.duplicates import THRESHOLD
from groundglass.datasets.index import read_index

from ..datasets.made_scans import made_scan, write_scans
from .conftest import Groundglass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two patients of the 20-case set, and the first once more as nr. 2 has it."""
    sources = {"p": "covid19-ct-seg", "q": "covid19-ct-seg", "rp_1": "covid19-ct-seg-nr2"}
    scans = [made_scan(name, seed=2 if name == "q" else 1) for name in sources]
    write_scans(
        tmp_path,
        *(
            replace(
                s,
                row=replace(
                    s.row, source=sources[s.row.scan_id], dark_slices=1, source_shape="7x630x630"
                ),
            )
            for s in scans
        ),
    )
    return tmp_path


def test_what_was_found_beside_the_paper(groundglass: Groundglass, folder: Path) -> None:
    said = groundglass("audit", folder)
    assert said.code == 0, said.err
    assert "files: all 3 scans whole" in said.out
    lines = [line.split() for line in said.out.splitlines()]
    assert ["covid19-ct-seg", "2", "2", "630x630", "12", "12", "10", "2"] in lines
    assert ["together", "3", "3", "630x630", "18", "18", "15", "3"] in lines
    assert ["-", "in", "the", "paper", "20", "-", "630x630", "-", "-", "-", "-"] in lines
    assert ["-", "in", "the", "paper", "29", "-", "-", "3,560", "3,560", "2,200", "-"] in lines
    assert "1 pairs of scans, 1 of them in different groups" in said.out
    assert "6 of 6 slices of p and rp_1 are alike" in said.out
    assert "--merge-groups puts them into one group" in said.out


def test_merging(groundglass: Groundglass, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    said = groundglass("audit", folder / "index.csv", "--merge-groups")
    assert said.code == 0, said.err
    assert [row.group for row in read_index(folder)] == ["p", "q", "p"]
    assert "merged: group rp_1 joined p" in said.out
    assert "group rp_1 joined p" in caplog.text


def test_problems_are_named_and_the_exit_code_says_so(
    groundglass: Groundglass, folder: Path
) -> None:
    (folder / "q.npz").unlink()
    said = groundglass("audit", folder)
    assert said.code == 1
    assert "q.npz of q: missing" in said.out
    assert groundglass("audit", folder, "--merge-groups").code == 1


def test_json(groundglass: Groundglass, folder: Path) -> None:
    said = groundglass("audit", folder, "--json")
    assert said.code == 0
    found = json.loads(said.out)
    assert found["duplicates_across_groups"][0]["exact"] == 6
    assert found["composition"][2]["paper_slices"] == 3560
    assert found["problems"] == []


def test_threshold(groundglass: Groundglass, folder: Path) -> None:
    low = json.loads(groundglass("audit", folder, "--json", "--threshold", 0.001).out)
    assert len(low["duplicates"]) == 3
    assert json.loads(groundglass("audit", folder, "--json").out)["threshold"] == THRESHOLD
    said = groundglass("audit", folder, "--threshold", 2)
    assert (said.code, "threshold is 2.0" in said.err) == (2, True)


def test_no_index(groundglass: Groundglass, tmp_path: Path) -> None:
    said = groundglass("audit", tmp_path)
    assert (said.code, "has no index.csv" in said.err) == (1, True)


def test_grades_stand_beside_the_published_counts(groundglass: Groundglass, tmp_path: Path) -> None:
    scan = made_scan("m", seed=1)
    labels = {"source": "mosmed", "grade": "CT-1", "diagnosis": "findings", "severity": "mild"}
    row = replace(scan.row, lesions_by="reference", **labels)
    write_scans(tmp_path, replace(scan, row=row))
    said = groundglass("audit", tmp_path)
    assert said.code == 0, said.out
    lines = [line.split() for line in said.out.splitlines()]
    assert "grades by CT findings, not PCR" in said.out
    assert ["mosmed", "CT-1", "mild", "1", "684", "1", "50"] in lines
    assert ["mosmed", "CT-4", "severe", "0", "2", "0", "0"] in lines
    (_, one, *_) = json.loads(groundglass("audit", tmp_path, "--json").out)["grades"]
    assert (one["grade"], one["volumes"], one["published_volumes"]) == ("CT-1", 1, 684)
    write_scans(tmp_path, replace(scan, row=replace(row, severity="severe")))
    said = groundglass("audit", tmp_path)
    assert said.code == 1
    assert "CT-1 is findings mild; the index has findings severe" in said.out
