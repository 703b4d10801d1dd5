"""Published maps against stored rows: folds together, small cases apart, the nearest first."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundglass.metrics.aggregate import CaseScore
from groundglass.metrics.overlap import Confusion
from groundglass.studies.row import FoldScores, Protocol, Row, Target, write_row
from published_maps import compare, main, to_markdown


def case(name: str, dice: float, slices: int = 5) -> CaseScore:
    """A case of 100 reference pixels and as many called, `dice` percent of them right."""
    right = round(100 * dice)
    filler = (Confusion(0, 0, 0, 200),) * (slices - 1)
    return CaseScore(name, (Confusion(right, 100 - right, 100 - right, right), *filler))


def store(
    work: Path,
    name: str,
    folds: dict[int, tuple[CaseScore, ...]],
    *,
    protocol: Protocol = "patients",
    target: Target = "lesions",
) -> None:
    for number, cases in folds.items():
        path = work / f"{protocol}-{number}" / "rows" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        scores = (FoldScores(number, cases),)
        write_row(path, Row(name, name, target, protocol, 1, scores, 1, 1.0))


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A row that is 0.1 below the published maps everywhere, and one that is far away."""
    near = {
        0: (case("coronacases_002", 0.70), case("coronacases_004", 0.68)),
        1: (case("coronacases_010", 0.69), case("radiopaedia_29_86490_1", 0.9, slices=2)),
    }
    far = {0: (case("coronacases_002", 0.2), case("coronacases_004", 0.9), case("own", 0.5))}
    far[1] = (case("coronacases_010", 0.5),)
    store(tmp_path, "near", near)
    store(tmp_path, "far", far)
    store(tmp_path, "lungs", near, target="lungs")
    store(tmp_path, "two", {0: near[0]}, protocol="slices")
    return tmp_path


def test_folds_are_joined_and_the_nearest_comes_first(work: Path) -> None:
    near, far = compare(work)
    assert (near.row.key, far.row.key) == ("near", "far")
    assert set(near.dice) == set(far.dice)
    assert near.dice["coronacases_002"] == pytest.approx(0.70)
    assert near.mean_difference == pytest.approx((0.101 + 0.1 + 0.101) / 3)
    page = to_markdown([near, far])
    assert "| near | patient folds | 1 | 0.101 | 0.70 | 0.68 | 0.69 |" in page
    assert "| 0.814 for every case |  |  | 0.023 |" in page
    assert "| mean absolute difference | 002 | 004 | 010 |" in page
    assert "on the 3 cases that all rows have" in page


def test_rows_are_compared_on_the_cases_that_all_have(work: Path) -> None:
    near, _ = compare(work)
    assert len(near.dice) == 3
    pair = compare(work, fewest=2)
    assert {one.row.key for one in pair} == {"near", "far", "two"}
    assert all(set(one.dice) == {"coronacases_002", "coronacases_004"} for one in pair)


def test_it_prints_and_writes(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "out" / "page.md"
    assert main(["--work", str(work), "--md", str(page)]) == 0
    assert page.read_text(encoding="utf-8") in capsys.readouterr().out


def test_rows_of_few_cases_may_be_left_out(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--work", str(work), "--cases", "4"]) == 1
    assert "has no rows for lesions that share any of 4" in capsys.readouterr().err


def test_a_folder_without_rows_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--work", str(tmp_path)]) == 1
    assert "has no rows for lesions that share any of 3" in capsys.readouterr().err
