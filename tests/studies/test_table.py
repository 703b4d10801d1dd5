"""A table's CSV and page: every number, every condition, every mark."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from groundglass.errors import SettingsError
from groundglass.metrics.overlap import MEASURES
from groundglass.studies.table import COLUMNS, table_rows, write_csv, write_table
from groundglass.studies.table_page import HEADER, markdown

from .made_rows import A, made_conditions, made_row

ROWS = [
    made_row("bu", note="a word on it"),
    made_row("chs-net", target="lungs"),
    made_row("chs-net"),
    made_row("chs-net", protocol="slices", folds=((A,),)),
    made_row("unet|x"),
]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_csv_has_each_number_once(tmp_path: Path) -> None:
    rows = table_rows(ROWS[:3], 5)
    write_csv(tmp_path / "t.csv", rows, made_conditions())
    lines = read(tmp_path / "t.csv")
    assert tuple(lines[0]) == COLUMNS
    # of each row: three aggregations of two folds and of all, and the mean of the folds
    assert len(lines) == 3 * len(MEASURES) * (3 * 3 + 1)
    names = ("row", "target", "protocol", "fold", "aggregation", "measure")
    assert len({tuple(line[name] for name in names) for line in lines}) == len(lines)
    assert {line["data"] for line in lines} == {"real"}


def test_csv_values(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", table_rows(ROWS[:1], 5), made_conditions(is_phantom=True))
    lines = read(tmp_path / "t.csv")

    def line(fold: str, aggregation: str, measure: str) -> dict[str, str]:
        wanted = (fold, aggregation, measure)
        return next(x for x in lines if (x["fold"], x["aggregation"], x["measure"]) == wanted)

    pooled = line("all", "pooled", "jaccard")
    assert float(pooled["value"]) == pytest.approx(40 / 75, abs=1e-6)
    assert float(pooled["low"]) <= float(pooled["value"]) <= float(pooled["high"])
    assert (pooled["cases"], pooled["patients"], pooled["slices"]) == ("4", "3", "7")
    assert (pooled["empty"], pooled["data"]) == ("1", "phantom")
    assert (pooled["paper"], pooled["paper_faults"]) == ("0.28", "jaccard-above-dice")
    assert line("all", "pooled", "mean_iou")["paper"] == ""
    assert line("all", "per slice", "dice")["empty"] == "3"
    assert float(line("all", "per slice", "dice")["value"]) == pytest.approx(
        (16 / 18 + 0 + 1 + 60 / 90) / 4, abs=1e-6
    )
    fold = line("0", "pooled", "dice")
    assert (fold["cases"], fold["patients"], fold["low"], fold["paper"]) == ("2", "1", "", "")
    assert float(line("all", "mean of folds", "dice")["std"]) > 0


def test_a_row_twice_is_refused() -> None:
    with pytest.raises(SettingsError, match="'bu' on lesions by patients is there twice"):
        table_rows([ROWS[0], ROWS[0]], 5)


def test_page_has_one_line_a_row_with_all_columns() -> None:
    page = markdown(table_rows(ROWS, 5), made_conditions(), table=5)
    grid = page[page.index("| network") :].split("\n\n")[0].splitlines()
    assert len(grid) == 2 + len(ROWS)
    assert {line.replace("\\|", "").count("|") for line in grid} == {len(HEADER) + 1}
    slices = next(line for line in grid if "slice split" in line)
    assert "slice split (leaks patients)" in slices
    assert " 0.88 |" in slices  # the paper's Dice
    assert "[95 %]" in grid[0]
    assert "UNET\\|X" in grid[-1]
    assert "| – | – | – |" in grid[-1]  # not a row of the paper


def test_page_marks_lead_to_reasons() -> None:
    page = markdown(table_rows(ROWS, 5), made_conditions(), table=5)
    chs_net = next(x for x in page.splitlines() if x.startswith("| CHS-NET") and "lungs" in x)
    mark = chs_net.split("0.98 ")[1].split(" ")[0]
    reason = next(line for line in page.splitlines() if line.startswith(f"- {mark}"))
    assert "Impossible. JI 0.98 exceeds DSC 0.96" in reason
    assert f"0.98 {mark} impossible |" in chs_net
    # CHS-Net's row is there under two protocols: its reason once
    assert page.count("JI 0.96 exceeds DSC 0.88") == 1


def test_copied_rows_are_marked() -> None:
    page = markdown(table_rows([made_row("inf-net")], 3), made_conditions(), table=3)
    assert "0.68 [1]" in page
    assert "- [1] Copied by the paper from the rival's own publication, on other data." in page
    assert "2,305,705 (paper: 33,000,000)" in page


def test_page_says_under_what_conditions() -> None:
    page = markdown(table_rows(ROWS, 5), made_conditions(), table=5)
    for text in (
        "Budget: tiny: a check",
        "Seeds: 0, 3",
        "Hardware: 2 cores; 61.2 minutes in all",
        "`groundglass study chs-net --table 5 --budget tiny`",
        "A note of its own.",
        "BU: a word on it",
        "lesions cover 1.5 %",
        "MiniSeg, its published five-fold label maps: Dice 0.814, pooled",
        "BU, lesions, patient folds: 1 volumes (0 left clean, 1 false pixels) of 4; "
        "3 slices (2 left clean, 1 false pixels) of 7",
    ):
        assert text in page
    assert "phantom" not in page


def test_phantoms_are_named_before_the_table() -> None:
    page = markdown(table_rows(ROWS[:1], 5), made_conditions(is_phantom=True), table=5)
    top = page[: page.index("| network")]
    assert "made-up phantoms: says nothing about patients" in top
    assert page.splitlines()[0].endswith("(phantoms)")


def test_files(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    written = write_table(tmp_path / "new", ROWS, made_conditions(), table=5)
    assert [path.name for path in written] == ["table-5.csv", "table-5.md", "table-5.png"]
    assert sorted(tmp_path.joinpath("new").iterdir()) == sorted(written)
