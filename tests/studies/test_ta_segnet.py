"""The study of TA-SegNet: rows, their kept masks, what is skipped, and what a page says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from groundglass.errors import DatasetError, SettingsError
from groundglass.metrics.overlap import slice_confusions
from groundglass.studies import plan_ta_segnet, results, row_runs
from groundglass.studies.kept import kept_predictions
from groundglass.studies.overlays_figure import write_overlays
from groundglass.studies.plan import RowPlan
from groundglass.studies.registry import data_notice, find_study
from groundglass.studies.results import StudyRequest, run_and_write
from groundglass.studies.row_runs import lacking, row_path, run_table
from groundglass.studies.runs import StudyRuns
from groundglass.studies.table import table_rows
from groundglass.studies.table_page import markdown
from groundglass.training.checkpoint import RESULT_NAME, load_state

from ..made_encoder import write_encoder
from .made_rows import made_conditions, made_row

FEW = tuple(p for p in plan_ta_segnet.PLANS[1] if p.key in ("v1", "v2"))
STUDY = find_study("ta-segnet")


V8 = next(p for p in plan_ta_segnet.PLANS[1] if p.key == "v8")


def made_request(runs: StudyRuns, out: Path, **changes: Any) -> StudyRequest:
    """Table 1 on the phantoms, with the runs of the whole test session."""
    request = StudyRequest(
        study=STUDY,
        table=1,
        budget=runs.budget,
        index=runs.index,
        work=runs.folder,
        out=out,
        folds=None,
        device="cpu",
        threads=1,
        seed=0,
    )
    return replace(request, **changes)


@pytest.fixture
def two_rows(monkeypatch: pytest.MonkeyPatch) -> tuple[RowPlan, ...]:
    """Table 1 of two rows."""
    monkeypatch.setitem(plan_ta_segnet.PLANS, 1, FEW)
    return FEW


def test_rows_and_their_kept_masks_agree(runs: StudyRuns, two_rows: tuple[RowPlan, ...]) -> None:
    rows = run_table(runs, 1, study="ta-segnet")
    assert [row.key for row in rows] == ["v1", "v2"]
    assert all([scores.fold for scores in row.folds] == [0, 1] for row in rows)
    split = runs.split("patients", 0)
    path = row_path(runs, two_rows[0], split)
    assert path.name == "ta-segnet-v1-direct-lesions.json"
    scans = {scan.row.scan_id: scan for scan in runs.test_scans(split)}
    cases = {case.case_id: case for case in rows[0].folds[0].cases}
    for kept in kept_predictions(path.with_suffix("")):
        lesions = scans[kept.scan_id].lesions > 0
        assert kept.histogram.total == lesions.size  # whole slices
        pairs = slice_confusions(kept.probability >= 128, lesions)
        # 127.5 is half: a mask kept in 256 steps may differ where the network was undecided
        assert sum(pair.tp for pair in pairs) == pytest.approx(
            cases[kept.scan_id].total.tp, rel=0.02
        )


def test_a_row_without_masks_gets_them_from_its_run(
    runs: StudyRuns, two_rows: tuple[RowPlan, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_table(runs, 1, study="ta-segnet")
    folder = row_path(runs, two_rows[0], runs.split("patients", 0)).with_suffix("")
    kept = sorted(folder.glob("*.npz"))
    for path in kept:
        path.unlink()
    assert run_table(runs, 1, study="ta-segnet") == first
    assert sorted(folder.glob("*.npz")) == kept
    monkeypatch.setattr(row_runs, "_train", None)  # nothing is missing now
    assert run_table(runs, 1, study="ta-segnet") == first


def test_figure_8_names_a_missing_mask(
    runs: StudyRuns, two_rows: tuple[RowPlan, ...], tmp_path: Path
) -> None:
    run_table(runs, 1, study="ta-segnet")
    picture = write_overlays(runs, two_rows, (0, 1), tmp_path / "fig-8.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
    other = RowPlan("other", "Other", "miniseg", "direct", keep=True)
    with pytest.raises(DatasetError, match="no prediction of Other for phantom_1"):
        write_overlays(runs, [other], (0, 1), tmp_path / "fig-8.png")


def test_v8_is_left_out_without_monai_and_the_page_says_why(
    runs: StudyRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = (FEW[0], V8)
    monkeypatch.setitem(plan_ta_segnet.PLANS, 1, plans)
    monkeypatch.setattr(row_runs, "find_spec", lambda name: None)
    assert "monai" in lacking(plans[1], runs.budget)
    assert lacking(plans[0], runs.budget) == ""
    told: list[str] = []
    names = {path.name for path in run_and_write(made_request(runs, tmp_path), tell=told.append)}
    assert "table-1-fig-8.png" in names
    page = (tmp_path / "table-1.md").read_text(encoding="utf-8")
    assert "V8: V7, EfficientNet encoder is left out: it needs the package monai" in page
    assert not any(line.startswith("| V8") for line in page.splitlines())
    assert any("monai" in line for line in told)


def test_v8_begins_with_weights_and_the_page_says_so(
    runs: StudyRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(plan_ta_segnet.PLANS, 1, (FEW[0], V8))
    file = write_encoder(tmp_path / "b0.pth", base=2)
    request = made_request(runs, tmp_path / "out", encoder_weights=file, folds=(0,))
    run_and_write(request, tell=lambda text: None)
    page = (tmp_path / "out" / "table-1.md").read_text(encoding="utf-8")
    assert "| V8: V7, EfficientNet encoder, pretrained |" in page
    assert (
        "- V8: V7, EfficientNet encoder, pretrained: its encoder began with the weights b0.pth."
        in (page.splitlines())
    )
    assert "--table 1 --budget small --folds 0 --encoder-weights b0.pth`" in page
    here = runs.folder / "patients-0"
    stored = [
        load_state(here / f"direct-{name}" / RESULT_NAME).settings["encoder_weights"]
        for name in ("ta-segnet-v1", "ta-segnet-v8-from-b0")
    ]
    assert stored == [None, str(file)]
    assert (here / "rows" / "ta-segnet-v8-from-b0-direct-lesions.json").exists()
    file.unlink()  # what is finished needs it no more
    told: list[str] = []
    run_and_write(request, tell=told.append)
    assert told == []
    assert (tmp_path / "out" / "table-1.md").read_text(encoding="utf-8") == page


def test_v8_from_scratch_is_another_row(
    runs: StudyRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(plan_ta_segnet.PLANS, 1, (V8,))
    pytest.importorskip("monai")
    run_and_write(made_request(runs, tmp_path, folds=(0,)), tell=lambda text: None)
    page = (tmp_path / "table-1.md").read_text(encoding="utf-8")
    assert "| V8: V7, EfficientNet encoder |" in page
    assert "began with" not in page
    assert (runs.folder / "patients-0" / "direct-ta-segnet-v8" / RESULT_NAME).exists()


def test_weights_that_do_not_fit_are_named_before_anything_is_trained(
    runs: StudyRuns, tmp_path: Path
) -> None:
    file = write_encoder(tmp_path / "b0.pth", base=16)
    request = made_request(runs, tmp_path / "out", encoder_weights=file, work=tmp_path / "work")
    told: list[str] = []
    with pytest.raises(SettingsError, match="as wide as at base 2"):
        run_and_write(request, tell=told.append)
    assert told == []
    assert not list((tmp_path / "work").rglob(RESULT_NAME))


def test_every_table_has_figure_8_and_curves_with_the_rows_names(
    runs: StudyRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    monkeypatch.setitem(plan_ta_segnet.PLANS, 2, (FEW[0],))
    monkeypatch.setattr(results, "draw_curves", lambda path, curves, **_: drawn.extend(curves))
    written = run_and_write(made_request(runs, tmp_path, table=2), tell=lambda text: None)
    assert written[-1] == tmp_path / "table-2-fig-8.png"
    assert drawn == [FEW[0].label]


def test_what_is_called_on_lesion_free_scans_is_of_whole_slices(
    runs: StudyRuns, two_rows: tuple[RowPlan, ...]
) -> None:
    notes = [row.note for row in run_table(runs, 1, study="ta-segnet")]
    assert all("in 1 lesion-free test scan(s) lesion was called on an area of" in n for n in notes)
    assert all("% of the lungs', anywhere in the slices" in note for note in notes)


def test_a_table_without_any_row_is_refused(runs: StudyRuns) -> None:
    with pytest.raises(SettingsError, match="table 3 of ta-segnet has no row tested by slices"):
        run_table(runs, 3, study="ta-segnet", protocols=("slices",))


@pytest.mark.parametrize(
    ("table", "sources", "words"),
    [
        (1, {"covid19-ct-seg": 15}, "not on the paper's data: the paper's Table I was made on Mos"),
        (2, {"mosmed": 50}, "Made on 50 scans of mosmed; the paper's Table II was made on MosMed"),
        (2, {"mosmed": 50, "a": 1}, "alone, so the data are not the same"),
        (3, {"mosmed": 50}, "the paper's Table III was made on Dataset-2"),
    ],
)
def test_the_data_are_said_plainly(table: int, sources: dict[str, int], words: str) -> None:
    notice = data_notice(STUDY, table, sources)
    assert words in notice
    assert all(f"{count} scans of {name}" in notice for name, count in sources.items())


def test_lesion_free_scans_of_the_same_set_are_counted_apart() -> None:
    notice = data_notice(STUDY, 2, {"mosmed": 304}, lesion_free=254)
    assert (
        "Made on 304 scans of mosmed, 254 of them lesion-free and in no test figure; the" in notice
    )
    assert "too" not in notice


def test_the_other_study_has_no_notice() -> None:
    assert data_notice(find_study("chs-net"), 2, {"mosmed": 50}) == ""


def test_page_of_this_paper() -> None:
    rows = table_rows([made_row("inf-net"), made_row("ta-segnet")], 2, study="ta-segnet")
    conditions = made_conditions(study="ta-segnet", notice="Made on 4 scans of x.")
    page = markdown(rows, conditions, table=2)
    top = page[: page.index("| network")]
    assert "Table 2: TA-SegNet and the rivals" in top
    assert "> **Data: Made on 4 scans of x.**" in top
    assert "paper: IoU" in page
    assert "paper: JI" not in page
    assert "0.623 ± 0.0018 [3] [4] impossible |" in page
    assert "Impossible. The harmonic mean of precision 0.848 and recall 0.996 is 0.916" in page
    assert "this row has the Dice of V8" in page.replace("This", "this")
    assert "slice split" not in page
