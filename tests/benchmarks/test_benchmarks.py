"""The benchmark scripts on made-up numbers and tiny inputs: what they count and what they print."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from accuracy_cases import (
    _eight_bit,
    all_cases,
    evaluate_case,
    evaluate_cip,
    evaluate_intensities,
    false_lesions,
)
from accuracy_tables import MINISEG_DICE, combine_by_size, summarize
from accuracy_tables import to_markdown as accuracy_markdown
from arithmetic import best_seconds, count_flop, count_parameters, floor_seconds, measure_rates
from engine_runs import engines_table, measure_engines
from groundglass.errors import InputError, NoLungError
from groundglass.intensity import Intensity
from groundglass.predictor.cascade import Segmentation
from groundglass.volume import Source, Volume
from measured_process import CommandFailedError, run_measured
from speed import main as speed_main
from speed_tables import floor_of, median_run
from speed_tables import to_markdown as speed_markdown


class _Known:
    """A stand-in for the cascade that says what it was told to say."""

    def __init__(self, lungs: np.ndarray | None, lesions: np.ndarray | None = None) -> None:
        self._lungs, self._lesions = lungs, lesions

    def segment(self, volume: Volume) -> Segmentation:
        if self._lungs is None:
            raise NoLungError("No lung found", expected="one")
        lesions = np.zeros(volume.shape, np.uint8) if self._lesions is None else self._lesions
        return Segmentation(self._lungs, lesions, lesions, (), {"lungs": 1, "lesions": 1}, False)


def _volume(shape: tuple[int, int, int]) -> Volume:
    affine = np.eye(4)[:, [2, 1, 0, 3]] * [[1], [1], [2], [1]]
    intensity = Intensity("hu", "given", "made up")
    rng = np.random.default_rng(0)
    array = rng.integers(-1000, 100, shape).astype(np.int16)
    return Volume(array, affine, intensity, Source("made-up", "nifti", ""))


def test_flop_count_is_that_of_a_convolution_by_hand() -> None:
    torch = pytest.importorskip("torch")
    plain = torch.nn.Conv2d(3, 8, 3, padding=1)
    assert count_flop(plain, (1, 3, 10, 12)) == 2 * 8 * 3 * 9 * 10 * 12
    assert count_parameters(plain) == 8 * 3 * 9 + 8
    depthwise = torch.nn.Conv2d(6, 6, 3, padding=1, groups=6)
    assert count_flop(depthwise, (2, 6, 5, 5)) == 2 * 2 * 6 * 9 * 25
    up = torch.nn.ConvTranspose2d(4, 2, 2, stride=2)
    assert count_flop(up, (1, 4, 5, 7)) == 2 * 4 * 2 * 4 * 5 * 7


def test_flop_count_sees_the_matrix_products_of_spectral_pooling() -> None:
    torch = pytest.importorskip("torch")

    class Both(torch.nn.Module):
        def forward(self, x: object) -> object:
            return torch.ones(4, 8) @ x @ torch.ones(8, 4)

    assert count_flop(Both(), (1, 3, 8, 8)) == 2 * 3 * (4 * 8 * 8 + 4 * 8 * 4)


def test_floor_is_operations_over_rate_and_bytes_over_rate() -> None:
    seconds = floor_seconds(gflop=300, moved_bytes=2e9, gflop_per_s=100, copy_gb_per_s=10)
    assert seconds == pytest.approx(3.2)
    network = {
        "networks": [{"name": "ours: lungs", "gflop": 2.0}, {"name": "ours: lesions", "gflop": 5}],
        "rates": {"gflop_per_s": 50.0, "copy_gb_per_s": 1.0},
    }
    run = {"slices_seen": {"lungs": 10, "lesions": 6}, "shape": [10, 100, 100]}
    floor = floor_of(run, network, scan_bytes=500_000)
    assert floor["gflop"] == 50
    assert floor["networks_s"] == pytest.approx(1.0)
    assert floor["whole_s"] == pytest.approx(1.0 + 1e6 / 1e9)


def test_rates_are_measured() -> None:
    pytest.importorskip("torch")
    rates = measure_rates(size=64, rounds=1)
    assert min(rates.numpy_gflop_per_s, rates.torch_gflop_per_s, rates.copy_gb_per_s) > 0
    assert rates.gflop_per_s >= rates.numpy_gflop_per_s
    calls: list[int] = []
    best_seconds(lambda: calls.append(1), rounds=3)
    assert len(calls) == 4


def test_a_measured_process_has_its_own_peak_memory_and_threads() -> None:
    code = "import os; x = bytearray(400 * 2**20); print(os.environ['OMP_NUM_THREADS'])"
    cost = run_measured([sys.executable, "-c", code], threads=1)
    assert cost.output.strip() == "1"
    assert cost.wall_s > 0
    assert cost.peak_mib >= 400


def test_a_failed_process_is_an_error_with_its_words() -> None:
    code = "import sys; print('sorry'); sys.exit(3)"
    with pytest.raises(CommandFailedError, match="code 3: sorry"):
        run_measured([sys.executable, "-c", code], threads=1)


def _run(wall_s: float) -> dict[str, object]:
    seconds = {"read": 1.0, "lungs: network": 6.0, "lesions: network": 4.0}
    seen = {"lungs": 100, "lesions": 80}
    run = {"seconds": seconds, "seconds_total": 11.0, "slices_seen": seen, "shape": [300, 512, 512]}
    return {"wall_s": wall_s, "cpu_s": 20.0, "peak_mib": 1234.0, "run": run}


def test_speed_page_shows_what_was_measured() -> None:
    network = {
        "batch": 4, "rounds": 5, "threads": 2,
        "rates": {"matrix": 2048, "numpy_gflop_per_s": 100.0, "torch_gflop_per_s": 90.0,
                  "copy_gb_per_s": 10.0, "gflop_per_s": 100.0},
        "networks": [
            {"name": name, "note": "made up", "size": [128, 128], "parameters": 2305705,
             "gflop": 2.5, "seconds_per_slice": {"torch": 0.2, "onnxruntime": 0.05}}
            for name in ("ours: lungs", "ours: lesions")
        ],
    }  # fmt: skip
    runs = {"default": [_run(14.0), _run(12.0), _run(13.0)], "exact lungs": [_run(20.0)]}
    assert median_run(runs["default"])["wall_s"] == 13.0
    result = {
        "machine": {"cpu": "A CPU", "vector": "avx2", "cores": 2, "memory_gib": 16.0,
                    "system": "Linux", "python": "3.11"},
        "settings": {"threads": 2, "weights": "chs-net", "lesion_model": "chs-net"},
        "load_average": {"analyze": 0.1},
        "errors": {"install": "no room"},
        "analyze": {"runs": runs, "scan_bytes": 150_000_000},
        "lungmask": {"slices": 150, "slices_of_scan": 300, "scaled_by": 2.0, "apply_s": 130.0,
                     "whole_s": 150.0, "network_s": 117.0, "peak_mib": 4000.0, "batch": 20,
                     "torch": "2.13.0"},
        "network": network,
        "floor": {"default": floor_of(_run(1)["run"], network, 150_000_000)},
        "help": {"seconds": [0.3, 0.4], "median_s": 0.35},
    }  # fmt: skip
    page = speed_markdown(result)
    assert "| groundglass analyze | 13.0 | 12.0-14.0 | 1234 | 0.100 |" in page
    assert "**150 of 300 slices measured**" in page
    assert "| ours: lungs | 128x128 | 2,305,705 | 2.50 | 0.2000 | 0.0500 | 0.0250 | 2.0 |" in page
    assert "| default | 450 | 4.50 | 10.00 | 2.2 |" in page
    assert "**install failed**: no room" in page
    assert "median of 2 | 0.35 s" in page


def test_every_engine_has_its_stages_with_their_shares() -> None:
    seconds = {"read": 1.0, "lungs: network": 2.0, "lungs: clean-up": 1.0, "lesions: network": 4.0,
               "measure": 0.25, "report": 0.25}  # fmt: skip
    run = {"seconds": seconds, "slices_seen": {"lungs": 4, "lesions": 10}}
    asked: list[list[str]] = []

    def analyze(options: Sequence[str]) -> dict[str, Any]:
        asked.append(list(options))
        return {"wall_s": 10.0, "run": run}

    rows = measure_engines(analyze, ["a", "b"], repeats=2)
    assert len(asked) == 12
    assert asked[0] == ["--lesion-model", "a", "--engine", "onnx"]
    assert asked[:6] == asked[6:]
    lines = [line for line in engines_table(rows).splitlines() if line.startswith("| a | onnx")]
    stages = "1.0 (10 %) | 3.0 (30 %) | 4.0 (40 %) | 0.5 (5 %) | 1.5 (15 %)"
    assert lines == [f"| a | onnx | 10.0 | {stages} | 0.4000 |"]


def test_speed_command_measures_help_and_writes_both_files(tmp_path: Path) -> None:
    if not Path(sys.executable).with_name("groundglass").exists():
        pytest.skip("the package is not installed beside this Python")
    out = tmp_path / "speed.json"
    options = ["--parts", "help", "--help-runs", "1", "--cache", str(tmp_path), "--out", str(out)]
    assert speed_main(options) == 0
    assert len(json.loads(out.read_text())["help"]["seconds"]) == 1
    assert "`--help`" in out.with_suffix(".md").read_text()
    assert speed_main(["--parts", "nothing"]) == 2


@pytest.fixture
def data_set(tmp_path: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    """One case in the official layout, values 0..255, with its masks in (D, H, W)."""
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (6, 20, 24)).astype(np.uint8)
    lungs = np.zeros(image.shape, np.uint8)
    lungs[:, 4:16, 4:20] = 1
    lesions = np.zeros(image.shape, np.uint8)
    lesions[2:, 6:10, 6:10] = 1
    folders = {"COVID-19-CT-Seg_20cases": image, "Lung_Mask": lungs, "Infection_Mask": lesions}
    for folder, array in folders.items():
        path = tmp_path / "covid19-ct-seg" / folder / "coronacases_004.nii.gz"
        path.parent.mkdir(parents=True)
        nibabel.save(nibabel.Nifti1Image(array.T, np.diag([-1.4, -1.4, 1.0, 1.0])), path)
    return tmp_path, lungs, lesions


def test_a_case_is_scored_against_its_masks(
    data_set: tuple[Path, np.ndarray, np.ndarray],
) -> None:
    data, lungs, lesions = data_set
    half = lesions.copy()
    half[:, 8:] = 0
    assert all_cases(data) == ["coronacases_004"]
    result = evaluate_case(_Known(lungs * 2, half), data, "coronacases_004")
    assert result.lungs.total.dice == 1
    assert result.lesions.total.dice == pytest.approx(2 / 3)
    assert result.lesions.total.precision == 1
    assert result.lesions.total.recall == 0.5
    with pytest.raises(InputError, match="coronacases_999"):
        evaluate_case(_Known(lungs), data, "coronacases_999")


def test_the_page_shows_cases_pooled_figures_and_miniseg(
    data_set: tuple[Path, np.ndarray, np.ndarray],
) -> None:
    data, lungs, lesions = data_set
    good = evaluate_case(_Known(lungs, lesions), data, "coronacases_004")
    refused = evaluate_case(_Known(None), data, "coronacases_004")
    assert "No lung found" in refused.failure
    summary = summarize([good, refused])
    assert summary["lesions"]["pooled"]["recall"] == 0.5
    assert summary["lesions"]["pooled"]["dice"] == pytest.approx(2 / 3)
    assert summary["lesions"]["slices_with_reference"] == 8
    assert summary["lesions"]["slices_without_reference"]["clean"] == 4
    assert summary["miniseg"]["size_weighted_dice"] == pytest.approx(0.780)
    page = accuracy_markdown(
        {
            "weights": {
                "name": "chs-net",
                "version": "1",
                "lesion_model": {"name": "other", "version": "2"},
            },
            "engine": "onnx on cpu",
            "settings": {"lung_step_mm": 3.0, "flips": False},
            "held_out": summary,
            "training_cases": summarize([good]),
            "left_out": ["something"],
        }
    )
    row = "| coronacases_004 | 6 | 1.000 | 1.000 | 1.000 | 1.000 | 0.780 | 5.6 | 5.6 |"
    assert row in page
    assert "| **pooled** | 12 | **0.667** | **0.667** |" in page
    assert "Training cases: the networks were fitted to these" in page
    assert "Refused, counted as empty masks" in page
    json.dumps(summary)


def test_miniseg_figures_are_combined_by_reference_size() -> None:
    assert len(MINISEG_DICE) == 15
    assert combine_by_size([0.8, 0.2], [300, 100]) == pytest.approx(0.65)


def test_false_lesions_are_counted_in_the_blocks_that_were_held_out() -> None:
    volume = _volume((16, 4, 4))
    lungs = np.ones(volume.shape, np.uint8)
    lesions = np.zeros(volume.shape, np.uint8)
    lesions[2, 0] = 1  # slices 2 and 3 are the first held-out block of two
    found = false_lesions(volume, _Known(lungs, lesions).segment(volume))
    assert found["held-out blocks (b)"]["slices"] == 8
    assert found["held-out blocks (b)"]["percent_of_lungs"] == pytest.approx(100 * 4 / 128)
    assert found["training blocks (a)"]["lesion_voxels"] == 0
    assert found["all"]["percent_of_lungs"] == pytest.approx(100 * 4 / 256)


def test_the_cip_scan_is_scored_side_by_side(cip_dir: Path) -> None:
    from groundglass.io.read import read_mask

    region = read_mask(cip_dir / "lm-64.nrrd")[0] & 255
    lungs = np.where(region >= 12, 1, np.where(region >= 9, 2, 0)).astype(np.uint8)
    found = evaluate_cip(_Known(lungs), cip_dir / "ct-64Dicom", cip_dir)
    assert found["dice"]["right"] == found["dice"]["left"] == 1
    assert found["dice"]["both"] > 0.99
    assert found["voxels_on_the_wrong_side"] == 0
    swapped = evaluate_cip(_Known(np.where(lungs > 0, 3 - lungs, 0)), cip_dir / "ct-64Dicom",
                           cip_dir)  # fmt: skip
    assert swapped["dice"]["right"] == 0


def test_one_scan_goes_through_every_intensity_domain(cip_dir: Path, tmp_path: Path) -> None:
    seen: list[Volume] = []

    class Watching(_Known):
        def segment(self, volume: Volume) -> Segmentation:
            seen.append(volume)
            return super().segment(volume)

    lungs = np.ones((79, 64, 64), np.uint8)
    rows = evaluate_intensities(Watching(lungs), cip_dir / "ct-64.nrrd", tmp_path)
    assert [row["taken_as"] for row in rows] == ["hu", "hu", "uint8", "window", "uint8"]
    assert np.array_equal(seen[0].array, seen[1].array)
    assert np.array_equal(_eight_bit(seen[0].array, -1350, 150), seen[2].array)
    assert all(np.allclose(one.affine, seen[0].affine, atol=1e-3) for one in seen)
    assert all(row["lungs_dice_against_hu"] == 1 for row in rows)
