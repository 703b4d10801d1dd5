from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from groundglass.errors import DatasetError, SettingsError
from groundglass.networks.efficientnet_encoder import LITE0
from groundglass.studies import row_runs
from groundglass.studies.box_runs import BoxRuns
from groundglass.studies.budget import Budget
from groundglass.studies.calibrate import write_calibration
from groundglass.studies.kept import keep_prediction, kept_predictions
from groundglass.studies.plan import RowPlan, Variant, begun_from
from groundglass.studies.plan_chs_net import PLANS, plan_of
from groundglass.studies.registry import find_study
from groundglass.studies.results import StudyRequest, run_and_write
from groundglass.studies.row_runs import lacking, row_path, run_table
from groundglass.studies.runs import StudyRuns
from groundglass.training.maps import load_map

from ..made_encoder import write_encoder


def lesion_plan(key: str) -> RowPlan:
    """The row of Table 2 called `key`, for lesions on patient folds."""
    return next(
        plan
        for plan in plan_of(2)
        if (plan.key, plan.target, plan.protocol) == (key, "lesions", "patients")
    )


def test_table_2_shows_both_protocols(runs: StudyRuns) -> None:
    rows = run_table(runs, 2)
    assert [(row.target, row.protocol) for row in rows] == [
        ("lungs", "patients"),
        ("lesions", "patients"),
        ("lungs", "slices"),
        ("lesions", "slices"),
        *[("lesions", "patients")] * 5,  # options of ours
    ]
    beside = ["context", "context-flips", "ta-segnet", "ta-segnet-made", "lite0-scratch"]
    assert [row.key for row in rows] == [*["chs-net"] * 4, *beside]
    assert rows[4].train_slices == rows[5].train_slices == 2 * rows[1].train_slices
    assert rows[4].parameters == rows[1].parameters
    assert {row.trained_on for row in rows} == {"cpu"}
    assert run_table(runs, 2, protocols=("slices",)) == rows[2:4]
    honest = rows[1]
    assert [scores.fold for scores in honest.folds] == [0, 1]
    assert {case.case_id for case in honest.cases} == {f"phantom_{n}" for n in range(1, 5)}
    assert "lesion-free test scan" in honest.note
    assert honest.parameters == 2 * rows[0].parameters


def test_a_budget_without_context_leaves_those_rows_out(
    phantom_index: Path, tmp_path: Path, small: Budget
) -> None:
    plain = replace(small, context=None, box=None, box_encoder=None)
    runs = StudyRuns(phantom_index, tmp_path, plain, threads=1, tell=lambda text: None)
    rows = run_table(runs, 2, folds=(0,), protocols=("patients",))
    assert [row.key for row in rows] == ["chs-net", "chs-net"]
    assert "budget small trains no network with context" in lacking(lesion_plan("context"), plain)
    assert "budget small trains no network on the whole box" in lacking(
        lesion_plan("ta-segnet"), plain
    )
    with pytest.raises(SettingsError, match="budget small trains no network with context"):
        runs.context("raiu-net", runs.split("patients", 0))
    with pytest.raises(SettingsError, match="budget small trains no network on the whole box"):
        BoxRuns(runs).one("ta-segnet", runs.split("patients", 0))


def test_context_goes_on_from_the_masked_network(runs: StudyRuns) -> None:
    split = runs.split("patients", 0)
    run = runs.context("raiu-net", split)
    masked = runs.lesions("raiu-net", split, runs.budget.cascade_lesions)
    assert run.settings.start_from == str(masked.folder)
    assert not run.recipe.mask_outside
    assert masked.recipe.mask_outside


def test_the_box_row_sees_it_unmasked_and_has_its_own_lungs(runs: StudyRuns) -> None:
    run = BoxRuns(runs).one("ta-segnet", runs.split("patients", 0))
    assert not run.recipe.mask_outside
    assert (run.settings.start_from, run.settings.loss) == (None, "focal-tversky")
    assert lesion_plan("ta-segnet").lung_network == "raiu-net"


