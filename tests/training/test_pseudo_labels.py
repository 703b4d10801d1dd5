"""Pseudo labels enter training, the scans' own never do, and a procedure goes on where it stood."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from pydantic import ValidationError
from typer.testing import CliRunner

from groundglass.cli.pseudo_label_command import pseudo_label
from groundglass.datasets.index import PreparedScan
from groundglass.errors import DatasetError, SettingsError, WeightsError
from groundglass.training.checkpoint import load_result
from groundglass.training.loop import Progress, Trainer
from groundglass.training.predict import ScanPredictor
from groundglass.training.pseudo_labels import (
    FINISHED_MARK,
    LABELED_MARK,
    PseudoLabelSettings,
    pseudo_label_rounds,
)
from groundglass.training.pseudo_pool import PseudoPool, draw_chunks
from groundglass.training.pseudo_samples import MixedSamples
from groundglass.training.settings import TrainSettings

from .conftest import made_up_scan

FOUR = PseudoLabelSettings(chunk=2)


class KilledError(Exception):
    """Stands for a kill in the middle of a round."""


@pytest.fixture
def direct(values: dict[str, Any]) -> TrainSettings:
    recipe = {**values["recipe"], "stage": "direct", "network_size": [32, 32]}
    phase = {"size": [16, 16], "steps": 3, "batch": 2, "lr": 1e-2, "lr_end": 1e-3}
    changes = {"stage": "direct", "recipe": recipe, "phases": [phase], "checkpoint_every": 1}
    return TrainSettings.model_validate({**values, **changes})


@pytest.fixture
def unlabelled() -> list[PreparedScan]:
    return [made_up_scan("new"), made_up_scan("newer", slices=3)]


@pytest.fixture
def start(tmp_path: Path, scans: list[PreparedScan], direct: TrainSettings) -> Path:
    """The supervised run."""
    Trainer(scans, direct, tmp_path / "start").run()
    return tmp_path / "start"


@pytest.fixture
def _halves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that finds the left half of each slice it is shown, and nothing elsewhere."""

    def probability(self: ScanPredictor, scan: PreparedScan, *, slices: np.ndarray) -> np.ndarray:
        out = np.zeros(scan.image.shape, np.float32)
        out[slices, :, :32] = 0.9
        return out

    monkeypatch.setattr(ScanPredictor, "probability", probability)


def assert_same_weights(one: Path, other: Path) -> None:
    a, b = load_result(one).average, load_result(other).average
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


