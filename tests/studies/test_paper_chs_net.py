"""The paper's figures as printed, and the figures of others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from groundglass.studies.paper_chs_net import (
    MEASURED_SHARE,
    PRINTED,
    REFERENCES,
    ROWS,
    TABLE_1_FUSED,
    TABLE_1_SOURCES,
    paper_row,
)


def test_tables_have_their_rows() -> None:
    counts = {table: sum(row.table == table for row in ROWS) for table in (2, 3, 4, 5)}
    assert counts == {2: 2, 3: 5, 4: 4, 5: 8}
    names = [(row.table, row.key, row.target) for row in ROWS]
    assert len(set(names)) == len(names)
    assert all(set(row.figures) <= set(PRINTED) for row in ROWS)


def test_columns_are_in_the_papers_order() -> None:
    row = paper_row(4, "bu-rib-hp", "lesions")
    assert row is not None
    assert row.figures == {
        "accuracy": 0.88,
        "precision": 0.63,
        "specificity": 0.95,
        "recall": 0.68,
        "dice": 0.65,
        "jaccard": 0.68,
    }


def test_dashes_are_left_out_and_copied_rows_say_so() -> None:
    row = paper_row(3, "inf-net", "lesions")
    assert row is not None
    assert row.figures == {"specificity": 0.94, "recall": 0.69, "dice": 0.68}
    assert row.parameters == 33_000_000
    assert "copied" in row.note
    ours = paper_row(3, "chs-net", "lesions")
    assert ours is not None
    assert (ours.parameters, ours.note) == (4_200_000, "")


def test_the_same_result_is_printed_three_times_alike() -> None:
    found = [paper_row(table, "chs-net", "lesions") for table in (2, 3, 5)]
    assert found[0] is not None
    assert all(row is not None and row.figures == found[0].figures for row in found)


def test_what_the_paper_has_not_is_none() -> None:
    assert paper_row(3, "unet", "lesions") is None
    assert paper_row(4, "bu", "lungs") is None


def test_table_1() -> None:
    assert sum(source.volumes for source in TABLE_1_SOURCES) == 29
    assert TABLE_1_FUSED["slices"] - TABLE_1_FUSED["infection_masks"] == 1360


def test_references_say_their_condition() -> None:
    by_key = {one.key: one for one in REFERENCES}
    assert by_key["miniseg-maps"].dice == 0.814
    assert len(by_key["miniseg-maps"].cases) == 15
    assert (by_key["nnu-net"].dice, by_key["nnu-net"].std) == (0.777, 0.187)
    assert all(one.condition and one.source for one in REFERENCES)


@pytest.mark.data
def test_shares_and_case_names_are_those_of_the_data(data_dir: Path) -> None:
    cases = json.loads((data_dir / "covid19-ct-seg" / "cases.json").read_text())
    pixels = 256 * 256 * sum(case["slices"] for case in cases.values())
    for target, name in (("lungs", "lung_px"), ("lesions", "infection_px")):
        share = sum(case[name] for case in cases.values()) / pixels
        assert MEASURED_SHARE[target] == pytest.approx(share, abs=5e-5)
    assert set(REFERENCES[0].cases) == set(cases)
