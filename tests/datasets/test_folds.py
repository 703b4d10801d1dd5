"""Folds: patients whole, everything tested once, the same again; and the leak of slices."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundglass.datasets.folds import Fold, patient_folds, read_folds, slice_split
from groundglass.datasets.index import IndexRow
from groundglass.errors import DatasetError, SettingsError


def row(scan_id: str, group: str, slices: int, lesions: int = 5) -> IndexRow:
    return IndexRow(
        scan_id, group, group, f"{scan_id}.npz", "hu", slices, 9, lesions, "", "", "made-up"
    )


@st.composite
def indexes(draw: st.DrawFn) -> list[IndexRow]:
    """Up to 20 patients with one to three scans each; at least five have lesions."""
    rows = []
    for patient in range(draw(st.integers(5, 20))):
        lesions = 1 if patient < 5 else draw(st.integers(0, 1))
        for scan in range(draw(st.integers(1, 3))):
            slices = draw(st.integers(1, 40))
            rows.append(row(f"s{patient}-{scan}", f"g{patient}", slices, lesions))
    return draw(st.permutations(rows))


fast = settings(max_examples=40, deadline=None)


@fast
@given(indexes(), st.integers(2, 5), st.integers(0, 99))
def test_patients_are_whole_disjoint_and_all_tested_once(
    rows: list[IndexRow], count: int, seed: int
) -> None:
    folds = patient_folds(rows, count=count, seed=seed)
    assert [fold.number for fold in folds.folds] == list(range(count))
    tested = [scan_id for fold in folds.folds for scan_id in fold.test]
    assert sorted(tested) == sorted(one.scan_id for one in rows)
    fold_of = {scan_id: fold.number for fold in folds.folds for scan_id in fold.test}
    for group in {one.group for one in rows}:
        assert len({fold_of[one.scan_id] for one in rows if one.group == group}) == 1
    for fold in folds.folds:
        sick = [one for one in rows if one.scan_id in fold.test and not one.is_healthy]
        assert sick  # every fold can measure lesions
        for one in rows:
            sides = fold.test_slices(one), fold.train_slices(one)
            assert np.array_equal(np.sort(np.concatenate(sides)), np.arange(one.slices))
            assert not sides[one.scan_id in fold.test].size
    for check in folds.check(rows):
        assert (check.shared_slices, check.shared_groups) == (0, ())
        assert check.train_slices + check.test_slices == sum(one.slices for one in rows)


@fast
@given(indexes(), st.integers(0, 99))
def test_the_same_seed_gives_the_same_folds_in_any_order_of_rows(
    rows: list[IndexRow], seed: int
) -> None:
    def parts(given: list[IndexRow]) -> list[set[str]]:
        return [set(fold.test) for fold in patient_folds(given, seed=seed).folds]

    assert patient_folds(rows, seed=seed) == patient_folds(list(rows), seed=seed)
    assert parts(rows) == parts(rows[::-1])


def test_another_seed_gives_other_folds_of_like_size() -> None:
    rows = [row(f"s{n}", f"g{n}", 10 + n) for n in range(20)]
    made = [patient_folds(rows, seed=seed) for seed in range(5)]
    assert len({str(folds.folds) for folds in made}) > 1
    for folds in made:
        sizes = [check.test_slices for check in folds.check(rows)]
        assert max(sizes) < 1.3 * min(sizes)


def test_an_index_without_grades_is_dealt_as_ever() -> None:
    """Folds files of earlier versions stay what they were: written down from 0.1.1's code."""
    rows = [row(f"s{n}", f"g{n // 2}", 10 + 7 * n % 11, lesions=int(n < 14)) for n in range(20)]
    assert [list(fold.test) for fold in patient_folds(rows, count=3, seed=4).folds] == [
        ["s4", "s5", "s6", "s7", "s16", "s17"],
        ["s2", "s3", "s8", "s9", "s18", "s19"],
        ["s0", "s1", "s10", "s11", "s12", "s13", "s14", "s15"],
    ]