def test_a_mean_and_what_is_distilled_from_it(
    phantom_index: Path, small: Budget, tmp_path: Path
) -> None:
    four = replace(small, fold_count=4)
    runs = StudyRuns(phantom_index, tmp_path / "study", four, threads=1, tell=lambda text: None)
    file = write_encoder(tmp_path / "lite0.pth", base=2, kind=LITE0)
    keys = ("lite0-made", "lite0-mean", "lite0-distilled")
    rows = run_table(runs, 2, folds=(0,), protocols=("patients",), keys=keys, encoder_weights=file)
    assert [row.key for row in rows] == list(keys)
    one, mean, student = rows
    budget = runs.budget.box_encoder
    assert budget is not None
    assert one.train_slices == budget.slices
    assert (mean.train_slices, student.train_slices) == (3 * budget.slices, 4 * budget.slices)
    lungs = runs.lungs("raiu-net", runs.split("patients", 0))
    assert one.parameters == student.parameters < mean.parameters
    assert one.minutes > lungs.seconds / 60

    split = runs.split("patients", 0)
    variant = Variant(None, file, 0.5, 0.3)
    teachers = BoxRuns(runs).teachers("ta-segnet-lite0", split, variant)
    left_out = [set(run.settings.hold_out) for run in teachers]
    training = {row.scan_id for row in runs.train_rows(split)}
    assert set.union(*left_out) == training
    assert sum(map(len, left_out)) == len(training)
    learned = BoxRuns(runs).distilled("ta-segnet-lite0", split, teachers, variant)
    named = BoxRuns(runs).names("ta-segnet-lite0", variant, "distilled")
    assert named == [run.folder.name for run in (*teachers, learned)]
    assert runs.has_begun(split, named)
    assert learned.settings.soft_targets is not None
    assert learned.settings.encoder_weights == str(file)
    scan = runs.scan(runs.train_rows(split)[0])
    soft = load_map(Path(learned.settings.soft_targets), scan)
    alone = [run.predictor().probability(scan) for run in teachers]
    np.testing.assert_allclose(soft / 255, np.mean(alone, axis=0), atol=0.5 / 255 + 1e-6)
    plan = replace(lesion_plan("lite0-mean"), encoder_weights=file)
    kept = next(kept_predictions(row_path(runs, plan, split).with_suffix("")))
    test_scan = next(s for s in runs.test_scans(split) if s.row.scan_id == kept.scan_id)
    shown = runs.test_lungs("raiu-net", split, test_scan)
    each = [run.predictor().probability(test_scan, shown) for run in teachers]
    assert not np.allclose(each[0], each[1], atol=1e-3)
    np.testing.assert_allclose(kept.probability / 255, np.mean(each, axis=0), atol=0.51 / 255)
    tested = {scan.row.scan_id for scan in runs.test_scans(split)}
    assert not tested & {path.stem for path in Path(learned.settings.soft_targets).glob("*")}


def test_a_mean_of_patients_that_were_lost_is_predicted_again(
    phantom_index: Path, small: Budget, tmp_path: Path
) -> None:
    """What is there is kept, what is missing is made, and no teacher is trained again."""
    told: list[str] = []
    runs = StudyRuns(phantom_index, tmp_path, small, threads=1, tell=told.append)
    with pytest.raises(SettingsError, match="train on in fold 0: 2; expected 3 or more for a mean"):
        BoxRuns(runs).teaching_parts(runs.split("patients", 0))
    four = replace(small, fold_count=4)
    runs = StudyRuns(phantom_index, tmp_path / "four", four, threads=1, tell=told.append)
    split = runs.split("patients", 0)
    teachers = BoxRuns(runs).teachers("ta-segnet", split)
    learned = BoxRuns(runs).distilled("ta-segnet", split, teachers)
    folder = Path(str(learned.settings.soft_targets))
    lost, *others = sorted(folder.glob("*.npz"))
    before = {path: path.stat().st_mtime_ns for path in others}
    lost.unlink()
    told.clear()
    shutil.rmtree(learned.folder)
    again = BoxRuns(runs).distilled("ta-segnet", split, BoxRuns(runs).teachers("ta-segnet", split))
    assert again.folder == learned.folder
    assert {path: path.stat().st_mtime_ns for path in others} == before
    assert [line for line in told if "teachers on" in line] == [
        f"  mean of the teachers on {lost.stem}"
    ]
    assert not [line for line in told if "without" in line]


