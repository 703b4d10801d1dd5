"""A cohort on disk: the loader of MosMedData takes it, and a killed run goes on."""

from __future__ import annotations

import csv
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from groundglass.datasets.index import read_index
from groundglass.datasets.integrity import check_index
from groundglass.datasets.mosmed import prepare_mosmed
from groundglass.errors import OutputError, SettingsError
from groundglass.io.phantom_mark import MARKER
from groundglass.io.read import read_mask, read_scan
from groundglass.phantom.cohort import tree as tree_module
from groundglass.phantom.cohort.plan import ScanPlan
from groundglass.phantom.cohort.scan import CohortScan, make_cohort_scan
from groundglass.phantom.cohort.settings import CohortSettings
from groundglass.phantom.cohort.tree import TRUTH, Truth, read_whole, write_cohort

from .conftest import SMALL

TINY = CohortSettings(count=3, seed=1, size=32, slices=(4, 5))


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def read_truth(folder: Path) -> list[dict[str, str]]:
    with (folder / TRUTH).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """All files of TINY, written without a break."""
    folder = tmp_path_factory.mktemp("tiny") / "tree"
    write_cohort(folder, TINY)
    return bytes_of(folder)


@pytest.fixture(scope="module")
def kept() -> dict[int, CohortScan]:
    return {}


