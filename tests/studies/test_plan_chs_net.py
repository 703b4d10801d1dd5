from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from groundglass.catalog import network_entry
from groundglass.errors import SettingsError
from groundglass.studies.budget import BUDGETS, find_budget
from groundglass.studies.paper_chs_net import paper_row
from groundglass.studies.plan import begun_from, rows_called
from groundglass.studies.plan_chs_net import PLANS, plan_of


@pytest.mark.parametrize("table", PLANS)
def test_every_network_is_in_the_catalog(table: int) -> None:
    for plan in plan_of(table):
        assert network_entry(plan.network).parameters > 0


def test_every_row_of_the_paper_is_run() -> None:
    beside = {"unet", "inf-net-half", "sigmoid", "deep", "tversky"}  # ours
    beside |= {"context", "context-flips", "ta-segnet", "lite0-scratch", "lite0", "lite0-made"}
    beside |= {"lite0-made-flips", "lite0-mean", "lite0-distilled", "ta-segnet-made"}
    beside |= {"miniseg-published"}
    for table, plans in PLANS.items():
        for plan in plans:
            assert (paper_row(table, plan.key, plan.target) is None) == (plan.key in beside)


def test_the_leaky_split_is_in_table_2_alone() -> None:
    leaky = {table for table, plans in PLANS.items() for p in plans if p.protocol == "slices"}
    assert leaky == {2}


def test_table_4_is_direct_and_table_5_hierarchical() -> None:
    assert {plan.mode for plan in plan_of(4)} == {"direct"}
    assert {plan.mode for plan in plan_of(5)} == {"hierarchical"}
    assert [p.network for p in plan_of(4)] == [p.network for p in plan_of(5)[:8:2]]


def test_another_table_is_refused() -> None:
    with pytest.raises(SettingsError, match="table is 1; expected 2, 3, 4 or 5"):
        plan_of(1)


def test_budgets_name_folds_that_exist() -> None:
    for budget in BUDGETS.values():
        for table in PLANS:
            assert set(budget.folds_of(plan_of(table))) <= set(range(budget.fold_count))


def test_an_unknown_budget_is_refused() -> None:
    with pytest.raises(SettingsError, match="'huge' is unknown; expected tiny, cpu, gpu, full"):
        find_budget("huge")


def test_a_study_without_a_cascade_may_spend_otherwise() -> None:
    cpu = find_budget("cpu")
    assert cpu.of_study(has_cascade=True) is cpu
    assert cpu.alone is not None
    own = cpu.of_study(has_cascade=False)
    assert (own.direct, own.folds, own.every) == (cpu.alone.direct, (0,), 1)
    assert own.lesions == cpu.lesions
    gpu = find_budget("gpu")
    assert gpu.of_study(has_cascade=False) is gpu


def test_a_network_with_an_encoder_has_a_budget_of_its_own_for_the_box() -> None:
    gpu = find_budget("gpu")
    assert gpu.box_of("ta-segnet-lite0") == gpu.box_encoder
    assert gpu.box_of("ta-segnet") == gpu.box
    assert replace(gpu, box_encoder=None).box_of("ta-segnet-lite0") == gpu.box


def test_rows_are_chosen_by_their_keys() -> None:
    chosen = rows_called(plan_of(2), ("ta-segnet", "chs-net"))
    assert [plan.key for plan in chosen] == ["chs-net"] * 4 + ["ta-segnet"]
    with pytest.raises(SettingsError, match=r"--rows names u-net; expected some of chs-net, cont"):
        rows_called(plan_of(2), ("chs-net", "u-net"))
    with pytest.raises(SettingsError, match=r"--rows names nothing"):
        rows_called(plan_of(2), ())


def test_weights_go_to_rows_that_may_begin_with_them() -> None:
    plans = {plan.key: plan for plan in begun_from(plan_of(2), Path("lite0.pth"))}
    begun = {key for key, plan in plans.items() if plan.encoder_weights}
    assert begun == {"lite0", *[f"lite0-{n}" for n in ("made", "made-flips", "mean", "distilled")]}
    assert {plan.key for plan in plan_of(2) if plan.begin == "weights"} == begun