def test_teachers_never_see_who_decides_when_to_stop(
    phantom_index: Path, small: Budget, tmp_path: Path
) -> None:
    budget = replace(small, fold_count=4, validate_every=1)
    runs = StudyRuns(phantom_index, tmp_path, budget, threads=1, tell=lambda text: None)
    split = runs.split("patients", 0)
    with pytest.raises(SettingsError, match="fold 0: 2; expected 3"):  # of four: test, validation
        BoxRuns(runs).teaching_parts(split)


def test_rows_of_a_table_are_stored_apart(runs: StudyRuns) -> None:
    split = runs.split("patients", 0)
    for table in PLANS:
        plans = [plan for plan in plan_of(table) if plan.protocol == "patients"]
        if table == 2:
            plans = list(begun_from(tuple(plans), Path("lite0.pth")))
        assert len({row_path(runs, plan, split) for plan in plans}) == len(plans)


def asked(runs: StudyRuns, out: Path, table: int, *keys: str) -> StudyRequest:
    """A page of some rows of the study's table, fold 0, both protocols."""
    return StudyRequest(
        study=find_study("chs-net"),
        table=table,
        budget=runs.budget,
        index=runs.index,
        work=runs.folder,
        out=out,
        folds=(0,),
        device="cpu",
        threads=1,
        seed=0,
        protocols=("patients", "slices"),
        keys=keys,
    )


def test_a_page_of_some_rows_says_how_they_were_trained(runs: StudyRuns, tmp_path: Path) -> None:
    request = asked(runs, tmp_path, 2, "ta-segnet-made", "lite0-made")
    told: list[str] = []
    run_and_write(request, tell=told.append)
    page = (tmp_path / "table-2.md").read_text(encoding="utf-8")
    lines = page.splitlines()
    assert page.count("made lesions is left out: its encoder begins with weights") == 1
    assert sum("no --encoder-weights names any" in line for line in told) == 1
    assert (
        "- TA-SegNet as second stage, box unmasked, made lesions: lesions of other slices were "
        "pasted into 50% of the slices, 30% of the slices were veiled with made-up opacities."
        in lines
    )
    assert "--rows ta-segnet-made,lite0-made" in page
    # Two steps make a network that no temperature mends; the rest of the page is there.
    assert any("made lesions: not calibrated: " in line for line in told)
    assert (tmp_path / "shares-ta-segnet-made.md").exists()
    assert "a kind trains on equally many slices: lungs" in page
    assert "direct" not in next(line for line in lines if "equally many slices" in line)


def test_what_would_have_no_effect_is_refused() -> None:
    for changes in ({"paste": 0.5}, {"opacity": 0.5}, {"learner": "mean"}):
        with pytest.raises(SettingsError, match="expected mode 'box' with any of these"):
            replace(lesion_plan("context"), **changes)
    with pytest.raises(SettingsError, match="mode 'context' has loss 'tversky'; expected mode 'h"):
        replace(lesion_plan("context"), loss="tversky")
    with pytest.raises(SettingsError, match="has encoder weights; expected mode 'direct' or 'box'"):
        replace(lesion_plan("chs-net"), encoder_weights=Path("b0.pth"))


def test_a_row_trained_as_published_says_how_and_shows_its_curve(
    runs: StudyRuns, tmp_path: Path
) -> None:
    request = asked(runs, tmp_path, 3, "miniseg-published")
    written = run_and_write(request, tell=lambda text: None)
    assert tmp_path / "table-3-curves.png" in written
    page = (tmp_path / "table-3.md").read_text(encoding="utf-8")
    assert "authors' training: much as its authors trained it: only slices with lesions" in page
    assert "equally many slices: much as published 8 slices at 32x32." in page
    (row,) = run_table(runs, 3, folds=(0,), keys=("miniseg-published",))
    assert (row.key, row.train_slices) == ("miniseg-published", 8)
    assert "anywhere in the slices" in row.note


