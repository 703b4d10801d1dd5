"""Held-out patients are never trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundglass.datasets.index import IndexRow
from groundglass.errors import DatasetError, SettingsError
from groundglass.training.select import select_scans, split_rows
from groundglass.training.settings import TrainSettings


def row(scan_id: str, group: str) -> IndexRow:
    return IndexRow(scan_id, group, group, f"{scan_id}.npz", "hu", 1, 1, 1, "", "", "")


def test_the_whole_group_is_held_out(prepared: Path, values: dict[str, Any]) -> None:
    settings = TrainSettings.model_validate(
        {**values, "index": str(prepared), "hold_out": ["two", "well"]}
    )
    train, held_out = select_scans(settings)
    assert [scan.row.scan_id for scan in train] == ["three"]
    assert [scan.row.scan_id for scan in held_out] == ["one", "two", "well"]
    assert held_out[0].image.shape == (4, 64, 64)


def test_without_hold_out_all_are_trained_on(prepared: Path, values: dict[str, Any]) -> None:
    settings = TrainSettings.model_validate({**values, "index": str(prepared)})
    train, held_out = select_scans(settings)
    assert [scan.row.scan_id for scan in train] == ["one", "three", "two", "well"]
    assert held_out == []


def test_an_unknown_name_is_refused_with_the_list() -> None:
    rows = [row("b", "b"), row("a", "a")]
    with pytest.raises(SettingsError, match=r"names c, not in the index; expected some of a, b\."):
        split_rows(rows, ["a", "c"])


def test_a_missing_index_or_scan_is_said(prepared: Path, values: dict[str, Any]) -> None:
    with pytest.raises(DatasetError, match=r"has no index\.csv"):
        select_scans(TrainSettings.model_validate({**values, "index": "nowhere"}))
    (prepared / "three.npz").unlink()
    with pytest.raises(DatasetError, match=r"three\.npz of scan three is missing"):
        select_scans(TrainSettings.model_validate({**values, "index": str(prepared)}))


@given(st.lists(st.sampled_from("ABCDE"), min_size=1, max_size=12), st.data())
def test_no_group_is_ever_on_both_sides(groups: list[str], data: st.DataObject) -> None:
    rows = [row(f"s{number}", group) for number, group in enumerate(groups)]
    names = data.draw(st.lists(st.sampled_from([one.scan_id for one in rows])))
    train, held_out = split_rows(rows, names)
    assert not {one.group for one in train} & {one.group for one in held_out}
    assert {one.scan_id for one in train + held_out} == {one.scan_id for one in rows}
    assert set(names) <= {one.scan_id for one in held_out}
    assert {one.group for one in held_out} == {one.group for one in rows if one.scan_id in names}
