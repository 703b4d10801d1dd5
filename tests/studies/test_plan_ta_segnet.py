from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from groundglass.catalog import network_entry
from groundglass.errors import SettingsError
from groundglass.studies.budget import BUDGETS
from groundglass.studies.paper_ta_segnet import PAPER
from groundglass.studies.plan_ta_segnet import PLANS, plan_of
from groundglass.studies.registry import find_study

OURS = "ta-segnet-bce-dice"


def test_rows_are_those_of_the_paper_in_its_order() -> None:
    for table, plans in PLANS.items():
        printed = [row.key for row in PAPER.rows if row.table == table]
        assert [plan.key for plan in plans if plan.key != OURS] == printed
    assert plan_of(3)[-1].key == OURS


def test_all_see_whole_slices_of_whole_patients_and_keep_their_masks() -> None:
    for plans in PLANS.values():
        for plan in plans:
            assert network_entry(plan.network).parameters > 0
            assert (plan.mode, plan.target, plan.protocol) == ("direct", "lesions", "patients")
            assert plan.loss == ("bce-dice" if plan.key == OURS else None)  # None: the catalog's
            assert plan.keep
            assert not plan.cascade


def test_versions_are_those_of_the_catalog() -> None:
    for plan in plan_of(1):
        version = network_entry(f"ta-segnet-{plan.key}")
        built = network_entry(plan.network)
        assert (built.builder, built.loss) == (version.builder, version.loss)


def test_ta_segnet_is_trained_once_for_all_tables() -> None:
    ours = [plan for plans in PLANS.values() for plan in plans if plan.network == "ta-segnet"]
    assert [plan.key for plan in ours if plan.loss is None] == ["v7", "ta-segnet", "ta-segnet"]


def test_table_2_has_the_folds_of_the_others() -> None:
    for budget in BUDGETS.values():
        assert budget.folds_of(plan_of(2)) == budget.folds_of(plan_of(1)) == budget.folds


def test_weights_are_for_v8_alone() -> None:
    file = Path("weights/b0.pth")
    rows = find_study("ta-segnet").plan_of(1, encoder_weights=file)
    assert rows[:-1] == plan_of(1)[:-1]
    assert rows[-1] == replace(
        plan_of(1)[-1], label="V8: V7, EfficientNet encoder, pretrained", encoder_weights=file
    )


@pytest.mark.parametrize(("study", "table"), [("ta-segnet", 2), ("ta-segnet", 3), ("chs-net", 3)])
def test_weights_without_a_row_for_them_are_refused(study: str, table: int) -> None:
    with pytest.raises(
        SettingsError,
        match=r"--encoder-weights is b0\.pth, and no row that is asked for .*--table 1",
    ):
        find_study(study).plan_of(table, encoder_weights=Path("b0.pth"))


def test_the_diagnosis_is_no_table_of_this_study() -> None:
    with pytest.raises(SettingsError, match="table is 4; expected 1, 2 or 3"):
        plan_of(4)
