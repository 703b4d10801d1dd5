"""The registry of MosMedData held against the disk, without opening a scan."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from groundglass.datasets.grades import GRADES
from groundglass.datasets.mosmed_registry import PUBLISHED, PUBLISHED_MASKS, take_stock
from groundglass.errors import DatasetError

from .made_mosmed import HEAD, row, write_registry, write_set

MASK = "masks/study_0255_mask.nii.gz"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_set(tmp_path / "source")


def whole_set(root: Path) -> Path:
    """All 1,110 lines as published, and as many empty files."""
    rows, number = [], 0
    for grade, count in PUBLISHED.items():
        for _ in range(count):
            number += 1
            rows.append(row(number, grade, mask=255 <= number <= 304))
    write_registry(root, rows)
    for line in rows:
        for name in filter(None, line[2:]):
            path = root / str(name).lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return root


def test_the_whole_set_has_nothing_to_note(tmp_path: Path) -> None:
    assert set(PUBLISHED) == set(GRADES)
    whole_set(tmp_path)
    every, drawn = take_stock(tmp_path, every=True), take_stock(tmp_path, every=False)
    assert (every.problems, every.notes, drawn.problems, drawn.notes) == ((), (), (), ())
    assert len(every.studies) == sum(PUBLISHED.values()) == 1110
    assert [study.number for study in drawn.studies] == list(range(255, 305))
    assert len(drawn.studies) == PUBLISHED_MASKS["CT-1"]


def test_only_what_the_masks_need(tmp_path: Path) -> None:
    """The 50 masks with their folder are enough for segmentation, and for nothing else."""
    whole_set(tmp_path)
    for grade in ("CT-0", "CT-2", "CT-3", "CT-4"):
        shutil.rmtree(tmp_path / "studies" / grade)
    drawn = take_stock(tmp_path, every=False)
    assert drawn.problems == ()
    assert drawn.notes == ("426 studies without a mask are not there, and not needed",)
    (problem,) = take_stock(tmp_path, every=True).problems
    assert problem.startswith(
        "426 missing: studies/CT-0/study_0001.nii.gz, studies/CT-0/study_0002"
    )
    assert problem.endswith("study_0020.nii.gz, and 406 more")


def test_counts_that_differ_from_the_published(source: Path) -> None:
    assert take_stock(source, every=True).notes == (
        "dataset_registry.xlsx lists 1 CT-0 (254 published), 3 CT-1 (684 published), "
        "1 CT-2 (125 published), 1 CT-3 (45 published), 0 CT-4 (2 published), "
        "masks: 2 of CT-1 (50 of CT-1 published)",
    )


def test_a_missing_mask_and_one_that_nobody_listed(source: Path) -> None:
    (source / MASK).rename(source / "masks" / "study_0305_mask.nii.gz")
    for every in (True, False):
        assert take_stock(source, every=every).problems == (
            f"1 missing: {MASK}",
            "1 not in dataset_registry.xlsx: masks/study_0305_mask.nii.gz",
        )


def test_a_scan_in_the_folder_of_another_grade(source: Path) -> None:
    (source / "studies/CT-2/study_0939.nii.gz").rename(source / "studies/CT-3/study_0939.nii.gz")
    assert take_stock(source, every=True).problems == (
        "1 in the folder of another grade: studies/CT-3/study_0939.nii.gz "
        "(CT-2 in dataset_registry.xlsx)",
    )
    drawn = take_stock(source, every=False)
    assert drawn.problems == ()
    assert drawn.notes[1:] == ("1 studies without a mask are not there, and not needed",)


def test_a_scan_that_the_registry_lacks(source: Path) -> None:
    copy = source / "studies/CT-4/study_1109.nii.gz"
    copy.parent.mkdir()
    shutil.copy(source / "studies/CT-2/study_0939.nii.gz", copy)
    said = "1 not in dataset_registry.xlsx: studies/CT-4/study_1109.nii.gz"
    assert take_stock(source, every=True).problems == (said,)
    assert said in take_stock(source, every=False).notes


def test_a_registry_without_its_scan(source: Path) -> None:
    (source / "studies/CT-1/study_0256.nii.gz").unlink()
    for every in (True, False):
        stock = take_stock(source, every=every)
        assert stock.problems == ("1 missing: studies/CT-1/study_0256.nii.gz",)


def test_unpacked_files_and_the_inner_folder_are_found(tmp_path: Path) -> None:
    root = write_set(tmp_path / "COVID19_1110")
    packed = root / MASK
    packed.rename(packed.with_suffix(""))
    stock = take_stock(tmp_path, every=True)
    assert (stock.root, stock.problems) == (root, ())
    assert stock.file(MASK) == root / "masks/study_0255_mask.nii"
    assert stock.file("studies/CT-0/study_0001.nii.gz").name == "study_0001.nii.gz"


def test_no_registry(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"dataset_registry\.xlsx is missing; expected the offic"
    ):
        take_stock(tmp_path, every=True)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ((1, "CT-5", "/studies/CT-5/study_0001.nii.gz", None), "line 2 has category 'CT-5', not"),
        ((1, None, "/studies/CT-0/study_0001.nii.gz", None), "line 2 has category None, not one"),
        (
            (1, "CT-1", "/studies/CT-0/study_0001.nii.gz", None),
            "line 2 has study_file '/studies/CT-0/study_0001.nii.gz' in category CT-1",
        ),
        ((1, "CT-0", None, None), "line 2 has study_file None in category CT-0"),
        (
            (1, "CT-0", "/studies/CT-0/../../study_0001.nii.gz", None),
            "line 2 has study_file '/studies/CT-0/../../study_0001.nii.gz'",
        ),
        ((2, "CT-0", "/studies/CT-0/study_0001.nii.gz", None), "line 2 has study_id 2 and study_"),
        (("x", "CT-0", "/studies/CT-0/study_0001.nii.gz", None), "line 2 has study_id 'x' and st"),
        (
            (1, "CT-0", "/studies/CT-0/study_0001.nii.gz", "/masks/study_0002_mask.nii.gz"),
            "line 2 has mask_file '/masks/study_0002_mask.nii.gz' of study_0001",
        ),
    ],
)
def test_lines_that_contradict_themselves(
    tmp_path: Path, line: tuple[object, ...], said: str
) -> None:
    write_registry(tmp_path, [line, row(3, "CT-2")])
    with pytest.raises(DatasetError) as caught:
        take_stock(tmp_path, every=True)
    assert f"dataset_registry.xlsx is not as published: {said}" in str(caught.value)
    assert "expected lines such as 255, CT-1, /studies/CT-1/study_0255.nii.gz" in str(caught.value)


def test_lines_that_are_there_twice_or_not_at_all(tmp_path: Path) -> None:
    write_registry(tmp_path, [row(3, "CT-2"), row(3, "CT-2")])
    with pytest.raises(
        DatasetError, match=r"number 3 is there 2 times; image studies/CT-2/study_0"
    ):
        take_stock(tmp_path, every=True)
    write_registry(tmp_path, [])
    with pytest.raises(DatasetError, match="it lists no study"):
        take_stock(tmp_path, every=True)


def test_columns_by_name_and_numbers_as_text_or_float(source: Path) -> None:
    """Another order of columns, more of them, and the ways programs store a number."""
    before = take_stock(source, every=True)
    lines = [
        (47, mask, f"{number}" if number == 1 else float(str(number)), image, grade)
        for number, grade, image, mask in (
            row(study.number, study.grade, mask=bool(study.mask)) for study in before.studies
        )
    ]
    head = ("age", *(HEAD[n] for n in (3, 0, 2, 1)))
    write_registry(source, lines, head=head)
    assert take_stock(source, every=True) == before