@pytest.fixture
def made(kept: dict[int, CohortScan], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the scans of TINY that a test makes; each is painted but once for all tests."""
    numbers: list[int] = []

    def make(settings: CohortSettings, number: int) -> CohortScan:
        assert replace(settings, count=3) == TINY
        numbers.append(number)
        if number not in kept:
            kept[number] = make_cohort_scan(settings, number)
        return kept[number]

    monkeypatch.setattr(tree_module, "make_cohort_scan", make)
    return numbers


def test_the_loader_takes_every_scan(tree: tuple[Path, list[Truth]], tmp_path: Path) -> None:
    folder, truths = tree
    rows = prepare_mosmed(folder, tmp_path / "out", every=True)
    assert read_index(tmp_path / "out") == rows
    assert check_index(tmp_path / "out", rows) == []
    assert [row.scan_id for row in rows] == [f"mosmed-phantom_{one['scan']}" for one in truths]
    for row, truth in zip(rows, truths, strict=True):
        assert row.is_phantom
        assert (row.source, row.license) == ("mosmed-phantom", "none: made by the program")
        assert row.provenance.startswith("made-up phantoms, no patients")
        assert "seed 4" in row.provenance
        assert (row.grade, row.lesions_by) == (truth["label_grade"], "reference")
        assert (row.severity or row.diagnosis) == truth["label_class"]
        assert (row.lesion_voxels > 0) == (truth["lesion_voxels"] > 0)
        assert row.lungs_by == "threshold"


def test_masks_hold_the_involvement_of_the_truth_table(
    tree: tuple[Path, list[Truth]], scans: list[CohortScan]
) -> None:
    folder, truths = tree
    lines = read_truth(folder)
    assert len(lines) == len(truths) == 6
    for line, truth, scan in zip(lines, truths, scans, strict=True):
        assert line == {name: str(value) for name, value in truth.items()}
        name, grade = line["scan"], line["label_grade"]
        volume = read_scan(folder / "studies" / grade / f"{name}.nii.gz")
        mask, affine = read_mask(folder / "masks" / f"{name}_mask.nii.gz")
        axial, order = volume.to_axial()
        ill = np.count_nonzero(order.apply(mask))
        assert float(line["involvement_percent"]) == 100 * ill / int(line["lung_voxels"])
        assert int(line["lung_voxels"]) == np.count_nonzero(scan.lungs)
        assert np.array_equal(axial.array, np.clip(scan.hu, -1024, 3071))
        assert np.allclose(axial.affine, scan.affine, atol=1e-3)
        assert np.allclose(affine, volume.affine)
        drawn = asdict(ScanPlan.draw(SMALL, int(line["number"])).confounders)
        flags = {k: int(v) if isinstance(v, bool) else v for k, v in drawn.items()}
        assert {k: line[k] for k in drawn} == {k: str(v) for k, v in flags.items()}


def test_it_says_what_it_is(tiny: dict[str, bytes]) -> None:
    readme = tiny["README.txt"].decode()
    assert "MADE-UP PHANTOMS. NO PATIENTS, NO CLINICAL MEANING." in readme
    assert "30 % of the scans labeled CT-1" in readme
    assert max(map(len, readme.splitlines())) <= 96
    assert {"dataset_registry.xlsx", "cohort_truth.csv", MARKER} < set(tiny)
    assert sum(name.startswith("studies/CT-") for name in tiny) == 3


def test_the_same_bytes_by_several_processes(tmp_path: Path, tiny: dict[str, bytes]) -> None:
    seen: list[tuple[int, int, str]] = []
    folder = tmp_path / "tree"
    write_cohort(folder, TINY, jobs=2, progress=lambda *one: seen.append(one))
    assert bytes_of(folder) == tiny
    assert [one[:2] for one in seen] == [(1, 3), (2, 3), (3, 3)]
    assert sorted(one[2] for one in seen) == ["study_0001", "study_0002", "study_0003"]


class Killed(BaseException):
    """The end of a process, as far as a test can have it."""


@pytest.mark.parametrize("before", [2, 3, 4, 6])
def test_a_killed_run_goes_on(
    before: int,
    tmp_path: Path,
    tiny: dict[str, bytes],
    made: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed before one of the files goes into its place: marker, README, image, truth, ..."""
    folder, placed = tmp_path / "tree", [0]
    into_place = tree_module._into_place

    def dying(partial: Path, path: Path) -> None:
        if placed[0] == before:
            raise Killed
        placed[0] += 1
        into_place(partial, path)

    monkeypatch.setattr(tree_module, "_into_place", dying)
    with pytest.raises(Killed):
        write_cohort(folder, TINY)
    assert not (folder / "dataset_registry.xlsx").exists()
    monkeypatch.setattr(tree_module, "_into_place", into_place)
    made.clear()
    write_cohort(folder, TINY)
    assert made == {2: [1, 2, 3], 3: [1, 2, 3], 4: [2, 3], 6: [3]}[before]
    assert bytes_of(folder) == tiny


def test_a_longer_cohort_takes_up_a_shorter_one_and_a_damaged_scan_is_made_again(
    tmp_path: Path, tiny: dict[str, bytes], made: list[int]
) -> None:
    folder = tmp_path / "tree"
    write_cohort(folder, replace(TINY, count=2))
    whole = next(folder.glob("studies/*/study_0001.nii.gz"))
    whole.write_bytes(whole.read_bytes()[:-1])
    assert read_whole(folder, 1) is None
    write_cohort(folder, TINY)
    assert made == [1, 2, 1, 3]
    assert bytes_of(folder) == tiny


def test_one_scan_alone(tmp_path: Path, tiny: dict[str, bytes], made: list[int]) -> None:
    folder = tmp_path / "tree"
    (truth,) = write_cohort(folder, TINY, only=[2])
    alone = bytes_of(folder)
    name = next(name for name in tiny if name.endswith("study_0002.nii.gz"))
    assert [n for n in alone if n.startswith("studies/")] == [name]
    assert alone[name] == tiny[name]
    assert [line["scan"] for line in read_truth(folder)] == [truth["scan"]] == ["study_0002"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 2}, r"was begun with seed 1; expected the same settings"),
        ({"size": 40, "masks": 1.0}, r"begun with size 32, masks 0\.3"),
        ({"count": 1}, r"begun with count 3; expected the same settings, and as many scans"),
    ],
)
def test_other_settings_are_refused(
    change: dict[str, object], message: str, tmp_path: Path, made: list[int]
) -> None:
    folder = tmp_path / "tree"
    write_cohort(folder, TINY, only=[1])
    before = bytes_of(folder)
    with pytest.raises(SettingsError, match=message):
        write_cohort(folder, replace(TINY, **change))
    assert bytes_of(folder) == before


def test_nothing_is_written_into_the_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "dataset_registry.xlsx").write_bytes(b"of patients")
    with pytest.raises(OutputError, match=r"not empty and without PHANTOM\.json"):
        write_cohort(tmp_path, TINY)
    assert [path.name for path in tmp_path.iterdir()] == ["dataset_registry.xlsx"]
    with pytest.raises(OutputError, match=r"is there, not empty"):
        write_cohort(tmp_path / "dataset_registry.xlsx", TINY)
    other = tmp_path / "other"
    other.mkdir()
    (other / MARKER).write_text("{}")
    with pytest.raises(OutputError, match=r"PHANTOM\.json is damaged or of another version"):
        write_cohort(other, TINY)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"only": [0]}, r"scans 0 were asked for; expected numbers from 1 to 3"),
        ({"only": [2, 4]}, r"scans 2, 4 were asked for"),
        ({"jobs": 0}, r"jobs is 0"),
    ],
)
def test_bad_requests_leave_nothing_behind(
    options: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=message):
        write_cohort(tmp_path / "tree", TINY, **options)
    assert list(tmp_path.iterdir()) == []