def masks_of(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    return {
        f"{path.parent.parent.name}/{path.stem}": np.load(path)["values"]
        for path in sorted(folder.glob("round-*/labels/*.npz"))
    }


@pytest.mark.usefixtures("_halves")
def test_every_slice_joins_once_with_what_the_network_said(
    tmp_path: Path,
    scans: list[PreparedScan],
    unlabelled: list[PreparedScan],
    direct: TrainSettings,
    start: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    joined: list[list[PreparedScan]] = []
    make = MixedSamples.__init__

    def spy(self, labelled, pseudo, settings, *, labeled_share) -> None:
        joined.append(pseudo)
        make(self, labelled, pseudo, settings, labeled_share=labeled_share)

    monkeypatch.setattr(MixedSamples, "__init__", spy)
    out = tmp_path / "semi"
    last = pseudo_label_rounds(scans, unlabelled, direct, FOUR, out, start=start)
    assert last == out / "round-004"  # seven slices, two at a time
    assert [sum(len(s.image) for s in pseudo) for pseudo in joined] == [2, 4, 6, 7]
    told = [json.loads((out / f"round-00{n}" / LABELED_MARK).read_text()) for n in (1, 2, 3, 4)]
    slices = sorted((name, d) for chunk in told for name, found in chunk.items() for d in found)
    assert slices == [("new", d) for d in range(4)] + [("newer", d) for d in range(3)]
    for scan in joined[-1]:
        assert scan.row.source == "pseudo"
        assert scan.row.lesion_voxels == scan.lesions.sum() == 64 * 32 * len(scan.image)
        assert scan.lesions[:, :, :32].all()
        assert not scan.lesions[:, :, 32:].any()
    state = load_result(last)
    assert state.step == direct.total_steps
    assert state.settings["start_from"].endswith("round-003")
    seeds = {load_result(path).settings["seed"] for path in out.glob("round-*")}
    assert len(seeds) == 4


@pytest.mark.usefixtures("_halves")
def test_batches_hold_both_kinds_by_their_share(
    scans: list[PreparedScan], unlabelled: list[PreparedScan], direct: TrainSettings
) -> None:
    """All-lesion pseudo slices against the labeled ones' small spots."""
    flat = direct.model_copy(update={"seed": 3})
    full = [
        PreparedScan(replace(s.row, lesion_voxels=1), s.image, s.lungs, np.ones_like(s.lungs))
        for s in unlabelled
    ]
    for share, low, high in ((0.75, 0.6, 0.9), (0.25, 0.1, 0.4)):
        samples = MixedSamples(scans, full, flat, labeled_share=share)
        steps = [samples.batch(0, rank=place, world=2)[1] for place in (0, 1)]
        np.testing.assert_array_equal(np.concatenate(steps), samples.batch(0)[1])
        targets = np.concatenate([samples.batch(step % 3)[1] for step in range(3)])
        assert targets.shape == (6, 1, 16, 16)
        drawn = [_labeled_places(scans, full, flat, share, seed) for seed in range(40)]
        assert low < np.mean(drawn) < high


def _labeled_places(scans, full, settings: TrainSettings, share: float, seed: int) -> float:
    own = settings.model_copy(update={"seed": seed})
    targets = MixedSamples(scans, full, own, labeled_share=share).batch(0)[1]
    return float(np.mean([target.mean() < 0.5 for target in targets]))


def test_empty_pseudo_labels_do_not_flood_a_batch(
    scans: list[PreparedScan], direct: TrainSettings
) -> None:
    """A network that finds nothing: its slices get `lesion_free_share` at most."""
    sick = [scan for scan in scans if not scan.row.is_healthy]
    new = made_up_scan("new")
    row = replace(new.row, lesion_voxels=0)
    empty = [PreparedScan(row, new.image, new.lungs, np.zeros_like(new.lesions))]
    for share, low, high in ((0.0, -0.01, 0.2), (0.3, 0.15, 0.7), (1.0, 0.99, 1.01)):
        settings = direct.model_copy(update={"lesion_free_share": share, "healthy_share": 0.0})
        blank = []
        for seed in range(30):
            own = settings.model_copy(update={"seed": seed})
            targets = MixedSamples(sick, empty, own, labeled_share=0.01).batch(0)[1]
            blank += [not target.any() for target in targets]
        assert low < np.mean(blank) < high


def test_labels_of_the_unlabeled_are_never_read(
    tmp_path: Path,
    scans: list[PreparedScan],
    unlabelled: list[PreparedScan],
    direct: TrainSettings,
    start: Path,
) -> None:
    shapes = (unlabelled[0].lesions.shape, (1, 2, 3))
    garbage = [
        PreparedScan(
            replace(scan.row, lesion_voxels=-7, lesion_slices=99),
            scan.image,
            scan.lungs,
            np.full(shape, 1, np.uint8),
        )
        for scan, shape in zip(unlabelled, shapes, strict=True)
    ]
    ends = []
    for name, given in (("clean", unlabelled), ("garbage", garbage)):
        out = tmp_path / name
        ends.append(pseudo_label_rounds(scans, given, direct, FOUR, out, start=start))
    assert_same_weights(*ends)
    clean, other = masks_of(tmp_path / "clean"), masks_of(tmp_path / "garbage")
    assert clean.keys() == other.keys()
    assert all(np.array_equal(clean[name], other[name]) for name in clean)


def test_pseudo_labels_and_seed_matter(
    tmp_path: Path,
    scans: list[PreparedScan],
    unlabelled: list[PreparedScan],
    direct: TrainSettings,
    start: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Other labels, or another order, make other weights: they do enter training."""
    one = PseudoLabelSettings(rounds=1, labeled_share=0.01)
    ends = []
    for name, fill in (("none", 0.0), ("all", 1.0)):
        monkeypatch.setattr(
            ScanPredictor,
            "probability",
            lambda _, scan, slices, fill=fill: np.full(scan.image.shape, fill, np.float32),
        )
        ends.append(
            pseudo_label_rounds(scans, unlabelled, direct, one, tmp_path / name, start=start)
        )
    seeded = one.model_copy(update={"seed": 1})
    ends.append(
        pseudo_label_rounds(scans, unlabelled, direct, seeded, tmp_path / "seed", start=start)
    )
    weights = [torch.cat([v.ravel() for v in load_result(end).average.values()]) for end in ends]
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[1], weights[2])


@pytest.mark.parametrize("stop", [(1, 2), (3, 1)])
def test_an_interrupted_procedure_goes_on_to_the_same_weights(
    tmp_path: Path,
    scans: list[PreparedScan],
    unlabelled: list[PreparedScan],
    direct: TrainSettings,
    start: Path,
    stop: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    how = PseudoLabelSettings(rounds=3, fine_tune=True)
    whole = pseudo_label_rounds(scans, unlabelled, direct, how, tmp_path / "whole", start=start)
    assert whole.name == "labeled"

    def kill(number: int, total: int, progress: Progress) -> None:
        if (number, progress.step) == stop:
            raise KilledError

    out = tmp_path / "killed"
    with pytest.raises(KilledError):
        pseudo_label_rounds(scans, unlabelled, direct, how, out, start=start, watch=kill)
    finished = {path: path.stat().st_mtime_ns for path in out.glob("round-*/*")}
    marked = {path.parent for path in out.glob(f"round-*/{FINISHED_MARK}")}
    assert len(marked) == stop[0] - 1
    seen: list[int] = []
    labeled: list[str] = []
    probability = ScanPredictor.probability

    def spy(self, scan, **options):
        labeled.append(scan.row.scan_id)
        return probability(self, scan, **options)

    monkeypatch.setattr(ScanPredictor, "probability", spy)
    last = pseudo_label_rounds(
        scans,
        unlabelled,
        direct,
        how,
        out,
        start=start,
        watch=lambda number, total, progress: seen.append(number),
    )
    assert_same_weights(whole, last)
    assert set(seen) == set(range(stop[0], 5))  # the fourth is the fine-tuning
    assert len(labeled) <= 2 * (3 - stop[0])  # no round's labels are predicted twice
    for path, changed in finished.items():
        if path.parent in marked:
            assert path.stat().st_mtime_ns == changed
    seen.clear()
    pseudo_label_rounds(scans, unlabelled, direct, how, out, start=start)
    assert seen == []


def test_stage_lesions_takes_slices_with_lungs_only(
    tmp_path: Path, scans: list[PreparedScan], unlabelled: list[PreparedScan], tiny: TrainSettings
) -> None:
    Trainer(scans, tiny, tmp_path / "start").run()
    out, how = tmp_path / "semi", PseudoLabelSettings(rounds=1)
    last = pseudo_label_rounds(scans, unlabelled, tiny, how, out, start=tmp_path / "start")
    told = json.loads((last / LABELED_MARK).read_text())
    assert told == {"new": [1, 2, 3], "newer": [1, 2]}  # the first shows no lung
    blind = [replace(unlabelled[0], lungs=np.zeros_like(unlabelled[0].lungs))]
    with pytest.raises(DatasetError, match="have no lungs: new; expected lungs"):
        pseudo_label_rounds(scans, blind, tiny, how, out, start=tmp_path / "start")


def test_what_does_not_fit_is_refused(
    tmp_path: Path,
    scans: list[PreparedScan],
    unlabelled: list[PreparedScan],
    direct: TrainSettings,
    start: Path,
) -> None:
    def rounds(given=unlabelled, settings=direct, how=FOUR, at=start) -> Path:
        return pseudo_label_rounds(scans, given, settings, how, tmp_path / "semi", start=at)

    with pytest.raises(DatasetError, match="there are no unlabeled slices"):
        rounds(given=[])
    with pytest.raises(DatasetError, match="2 unlabeled scans have 1 names"):
        rounds(given=[unlabelled[0], unlabelled[0]])
    with pytest.raises(WeightsError, match="cannot be read"):
        rounds(at=tmp_path / "nowhere")
    with pytest.raises(SettingsError, match="holds a run with other base"):
        rounds(settings=direct.model_copy(update={"base": 4}))
    with pytest.raises(SettingsError, match="stage is 'lungs'"):
        rounds(settings=direct.model_copy(update={"stage": "lungs"}))
    assert not (tmp_path / "semi").exists()
    rounds(how=PseudoLabelSettings(chunk=2, rounds=1))
    with pytest.raises(SettingsError, match="holds pseudo labels with other rounds"):
        rounds()
    with pytest.raises(SettingsError, match="other unlabeled, unlabeled_sha256"):
        rounds(given=unlabelled[:1], how=PseudoLabelSettings(chunk=2, rounds=1))


@pytest.mark.parametrize(
    "wrong", [{"chunk": 0}, {"rounds": 0}, {"labeled_share": 1.0}, {"labeled_share": 0.0}, {"k": 5}]
)
def test_settings_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PseudoLabelSettings.model_validate(wrong)


def test_chunks_are_even_and_drawn_by_seed() -> None:
    pairs = [("a", d) for d in range(10)] + [("b", d) for d in range(6)]
    chunks = draw_chunks(pairs, seed=(0, 0), size=5, most=None)
    assert [sum(map(len, chunk.values())) for chunk in chunks] == [5, 5, 5, 1]
    assert sorted((n, d) for c in chunks for n, found in c.items() for d in found) == pairs
    again = draw_chunks(pairs, seed=(0, 0), size=5, most=2)
    assert [{n: d.tolist() for n, d in c.items()} for c in again] == [
        {n: d.tolist() for n, d in c.items()} for c in chunks[:2]
    ]
    other = draw_chunks(pairs, seed=(0, 1), size=5, most=2)
    assert str(other) != str(again)


def test_a_reduced_scan_keeps_its_own_slice_numbers(unlabelled: list[PreparedScan]) -> None:
    pool = PseudoPool([unlabelled[0].take(np.array([1, 3]))], "direct")
    pool.add("new", np.array([1]), np.ones((1, 64, 64), np.uint8))
    (scan,) = pool.labeled()
    assert scan.slices is not None
    assert scan.slices.tolist() == [3]
    np.testing.assert_array_equal(scan.image[0], unlabelled[0].image[3])
    assert (scan.row.slices, scan.row.lesion_slices) == (1, 1)


def test_the_command_runs_on_a_folder_of_pictures(
    tmp_path: Path, prepared: Path, scans: list[PreparedScan], direct: TrainSettings
) -> None:
    settings = direct.model_copy(update={"index": str(prepared), "hold_out": ("three",)})
    kept = [scan for scan in scans if scan.row.scan_id != "three"]
    Trainer(kept, settings, tmp_path / "start").run()
    slices = tmp_path / "slices"
    slices.mkdir()
    for number, image in enumerate(made_up_scan("new").image[:3]):
        Image.fromarray(image).save(slices / f"{number}.png")
    app = typer.Typer()
    app.command("pseudo-label")(pseudo_label)
    arguments = [slices, "--start", tmp_path / "start", "--out", tmp_path / "semi"]
    arguments += ["--rounds", 2, "--steps", 2]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(tmp_path / "semi" / "round-002")
    for words in ("3 labeled scans, 3 unlabeled slices", "round 2/2  step 2/2  loss"):
        assert words in result.stderr
    assert load_result(tmp_path / "semi" / "round-002").step == 2

    (slices / "three.nii.gz").write_bytes(b"")
    slices.rename(tmp_path / "three")  # pictures of a scan that the start run held out
    (tmp_path / "three" / "three.nii.gz").unlink()
    arguments[0] = tmp_path / "three"
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert isinstance(result.exception, DatasetError)
    assert "held out by the start run: three" in str(result.exception)
