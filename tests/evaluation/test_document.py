"""The document and the tables say what was counted by hand."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from groundglass.errors import InputError, OutputError, SettingsError
from groundglass.evaluation.definitions import DEFINITIONS
from groundglass.evaluation.document import Inputs, build_document
from groundglass.evaluation.evaluate import CaseResult, EvaluateSettings, evaluate_pairs
from groundglass.evaluation.masks import MaskRules
from groundglass.evaluation.pairing import Pair
from groundglass.evaluation.tables import CASE_COLUMNS, SLICE_COLUMNS
from groundglass.evaluation.write import FILES, write_evaluation
from groundglass.metrics.overlap import MEASURES

from .conftest import WriteMask

Masks = tuple[np.ndarray, np.ndarray]
SETTINGS = EvaluateSettings(draws=50)


@pytest.fixture
def results(tmp_path: Path, masks: Masks, write_mask: WriteMask) -> tuple[CaseResult, ...]:
    """a: as in `masks`; b: perfect; c: nothing there, one false voxel; d: no prediction."""
    reference = masks[1]
    false = np.zeros_like(reference)
    false[2, 2, 2] = True
    given = {"a": masks, "b": (reference, reference), "c": (false, ~reference & reference)}
    pairs = []
    for name, (made, true) in given.items():
        files = (
            write_mask(tmp_path / f"p/{name}.nii", made),
            write_mask(tmp_path / f"r/{name}.nii", true),
        )
        pairs.append(Pair(name, (files[0],), (files[1],), group=name))
    pairs.append(Pair("d", (), (tmp_path / "r/a.nii",), group="d"))
    return evaluate_pairs(pairs, SETTINGS)


@pytest.fixture
def document(results: tuple[CaseResult, ...]) -> dict[str, Any]:
    return build_document(results, SETTINGS, Inputs("p", "r", ("x",)))


def test_overlap(document: dict[str, Any]) -> None:
    scores = document["scores"]
    assert scores["voxels"]["tp"] == 16 + 26
    assert scores["pooled"]["dice"]["value"] == pytest.approx(84 / (84 + 9 + 10 + 1))
    assert scores["per_volume"]["dice"]["mean"] == pytest.approx((32 / 51 + 1) / 2)
    assert scores["per_volume"]["dice"]["count"] == 2
    slices = [2 / 3, 2 / 3, 0, 1, 1, 1]  # a: two slices of 8, 4, 4 and a missed one; b: three
    assert scores["per_slice"]["dice"]["mean"] == pytest.approx(np.mean(slices))
    assert scores["empty_volumes"] == {
        "count": 1, "clean": 0, "false_positive_voxels": 1, "voxels": 6 * 12 * 14,
    }  # fmt: skip
    low, high = scores["pooled"]["dice"]["interval"]
    assert low < scores["pooled"]["dice"]["value"] <= high


def test_missing_predictions_are_apart(document: dict[str, Any]) -> None:
    assert document["missing_predictions"] == ["d"]
    assert document["cases"][3]["dice"] is None
    empty = document["scores_if_missing_were_empty"]
    assert empty["per_volume"]["dice"]["mean"] == pytest.approx((32 / 51 + 1 + 0) / 3)
    assert any("missing: d" in text for text in document["warnings"])
    assert any("no reference: x" in text for text in document["warnings"])


def test_surface_and_volumes(document: dict[str, Any]) -> None:
    surface, volumes = document["surface"], document["volumes"]
    assert surface["hausdorff95_mm"]["count"] == 2
    assert surface["left_out_because"] == {"the reference is empty": 1}
    assert document["cases"][1]["hausdorff95_mm"] == 0
    voxel_ml = 2.5 * 0.7 * 0.8 / 1000
    assert volumes["unit"] == "ml"
    assert volumes["absolute_volume_error"]["mean"] == pytest.approx((1 + 0 + 1) * voxel_ml / 3)
    assert volumes["volume_error"]["mean"] == pytest.approx(0, abs=1e-12)


def test_lesions(document: dict[str, Any]) -> None:
    found = document["lesions"]["all"]
    assert (found["reference"], found["detected"], found["false"]) == (4, 3, 2)


def test_every_number_has_its_definition(document: dict[str, Any]) -> None:
    assert document["definitions"] == DEFINITIONS
    assert set(MEASURES) <= set(DEFINITIONS)
    named = {"hausdorff95_mm", "average_surface_distance_mm", "surface_dice", *document["volumes"]}
    assert named - {"unit"} <= set(DEFINITIONS)


def test_nominal_spacing_gives_voxels(results: tuple[CaseResult, ...]) -> None:
    settings = EvaluateSettings(rules=MaskRules(spacing_is_nominal=True), draws=10)
    again = evaluate_pairs([case.pair for case in results], settings)
    document = build_document(again, settings, Inputs("p", "r"))
    assert document["volumes"]["unit"] == document["lesions"]["size_unit"] == "voxels"
    assert document["surface"]["hausdorff95_mm"]["mean"] is None
    assert document["surface"]["left_out_because"] == {"the spacing was said to be nominal": 3}
    assert document["scores"]["pooled"]["dice"]["value"] is not None


def test_pairs_that_do_not_fit_are_all_named(
    tmp_path: Path, masks: Masks, write_mask: WriteMask
) -> None:
    true, small = (
        write_mask(tmp_path / "r.nii", masks[1]),
        write_mask(tmp_path / "s.nii", masks[0][1:]),
    )
    pairs = [Pair(name, (small,), (true,)) for name in "xy"]
    with pytest.raises(InputError, match=r"(?s)2 of 2 cases.*\n  x: s.nii.*\n  y: s.nii"):
        evaluate_pairs(pairs, SETTINGS)


def test_the_folder(
    tmp_path: Path, results: tuple[CaseResult, ...], document: dict[str, Any]
) -> None:
    out = tmp_path / "deep" / "out"
    for _ in range(2):  # an older evaluation is replaced
        assert write_evaluation(out, document, results, SETTINGS) == []
        assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    read = json.loads((out / "evaluation.json").read_text())
    assert read == json.loads(json.dumps(document))
    with (out / "cases.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == [*CASE_COLUMNS, "surface_dice_2mm"]
    assert [row["missing"] for row in rows] == ["0", "0", "0", "1"]
    assert [rows[0][key] for key in ("tp", "fp", "fn", "missed_lesions")] == ["16", "9", "10", "1"]
    assert rows[3]["dice"] == rows[3]["tp"] == rows[2]["dice"] == ""
    with (out / "slices.csv").open(newline="") as stream:
        slices = list(csv.DictReader(stream))
    assert list(slices[0]) == list(SLICE_COLUMNS)
    assert len(slices) == 3 * 6
    assert (slices[1]["slice"], slices[1]["file_axis"], slices[1]["file_index"]) == ("1", "k", "1")
    text = (out / "evaluation.md").read_text()
    assert all(definition in text for definition in DEFINITIONS.values())
    assert "| a | a | 0.627 |" in text


def test_a_folder_of_somebody_else_is_left_alone(
    tmp_path: Path, results: tuple[CaseResult, ...], document: dict[str, Any]
) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(OutputError, match=r"no evaluation of ours \(mine.txt"):
        write_evaluation(tmp_path, document, results, SETTINGS)


def test_nothing_is_left_of_a_failure(
    tmp_path: Path, results: tuple[CaseResult, ...], document: dict[str, Any]
) -> None:
    out = tmp_path / "x" / "out"
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_evaluation(out, {**document, "case_count": float("nan")}, results, SETTINGS)
    assert list(out.parent.iterdir()) == []


def test_settings_out_of_range() -> None:
    with pytest.raises(SettingsError, match="level 95"):
        EvaluateSettings(level=95)
    with pytest.raises(SettingsError, match="tolerance"):
        EvaluateSettings(tolerance_mm=(-1.0,))


def test_every_field_is_documented(document: dict[str, Any]) -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "evaluation.md"
    text = page.read_text(encoding="utf-8")
    assert [name for name in document if f"`{name}`" not in text] == []
    assert [name for name in FILES if f"`{name}`" not in text] == []
    assert [name for name in MEASURES if f"| `{name}` |" not in text] == []
    assert document["format"] in text
