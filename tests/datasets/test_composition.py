"""Table 1 as what was found."""

from __future__ import annotations

from dataclasses import replace

from groundglass.datasets.composition import GradeCount, compose, count_grades, counted

from .made_scans import made_scan

SCAN = made_scan("a", seed=1)


def rows_of(*sources: str, **fields: object):
    return [
        replace(SCAN.row, scan_id=f"{n}", group=f"{n // 2}", source=name, **fields)  # type: ignore[arg-type]
        for n, name in enumerate(sources)
    ]


def test_slices_are_counted_in_the_masks_or_taken_from_the_index() -> None:
    assert counted(SCAN.row, SCAN).lung_slices == 6
    assert counted(SCAN.row, SCAN).lesion_slices == 5  # the first has none
    assert counted(SCAN.row, None).lesion_slices is None
    assert counted(replace(SCAN.row, lesion_slices=3), None).lesion_slices == 3


def test_one_line_per_source_and_one_for_all() -> None:
    rows = rows_of("y", "x", "y", dark_slices=2, source_shape="6x630x401")
    rows[2] = replace(rows[2], source_shape="9x512x512")
    lines = compose(rows, {row.scan_id: counted(row, SCAN) for row in rows})
    assert [line.source for line in lines] == ["x", "y", "together"]
    assert [line.volumes for line in lines] == [1, 2, 3]
    assert [line.groups for line in lines] == [1, 2, 2]
    assert [line.slices for line in lines] == [6, 12, 18]
    assert [line.lesion_slices for line in lines] == [5, 10, 15]
    assert [line.dark_slices for line in lines] == [2, 4, 6]
    assert lines[1].dimensions == ("512x512", "630x401")
    assert all(line.paper_volumes is None for line in lines)


def test_what_nobody_counted_is_not_zero() -> None:
    rows = rows_of("x", "x")
    rows[0] = replace(rows[0], dark_slices=1)
    lines = compose(rows, {row.scan_id: counted(row, None) for row in rows})
    assert lines[0].dark_slices is None
    assert lines[0].lung_slices is None
    assert lines[0].dimensions == ()


def test_the_papers_figures_stand_beside_its_two_sources() -> None:
    rows = rows_of("covid19-ct-seg", "covid19-ct-seg-nr2")
    both = compose(rows, {row.scan_id: counted(row, SCAN) for row in rows})
    assert [line.paper_volumes for line in both] == [20, 9, 29]
    assert (both[2].paper_slices, both[2].paper_lung_slices, both[2].paper_lesion_slices) == (
        3560,
        3560,
        2200,
    )
    alone = compose(rows[:1], {"0": counted(rows[0], SCAN)})
    assert [line.paper_volumes for line in alone] == [20, None]


def test_grades_beside_the_published() -> None:
    labels = {"diagnosis": "findings", "severity": "mild", "grade": "CT-1"}
    rows = rows_of("mosmed", "mosmed", **labels, lesions_by="none")
    rows[0] = replace(rows[0], lesions_by="reference")
    lines = count_grades([*rows, *rows_of("x")])
    assert [line.grade for line in lines] == ["CT-0", "CT-1", "CT-2", "CT-3", "CT-4"]
    assert [line.volumes for line in lines] == [0, 2, 0, 0, 0]
    assert [line.published_volumes for line in lines] == [254, 684, 125, 45, 2]
    assert [line.published_with_mask for line in lines] == [0, 50, 0, 0, 0]
    assert lines[1] == GradeCount("mosmed", "CT-1", "findings", "mild", 2, 1, 684, 50)


def test_grades_of_a_set_that_we_do_not_know_and_none_at_all() -> None:
    (line,) = count_grades(rows_of("x", grade="CT-0", diagnosis="normal", lesions_by="grade"))
    assert line == GradeCount("x", "CT-0", "normal", "", 1, 0, None, None)
    assert count_grades(rows_of("x", "y")) == []
