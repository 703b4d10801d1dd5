"""Semi-Inf-Net's progressive pseudo labels: a network labels slices and goes on training on them.

Source: Fan et al., "Inf-Net", IEEE TMI 2020, Algorithm 1; numbers that it leaves open are from
the authors' description of their code, or ours (`Differs` below).
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from groundglass.datasets.index import PreparedScan, file_sha256
from groundglass.errors import SettingsError
from groundglass.networks.build import build_network
from groundglass.recipe import SliceRecipe
from groundglass.training.checkpoint import BEST_NAME, STATE_NAME, load_result
from groundglass.training.loop import Progress, Trainer
from groundglass.training.maps import save_map
from groundglass.training.optimizers import mixes_precision
from groundglass.training.predict import ScanPredictor
from groundglass.training.pseudo_pool import Chunk, PseudoPool, draw_chunks
from groundglass.training.pseudo_samples import MixedSamples
from groundglass.training.ranks import Ranks
from groundglass.training.settings import TrainSettings

log = logging.getLogger(__name__)

PROCEDURE = "procedure.json"
LABELS = "labels"
LABELED_MARK = "labels.json"
FINISHED_MARK = "round.json"
DEFAULT_ROUNDS = 10

Watch = Callable[[int, int, Progress], None]
"""Called after each training step with (round, rounds in all, progress)."""


class PseudoLabelSettings(BaseModel):
    """How unlabeled slices enter training.

    `chunk` slices join per round, the paper's K; None: all of them in `rounds` even parts. With a
    `chunk`, `rounds` is the most there may be; None: until every slice is used. With neither there
    are ten rounds, each of a tenth: the paper takes 5 of 1,600 and so trains 320 times.
    `labeled_share` of the slices trained on are drawn from the labeled scans. `fine_tune` ends
    with a run on the labeled scans alone. `seed` is for the order of the slices and the rounds'
    draws, together with the run's own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    chunk: int | None = Field(default=None, ge=1)
    rounds: int | None = Field(default=None, ge=1)
    labeled_share: float = Field(default=0.5, gt=0, lt=1)
    fine_tune: bool = False
    seed: int = Field(default=0, ge=0)


def pseudo_label_rounds(
    labelled: Sequence[PreparedScan],
    unlabelled: Sequence[PreparedScan],
    settings: TrainSettings,
    rounds: PseudoLabelSettings,
    folder: Path,
    *,
    start: Path,
    watch: Watch | None = None,
) -> Path:
    """Label a chunk of slices, train on with it, and again until all are used.

    The network of run folder `start` predicts K slices drawn at random; they join the training
    set with what it said of them; training goes on from its weights; repeat with the new network.
    A slice keeps the label it got. The phases of `settings` are what one round trains. `lesions`
    of the unlabeled scans are never looked at; stage "lesions" needs their lungs. Each round is a
    run folder in `folder`, with its labels; an interrupted procedure goes on with the unfinished
    one. Equal arguments give equal weights.
    Differs: K and the training per round (the authors: about ten times through the set so far);
    labeled slices keep a fixed share, where the paper mixes all evenly and they thin out; masks
    are cut at the recipe's threshold, where the authors store each map stretched to 0..255; the
    running average of the weights goes from round to round, with a fresh optimizer; early stopping
    does not apply. The authors then train a new network on the pseudo labels and fine-tune it on
    the labeled slices; `fine_tune` does the latter, with the last round's network.
    Returns: the last run folder. Raises: DatasetError where there is nothing to label, or a scan
    lacks lungs; SettingsError where `start` holds another network, or `folder` another procedure;
    WeightsError where `start` holds no run.
    """
    if Ranks.join(settings.device).world > 1:
        raise SettingsError("pseudo labels run in several processes", expected="one process")
    if settings.threads:
        torch.set_num_threads(settings.threads)
    pool = PseudoPool(unlabelled, settings.stage)
    chunks = _chunks(pool, settings, rounds)
    _check_start(start, settings)
    _check_same_procedure(folder, _record(labelled, pool, settings, rounds, start))
    at = start
    for number, chunk in enumerate(chunks, start=1):
        here = folder / f"round-{number:03d}"
        for name, (slices, masks) in _labels_of(chunk, pool, settings, here, model=at).items():
            pool.add(name, slices, masks)
        if not (here / FINISHED_MARK).exists():
            run = _round_settings(settings, rounds, number, model=at)
            pseudo, share = pool.labeled(), rounds.labeled_share
            trainer = Trainer(labelled, run, here)
            trainer.samples = MixedSamples(labelled, pseudo, run, labeled_share=share)
            _train(trainer, watch, number, len(chunks))
            _write_json(here / FINISHED_MARK, _counts(pseudo))
        at = here
    if rounds.fine_tune:
        number, here = len(chunks) + 1, folder / "labeled"
        run = _round_settings(settings, rounds, number, model=at)
        _train(Trainer(labelled, run, here), watch, number, number)
        at = here
    return at


