"""Held-out patients are never trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundglass.datasets.folds import Fold, Folds, patient_folds, slice_split
from groundglass.datasets.index import (
    IndexRow,
    PreparedScan,
    read_index,
    save_prepared,
    write_index,
)
from groundglass.errors import DatasetError, SettingsError
from groundglass.training.select import Selection, select_scans, split_rows
from groundglass.training.settings import TrainSettings


def row(scan_id: str, group: str) -> IndexRow:
    return IndexRow(scan_id, group, group, f"{scan_id}.npz", "hu", 1, 1, 1, "", "", "")


def names(scans: list[PreparedScan]) -> list[str]:
    return [scan.row.scan_id for scan in scans]


def select(prepared: Path, values: dict[str, Any], **changes: Any) -> Selection:
    return select_scans(TrainSettings.model_validate({**values, "index": str(prepared), **changes}))


def saved(folds: Folds, prepared: Path) -> str:
    folds.save(prepared / "folds.json")
    return str(prepared / "folds.json")


def test_the_whole_group_is_held_out(prepared: Path, values: dict[str, Any]) -> None:
    chosen = select(prepared, values, hold_out=["two", "well"])
    assert names(chosen.train) == ["three"]
    assert names(chosen.held_out) == ["one", "two", "well"]
    assert chosen.validation == []
    assert chosen.held_out[0].image.shape == (4, 64, 64)


def test_without_hold_out_all_are_trained_on(prepared: Path, values: dict[str, Any]) -> None:
    chosen = select(prepared, values)
    assert names(chosen.train) == ["one", "three", "two", "well"]
    assert chosen.held_out == chosen.validation == []


@pytest.mark.parametrize(
    ("changes", "stages"),
    [
        (
            {"lesions_by": "none", "lesion_voxels": 0},
            ["lesions", "direct"],
        ),
        ({"lungs_by": "none"}, ["lungs"]),
    ],
)
def test_scans_whose_masks_nobody_drew_are_on_no_side(
    prepared: Path, values: dict[str, Any], changes: dict[str, Any], stages: list[str]
) -> None:
    rows = [
        replace(row, **changes) if row.scan_id == "three" else row for row in read_index(prepared)
    ]
    write_index(prepared, rows)
    for stage in ("lungs", "lesions", "direct"):
        recipe = {**values["recipe"], "stage": stage}
        for held in ([], ["three"]):
            chosen = select(prepared, values, stage=stage, recipe=recipe, hold_out=held)
            seen = "three" in names(chosen.train) + names(chosen.held_out)
            assert seen == (stage not in stages), (stage, held)


def test_a_fold_of_patients_is_held_out_whole(prepared: Path, values: dict[str, Any]) -> None:
    folds = patient_folds(read_index(prepared), count=2)
    path = saved(folds, prepared)
    seen = []
    for number, fold in enumerate(folds.folds):
        chosen = select(prepared, values, folds=path, fold=number)
        assert set(names(chosen.held_out)) == set(fold.test)
        assert sorted(names(chosen.train) + names(chosen.held_out)) == [
            "one", "three", "two", "well",
        ]  # fmt: skip
        assert not {s.row.group for s in chosen.train} & {s.row.group for s in chosen.held_out}
        assert all(scan.slices is None for scan in chosen.train + chosen.held_out)
        seen += names(chosen.held_out)
    assert sorted(seen) == ["one", "three", "two", "well"]


def test_hold_out_and_fold_add_up(prepared: Path, values: dict[str, Any]) -> None:
    fold = Fold(0, {"three": None})
    path = saved(Folds("patients", 0, ("one", "three", "two", "well"), (fold,)), prepared)
    chosen = select(prepared, values, folds=path, hold_out=["well"])
    assert (names(chosen.train), names(chosen.held_out)) == (["one", "two"], ["well", "three"])


def test_a_slice_split_has_a_scan_on_both_sides(prepared: Path, values: dict[str, Any]) -> None:
    path = saved(slice_split(read_index(prepared), test_share=0.4, seed=1), prepared)
    chosen = select(prepared, values, folds=path)
    train = {scan.row.scan_id: scan for scan in chosen.train}
    test = {scan.row.scan_id: scan for scan in chosen.held_out}
    both = sorted(train.keys() & test.keys())
    assert both
    whole = {scan.row.scan_id: scan for scan in select(prepared, values).train}
    for name in both:
        parts = train[name].slices, test[name].slices
        assert parts[0] is not None
        assert parts[1] is not None
        together = np.concatenate(parts)
        assert sorted(together.tolist()) == list(range(whole[name].row.slices))
        for scan, chosen_slices in zip((train[name], test[name]), parts, strict=True):
            assert np.array_equal(scan.image, whole[name].image[chosen_slices])
            assert np.array_equal(scan.lesions, whole[name].lesions[chosen_slices])
    assert "well" not in test  # without lesions: on the training side, whole
    assert train["well"].slices is None


def test_folds_of_another_index_are_refused(prepared: Path, values: dict[str, Any]) -> None:
    folds = patient_folds([row("one", "a"), row("four", "b")], count=2)
    with pytest.raises(DatasetError, match="the folds and the index differ in four, three, two"):
        select(prepared, values, folds=saved(folds, prepared))


def test_a_fold_that_is_not_there_is_refused(prepared: Path, values: dict[str, Any]) -> None:
    path = saved(patient_folds(read_index(prepared), count=2), prepared)
    with pytest.raises(SettingsError, match=r"fold is 2 and .*folds\.json has 2; expected 0 to 1"):
        select(prepared, values, folds=path, fold=2)


def test_patient_folds_that_part_a_patient_are_refused(
    prepared: Path, values: dict[str, Any]
) -> None:
    """Such as when the index learned later that two scans are of one patient."""
    fold = Fold(0, {"one": None})  # of the same patient as two
    path = saved(Folds("patients", 0, ("one", "three", "two", "well"), (fold,)), prepared)
    with pytest.raises(DatasetError, match="has patient on both sides; expected patients kept"):
        select(prepared, values, folds=path)


def test_scans_of_early_stopping_leave_training_with_their_group(
    prepared: Path, values: dict[str, Any]
) -> None:
    chosen = select(prepared, values, early_stopping={"scans": ["two"]}, hold_out=["well"])
    assert names(chosen.validation) == ["one", "two"]
    assert names(chosen.train) == ["three"]
    assert names(chosen.held_out) == ["well"]


@pytest.mark.parametrize("held", [["three"], []])
def test_early_stopping_never_looks_at_what_is_held_out(
    prepared: Path, values: dict[str, Any], held: list[str]
) -> None:
    name = held[0] if held else "nobody"
    with pytest.raises(SettingsError, match=f"early_stopping names {name}, not on the training"):
        select(prepared, values, early_stopping={"scans": [name]}, hold_out=held)


def test_early_stopping_needs_something_to_look_for(
    prepared: Path, values: dict[str, Any], lungs_values: dict[str, Any]
) -> None:
    stop = {"scans": ["well"]}
    with pytest.raises(SettingsError, match="early_stopping looks at well, without any lesion"):
        select(prepared, values, early_stopping=stop)
    assert names(select(prepared, lungs_values, early_stopping=stop).validation) == ["well"]


def test_an_unknown_name_is_refused_with_the_list() -> None:
    rows = [row("b", "b"), row("a", "a")]
    with pytest.raises(SettingsError, match=r"names c, not in the index; expected some of a, b\."):
        split_rows(rows, ["a", "c"])


def test_a_missing_index_or_scan_is_said(prepared: Path, values: dict[str, Any]) -> None:
    with pytest.raises(DatasetError, match=r"has no index\.csv"):
        select(Path("nowhere"), values)
    (prepared / "three.npz").unlink()
    with pytest.raises(DatasetError, match=r"three\.npz of scan three is missing"):
        select(prepared, values)


def test_a_damaged_scan_is_said(
    prepared: Path, values: dict[str, Any], scans: list[PreparedScan]
) -> None:
    save_prepared(prepared, replace(scans[1], lungs=scans[1].lungs[:2]))
    with pytest.raises(DatasetError, match=r"three\.npz has image \(5, 64, 64\), lungs \(2, 64"):
        select(prepared, values)


@given(st.lists(st.sampled_from("ABCDE"), min_size=1, max_size=12), st.data())
def test_no_group_is_ever_on_both_sides(groups: list[str], data: st.DataObject) -> None:
    rows = [row(f"s{number}", group) for number, group in enumerate(groups)]
    chosen = data.draw(st.lists(st.sampled_from([one.scan_id for one in rows])))
    train, held_out = split_rows(rows, chosen)
    assert not {one.group for one in train} & {one.group for one in held_out}
    assert {one.scan_id for one in train + held_out} == {one.scan_id for one in rows}
    assert set(chosen) <= {one.scan_id for one in held_out}
    assert {one.group for one in held_out} == {one.group for one in rows if one.scan_id in chosen}