def test_rows_that_begin_with_weights_need_some(runs: StudyRuns) -> None:
    assert "no --encoder-weights names any" in lacking(lesion_plan("lite0"), runs.budget)
    with pytest.raises(SettingsError, match="no row that can be made; lite0: its encoder begins"):
        run_table(runs, 2, folds=(0,), keys=("lite0",))


def test_lesions_made_for_training_are_a_row_of_their_own(runs: StudyRuns) -> None:
    split = runs.split("patients", 0)
    variant = Variant(loss="tversky", paste=0.5, opacity=0.25)
    run = BoxRuns(runs).one("ta-segnet", split, variant)
    augment = run.settings.augment
    assert (augment.paste, augment.opacity, run.settings.loss) == (0.5, 0.25, "tversky")
    assert run.folder.name == "box-ta-segnet-tversky-paste-0.5-opacity-0.25-32x32-2"
    plan = replace(lesion_plan("ta-segnet"), loss="tversky", paste=0.5, opacity=0.25)
    assert plan.variant == variant
    assert row_path(runs, plan, split).name == (
        "ta-segnet-tversky-paste-0.5-opacity-0.25-box-lesions-cascade.json"
    )


def test_rows_on_the_disk_are_read(runs: StudyRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run_table(runs, 2)
    monkeypatch.setattr(row_runs, "_train", None)
    assert run_table(runs, 2) == first


def test_predictions_are_kept_inside_the_lungs_shown(runs: StudyRuns) -> None:
    run_table(runs, 2, folds=(0,))
    plan = plan_of(2)[1]
    folder = row_path(runs, plan, runs.split("patients", 0)).with_suffix("")
    kept = list(kept_predictions(folder))
    scans = {s.row.scan_id: s for s in runs.test_scans(runs.split("patients", 0))}
    assert {one.scan_id for one in kept} == {i for i, s in scans.items() if not s.row.is_healthy}
    for one in kept:
        scan = scans[one.scan_id]
        lungs = runs.test_lungs("raiu-net", runs.split("patients", 0), scan)
        assert one.probability.shape == scan.image.shape
        assert one.histogram.total == int((lungs > 0).sum())
        assert not one.probability[lungs == 0].any()


def test_semi_supervision_learns_from_patients_without_their_labels(runs: StudyRuns) -> None:
    plans = {plan.key: plan for plan in plan_of(3)}
    split = runs.split("patients", 0)
    half = row_runs._fold_row(runs, plans["inf-net-half"], split)
    semi = row_runs._fold_row(runs, plans["semi-inf-net"], split)
    assert half.parameters == semi.parameters
    assert semi.minutes >= half.minutes
    assert (runs.folder / "patients-0" / "semi").is_dir()


def test_calibration_comes_from_the_predictions_kept(
    phantom_index: Path, small: Budget, tmp_path: Path
) -> None:
    runs = StudyRuns(phantom_index, tmp_path / "study", small, tell=lambda text: None)
    plan = plan_of(2)[1]
    with pytest.raises(DatasetError, match="no predictions of Table 2"):
        write_calibration(runs, (0, 1), tmp_path, plan)
    rng = np.random.default_rng(0)
    for fold in (0, 1):
        split = runs.split("patients", fold)
        for scan in runs.test_scans(split):
            if scan.row.is_healthy:
                continue
            logits = np.where(scan.lesions > 0, 4.0, -4.0) + rng.normal(0, 4, scan.image.shape)
            chance = (expit(logits) * scan.lungs).astype(np.float32)
            folder = row_path(runs, plan, split).with_suffix("")
            keep_prediction(folder, scan, chance, scan.lungs)
    document, picture = write_calibration(runs, (0, 1), tmp_path, plan)
    found = json.loads(document.read_text())
    assert found["out_of_fold"] is True
    assert found["cases"] == 4
    # Two normals 8 apart with deviation 4: the log odds are logit / 2 and a prior.
    assert found["temperature"] > 1.5
    assert found["after"]["log_loss"] < found["before"]["log_loss"]
    assert found["operating_point"]["dice_left_out"] <= found["operating_point"]["dice"]
    assert picture.read_bytes().startswith(b"\x89PNG")