def _chunks(pool: PseudoPool, settings: TrainSettings, rounds: PseudoLabelSettings) -> list[Chunk]:
    pairs = pool.candidates()
    size = rounds.chunk or math.ceil(len(pairs) / (rounds.rounds or DEFAULT_ROUNDS))
    return draw_chunks(pairs, seed=(settings.seed, rounds.seed), size=size, most=rounds.rounds)


def _counts(pseudo: Sequence[PreparedScan]) -> dict[str, int]:
    slices = sum(scan.row.slices for scan in pseudo)
    found = sum(scan.row.lesion_slices or 0 for scan in pseudo)
    log.info("%d slices pseudo-labeled so far, %d of them with lesions", slices, found)
    return {"slices": slices, "slices_with_lesions": found}


def _train(trainer: Trainer, watch: Watch | None, number: int, total: int) -> None:
    trainer.run(None if watch is None else lambda progress: watch(number, total, progress))


def _labels_of(
    chunk: Chunk, pool: PseudoPool, settings: TrainSettings, folder: Path, *, model: Path
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(indices, masks) of a chunk: read where the round has them, else predicted and stored."""
    if (folder / LABELED_MARK).exists():
        return {name: (slices, _read_masks(folder, name)) for name, slices in chunk.items()}
    recipe = SliceRecipe.from_dict(settings.recipe)
    network = build_network(settings.network, base=settings.base)
    network.load_state_dict(load_result(model).average)
    mixed = mixes_precision(settings.mixed_precision, torch.device(settings.device).type)
    predictor = ScanPredictor(network, recipe, device=settings.device, mixed_precision=mixed)
    labels = {}
    for name, slices in chunk.items():
        chance = predictor.probability(pool.scans[name], slices=slices)[slices]
        masks = (chance >= recipe.threshold).astype(np.uint8)
        save_map(folder / LABELS, name, masks)
        labels[name] = slices, masks
    _write_json(folder / LABELED_MARK, {name: s.tolist() for name, s in chunk.items()})
    return labels


def _read_masks(folder: Path, name: str) -> np.ndarray:
    with np.load(folder / LABELS / f"{name}.npz") as stored:
        return stored["values"]


def _round_settings(
    settings: TrainSettings, rounds: PseudoLabelSettings, number: int, *, model: Path
) -> TrainSettings:
    """The run from the weights of `model`, with draws that no other round has."""
    seed = np.random.SeedSequence([settings.seed, rounds.seed, number]).generate_state(1)[0]
    changes = {
        "name": f"{settings.name}-pseudo-{number:03d}",
        "early_stopping": None,
        "start_from": str(model),
        "encoder_weights": None,
        "seed": int(seed),
    }
    return settings.model_copy(update=changes)


def _check_start(start: Path, settings: TrainSettings) -> None:
    stored = load_result(start).settings
    same = ("network", "base", "stage")
    other = [name for name in same if stored.get(name) != getattr(settings, name)]
    if SliceRecipe.from_dict(stored["recipe"]) != SliceRecipe.from_dict(settings.recipe):
        other.append("recipe")
    if other:
        raise SettingsError(
            f"{start} holds a run with other {', '.join(other)}",
            expected="the supervised run of the same network, by the same recipe",
        )


def _record(
    labelled: Sequence[PreparedScan],
    pool: PseudoPool,
    settings: TrainSettings,
    rounds: PseudoLabelSettings,
    start: Path,
) -> dict[str, Any]:
    """What a procedure must have in common with the one that its folder holds; paths may move."""
    digest = hashlib.sha256()
    for scan in pool.scans.values():
        for part in (scan.image, scan.lungs):
            digest.update(np.ascontiguousarray(part).data)
    best = start / BEST_NAME
    moving = {"index", "folds", "lungs", "soft_targets", "start_from", "encoder_weights"}
    hardware = {"checkpoint_every", "threads", "device"}
    return {
        "settings": settings.model_dump(mode="json", exclude=moving | hardware),
        "rounds": rounds.model_dump(),
        "start": file_sha256(best if best.exists() else start / STATE_NAME),
        "labeled": [[scan.row.scan_id, len(scan.image)] for scan in labelled],
        "unlabeled": [[name, len(scan.image)] for name, scan in pool.scans.items()],
        "unlabeled_sha256": digest.hexdigest(),
    }


def _check_same_procedure(folder: Path, record: dict[str, Any]) -> None:
    """Write the record of a new procedure; compare that of one that goes on."""
    path = folder / PROCEDURE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write_json(path, record)
        return
    stored = json.loads(path.read_text(encoding="utf-8"))
    now = json.loads(json.dumps(record))
    other = sorted(name for name in now if stored.get(name) != now[name])
    if other:
        raise SettingsError(
            f"{folder} holds pseudo labels with other {', '.join(other)}",
            expected="the same scans, start and settings as before",
            remedy="Choose another output folder, or delete this one to begin again",
        )


def _write_json(path: Path, values: dict[str, Any]) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
