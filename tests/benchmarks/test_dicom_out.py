"""The table of DICOM seconds, from a run record made by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

import dicom_out


def test_shares_are_of_the_whole_analysis() -> None:
    run = {"seconds_total": 50.0, "seconds": {"dicom: seg": 2.5, "dicom: sr": 0.5, "read": 3.0}}
    lines = dicom_out.to_markdown(run, {"seg": 21.04, "sr": 0.06}).splitlines()
    assert lines[2:] == [
        "| seg | 2.50 | 5.0 % | 21.0 |",
        "| sr | 0.50 | 1.0 % | 0.1 |",
        "| whole analysis | 50.0 | 100 % |  |",
    ]


def test_a_kind_weighs_what_all_its_files_do(tmp_path: Path) -> None:
    for name in ("sc-001.dcm", "sc-002.dcm", "seg.dcm"):
        (tmp_path / name).write_bytes(b"\0" * 500_000)
    assert dicom_out._mb(tmp_path, "sc") == pytest.approx(1.0)