def graded(number: int, label: str, lesions: int = 0, slices: int = 40) -> IndexRow:
    diagnosis = "" if not label else "normal" if label == "normal" else "findings"
    severity = label if diagnosis == "findings" else ""
    one = row(f"s{number}", f"g{number}", slices, lesions)
    return replace(one, diagnosis=diagnosis, severity=severity)


@st.composite
def graded_indexes(draw: st.DrawFn) -> list[IndexRow]:
    """Up to 60 patients of any labels; at least five have drawn lesions."""
    labels = draw(st.lists(st.sampled_from(["", "normal", "mild", "severe"]), max_size=55))
    sick = draw(st.lists(st.sampled_from(["", "mild", "severe"]), min_size=5, max_size=5))
    rows = [
        graded(n, label, lesions=1, slices=draw(st.integers(1, 50))) for n, label in enumerate(sick)
    ]
    for number, label in enumerate(labels, start=5):
        lesions = 0 if label == "normal" else draw(st.integers(0, 1))
        rows.append(graded(number, label, lesions, draw(st.integers(1, 50))))
    return draw(st.permutations(rows))


@fast
@given(graded_indexes(), st.integers(2, 5), st.integers(0, 99))
def test_every_kind_of_patient_is_spread_evenly(
    rows: list[IndexRow], count: int, seed: int
) -> None:
    folds = patient_folds(rows, count=count, seed=seed)
    assert sorted(i for fold in folds.folds for i in fold.test) == sorted(r.scan_id for r in rows)
    assert not any(check.shared_groups for check in folds.check(rows))
    kinds = {(one.severity or one.diagnosis, one.lesion_voxels) for one in rows}
    for kind in kinds:
        named = {r.scan_id for r in rows if (r.severity or r.diagnosis, r.lesion_voxels) == kind}
        held = [len(named & set(fold.test)) for fold in folds.folds]
        assert max(held) - min(held) <= 1
    for fold in folds.folds:
        assert any(one.lesion_voxels for one in rows if one.scan_id in fold.test)


def test_mosmed_in_five_folds() -> None:
    """254 normal, 684 mild of which 50 are drawn, 172 severe; the same seed, the same folds."""
    labels = ["normal"] * 254 + ["mild"] * 684 + ["severe"] * 172
    rows = [graded(n, label, int(254 <= n < 304), 30 + n % 17) for n, label in enumerate(labels)]
    folds = patient_folds(rows, seed=3)
    assert folds == patient_folds(rows, seed=3)
    assert {fold: set(f.test) for fold, f in enumerate(folds.folds)} == {
        fold: set(f.test) for fold, f in enumerate(patient_folds(rows[::-1], seed=3).folds)
    }
    known = {one.scan_id: one for one in rows}
    for fold in folds.folds:
        tested = [known[name] for name in fold.test]
        assert sum(one.lesion_voxels for one in tested) == 10
        assert sum(one.diagnosis == "normal" for one in tested) in (50, 51)
        assert sum(one.severity == "severe" for one in tested) in (34, 35)
        assert sum(one.severity == "mild" for one in tested) in (136, 137)


def test_a_merged_group_has_its_worst_label_and_is_kept_whole() -> None:
    rows = [graded(n, "normal") for n in range(6)] + [graded(n, "severe", 1) for n in range(6, 9)]
    rows[0] = replace(rows[0], group="g6")
    folds = patient_folds(rows, count=3)
    held = [{known.group for known in rows if known.scan_id in fold.test} for fold in folds.folds]
    assert sorted(len(groups & {"g6", "g7", "g8"}) for groups in held) == [1, 1, 1]
    assert next(fold for fold in folds.folds if "s6" in fold.test).test.keys() >= {"s0"}


