"""Table IV on phantoms: everything runs, nothing twice, and thresholds come from elsewhere."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from groundglass.datasets.index import read_index
from groundglass.errors import SettingsError
from groundglass.studies import class_summary, covtanet_runs
from groundglass.studies.covtanet_baselines import MAJORITY, SHARE
from groundglass.studies.covtanet_budget import CLASS_BUDGETS, find_class_budget
from groundglass.studies.covtanet_runs import ROWS, ClassRuns, lacking
from groundglass.studies.covtanet_study import ClassRequest, check_table, run_class_study
from groundglass.studies.phantom_cohort_index import write_phantom_cohort_index
from groundglass.training.classifier_calibration import calibrate_classifier
from groundglass.training.classifier_pack import ClassifierPackSettings, pack_classifier
from groundglass.training.finished_classifier import FinishedClassifier
from groundglass.weights.store import find_classifier_weights

from ..training.made_cohort import write_cohort_index

FEW = ("covtanet", "vgg-19", MAJORITY, SHARE)


@pytest.fixture(scope="module")
def request_of_few(tmp_path_factory: pytest.TempPathFactory) -> ClassRequest:
    folder = tmp_path_factory.mktemp("covtanet")
    index = folder / "prepared"
    write_cohort_index(index, each=4, source="mosmed-phantom")
    budget = replace(CLASS_BUDGETS["tiny"], steps=2, segmentation_steps=2)
    return ClassRequest(budget, index, folder / "work", folder / "out", threads=1, keys=FEW)


def test_a_table_of_phantoms_is_made_once(
    request_of_few: ClassRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(class_summary, "DRAWS", 50)
    told: list[str] = []
    written = run_class_study(request_of_few, tell=told.append)
    assert [path.name for path in written] == [
        "table-4.csv",
        "table-4.md",
        "table-4.png",
        "table-4-confusion.png",
        "table-4-curves.png",
    ]
    page = written[1].read_text(encoding="utf-8")
    assert page.startswith("# Made-up phantoms, no patients")
    assert "12 scans of mosmed-phantom (4 normal, 4 mild, 4 severe)" in page
    for name in ("CovTANet", "VGG-19", "majority class", "involved share alone"):
        assert page.count(f"| {name} |") == 3 + 3 * 2  # the comparisons, and fold by fold
    trained = [line for line in told if "steps" in line]
    assert len(trained) == 2 * 3  # both phases and a rival, on two folds
    monkeypatch.setattr(covtanet_runs, "TwoPhases", None)  # nothing is missing now
    monkeypatch.setattr(covtanet_runs, "JointTrainer", None)
    told.clear()
    again = run_class_study(request_of_few, tell=told.append)
    assert told == []
    assert again[1].read_text(encoding="utf-8") == page


def test_every_row_is_judged_on_the_same_scans(request_of_few: ClassRequest) -> None:
    runs = runs_of(request_of_few)
    for fold in (0, 1):
        rows = [runs.row(key, fold) for key in FEW]
        for parts in zip(*(row.parts for row in rows), strict=True):
            assert len({(part.scans, part.labels, part.task) for part in parts}) == 1
        assert not set(runs.row(MAJORITY, 0).parts[0].scans) & set(
            runs.row(MAJORITY, 1).parts[0].scans
        )


def test_the_shares_threshold_is_of_the_training_side(request_of_few: ClassRequest) -> None:
    runs = runs_of(request_of_few)
    shares = json.loads((request_of_few.work / "fold-0" / "shares.json").read_text())
    assert set(shares) == {row.scan_id for row in read_index(request_of_few.index)}
    part = runs.row(SHARE, 0).parts[-1]
    assert part.scores == tuple(shares[scan] for scan in part.scans)
    trained = sorted(share for scan, share in shares.items() if scan not in part.scans)
    assert trained[0] <= part.threshold <= trained[-1]


def test_a_fold_becomes_weights_of_a_classifier(request_of_few: ClassRequest) -> None:
    """A fold's folder is one of `train covtanet`, rivals beside it: it is calibrated and packed."""
    runs = runs_of(request_of_few)
    runs.row("covtanet", 0)
    run = FinishedClassifier.of(runs.of_fold(0))
    rows = run.test_rows()
    part = runs.row("covtanet", 0).parts[-1]
    assert set(part.scans) <= {row.scan_id for row in rows}
    record, _ = calibrate_classifier(run, rows)
    out = request_of_few.work / "packed"
    said = ClassifierPackSettings("fold", "1", "a fold", "CC0-1.0", ("drawn chests",))
    manifest = pack_classifier(run, record, out, said)
    assert manifest.held_out == tuple(row.scan_id for row in rows)
    assert manifest.classifier.trained["fold"] == 0
    assert find_classifier_weights(str(out)).manifest == manifest


def test_rows_of_other_settings_are_refused(request_of_few: ClassRequest) -> None:
    other = replace(request_of_few, seed=1)
    with pytest.raises(SettingsError, match=r"was made with budget tiny \w{8}, seed 0, index"):
        runs_of(other).row("covtanet", 0)


def test_the_cohort_of_phantoms_is_graded_and_says_what_it_is(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    index = write_phantom_cohort_index(tmp_path, scans=3)
    rows = read_index(index)
    assert [row.grade for row in rows] == ["CT-0", "CT-3", "CT-1"]
    assert all(row.is_phantom and row.lung_voxels for row in rows)
    before = (index / "index.csv").stat().st_mtime_ns
    assert write_phantom_cohort_index(tmp_path, scans=3) == index
    assert (index / "index.csv").stat().st_mtime_ns == before


def runs_of(request: ClassRequest) -> ClassRuns:
    return ClassRuns(
        request.index,
        request.work,
        request.budget,
        device="cpu",
        threads=1,
        seed=request.seed,
        tell=lambda text: None,
    )


def test_wrong_tables_and_budgets_are_named() -> None:
    with pytest.raises(SettingsError, match="table is 3; expected --table 4"):
        check_table(3)
    with pytest.raises(SettingsError, match="no table is asked for"):
        check_table(None)
    with pytest.raises(SettingsError, match="'gpu' is not one of this study; expected tiny"):
        find_class_budget("gpu")


def test_a_row_that_lacks_its_package_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(covtanet_runs, "find_spec", lambda name: None)
    assert [key for key in ROWS if lacking(key)] == ["resnet-50", "densenet-121"]
    assert "monai" in lacking("resnet-50")