def test_without_drawn_lesions_the_findings_limit_the_folds() -> None:
    rows = [graded(n, "mild" if n < 3 else "normal") for n in range(9)]
    assert len(patient_folds(rows, count=3).folds) == 3
    with pytest.raises(SettingsError, match="4 folds were asked for; expected 2 to 3"):
        patient_folds(rows, count=4)
    with pytest.raises(SettingsError, match="of 0 slices leaves a side empty"):
        slice_split(rows)


@fast
@given(indexes(), st.floats(0.2, 0.8), st.integers(0, 99))
def test_slices_are_disjoint_and_their_leak_is_seen(
    rows: list[IndexRow], share: float, seed: int
) -> None:
    rows = [*rows, row("long", "long", 200), row("well", "well", 50, lesions=0)]
    folds = slice_split(rows, test_share=share, seed=seed)
    assert folds == slice_split(rows, test_share=share, seed=seed)
    (check,) = folds.check(rows)
    pool = sum(one.slices for one in rows if not one.is_healthy)
    assert check.test_slices == round(share * pool)
    assert check.train_slices + check.test_slices == sum(one.slices for one in rows)
    assert check.shared_slices == 0
    assert "long" in check.shared_groups  # no slice is shared, the patient is
    assert "well" not in check.shared_groups
    fold = folds.folds[0]
    for group in {one.group for one in rows}:
        here = [one for one in rows if one.group == group]
        both = any(fold.test_slices(one).size for one in here) and any(
            fold.train_slices(one).size for one in here
        )
        assert both == (group in check.shared_groups)


def test_a_leak_that_somebody_built_in_is_counted() -> None:
    rows = [row(f"s{n}", f"g{n}", 4) for n in range(4)]
    made = patient_folds(rows, count=2)
    split = replace(made, folds=(Fold(0, {"s0": (1, 3)}), Fold(1, {"s1": None})))
    assert [check.shared_groups for check in split.check(rows)] == [("g0",), ()]
    regrouped = [replace(one, group="one patient") for one in rows]
    assert [check.shared_groups for check in made.check(regrouped)] == [("one patient",)] * 2
    beyond = replace(made, folds=(Fold(0, {"s0": (4,)}),))
    with pytest.raises(DatasetError, match="fold 0 tests slice 4 of s0; expected 0 to 3"):
        beyond.check(rows)


@pytest.mark.parametrize("protocol", ["patients", "slices"])
def test_the_file_says_all(tmp_path: Path, protocol: str) -> None:
    rows = [row(f"s{n}", f"g{n}", 9) for n in range(6)]
    folds = patient_folds(rows, count=3, seed=4) if protocol == "patients" else slice_split(rows)
    folds.save(tmp_path / "new" / "folds.json")
    assert read_folds(tmp_path / "new" / "folds.json") == folds
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["folds.json"]
    assert json.loads((tmp_path / "new" / "folds.json").read_text())["protocol"] == protocol


def test_what_cannot_be_folded_is_refused(tmp_path: Path) -> None:
    rows = [row(f"s{n}", f"g{n // 2}", 4, lesions=int(n < 4)) for n in range(6)]
    for count in (1, 3):
        with pytest.raises(SettingsError, match=rf"{count} folds were asked for; expected 2 to 2"):
            patient_folds(rows, count=count)
    with pytest.raises(
        SettingsError, match="patients with lesions in the index: 1; expected two or mo"
    ):
        patient_folds(rows[:2] + rows[4:], count=2)
    for share in (0.0, 1.0, 0.01):
        with pytest.raises(SettingsError, match="leaves a side empty"):
            slice_split(rows, test_share=share)
    with pytest.raises(DatasetError, match="differ in s5"):
        patient_folds(rows, count=2).check(rows[:5])
    with pytest.raises(DatasetError, match=r"folds\.json cannot be read"):
        read_folds(tmp_path / "folds.json")
    (tmp_path / "folds.json").write_text('{"format": "something-else"}')
    with pytest.raises(DatasetError, match=r"folds\.json cannot be read"):
        read_folds(tmp_path / "folds.json")
