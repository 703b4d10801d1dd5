"""Settings of the study's training runs: one recipe for all, only network and budget differ."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundglass.catalog import network_entry
from groundglass.errors import SettingsError
from groundglass.studies.budget import Budget, StageBudget
from groundglass.studies.row import Protocol
from groundglass.training.settings import AugmentSettings, EarlyStopping, Phase, TrainSettings

AUGMENT = AugmentSettings(
    scale=0.2,
    rotate_degrees=12,
    flip_up_down=0.0,
    gamma=0.15,
    contrast=0.12,
    brightness=8,
    noise=8,
    blur=0.15,
    coarse=0.08,
    second_clahe=0.1,
    no_clahe_hu=0.05,
    mask_errors=0.5,
)
"""Mild: the recipe already brings every scan to the same gray levels, and how gray ground glass
is matters."""

LONG_AUGMENT = AugmentSettings(
    scale=0.3,
    rotate_degrees=20,
    shift=0.08,
    flip_up_down=0.0,
    gamma=0.25,
    contrast=0.2,
    brightness=15,
    noise=10,
    blur=0.2,
    coarse=0.15,
    second_clahe=0.15,
    no_clahe_hu=0.1,
    mask_errors=0.5,
)
"""Stronger: after a hundred passes a network knows every slice that is not changed."""

_PUBLISHED_AUGMENT = AugmentSettings(
    scale=0.06,
    rotate_degrees=0,
    shift=0.02,
    flip_up_down=0,
    gamma=0,
    contrast=0,
    brightness=0,
    noise=0,
    blur=0,
    coarse=0,
    second_clahe=0,
    no_clahe_hu=0,
    mask_errors=0,
)
"""Much as MiniSeg's authors change them: up to a sixteenth larger (here smaller too, and shifted),
and a flip. Theirs is front to back, as patients of the published files lie either way; here all
lie alike, and the flip is left to right."""

_PERFECT_LUNGS = {"mask_errors": 0.8}
"""For reference lungs, which in use are never seen."""


@dataclass(frozen=True)
class Split:
    """One training and test side: a fold of a folds file."""

    protocol: Protocol
    fold: int
    file: Path


@dataclass(frozen=True)
class RunPlace:
    """Where a run's data are, what it may spend and how it computes."""

    index: Path
    split: Split
    budget: Budget
    device: str
    threads: int
    seed: int


def run_settings(
    stage: str,
    network: str,
    *,
    place: RunPlace,
    spend: StageBudget,
    hold_out: tuple[str, ...] = (),
    lungs: Path | None = None,
    validation: tuple[str, ...] = (),
) -> TrainSettings:
    """Settings of one run. `hold_out`: scans left out beside the fold's test side."""
    budget = place.budget
    recipe: dict[str, Any] = {"stage": stage, "network_size": spend.final_size}
    augment = LONG_AUGMENT if budget.is_long else AUGMENT
    if stage == "lesions" and lungs is None:
        augment = augment.model_copy(update=_PERFECT_LUNGS)
    phases = [
        Phase(
            size=size,
            steps=steps,
            batch=spend.batch,
            lr=rate,
            lr_end=rate / 100,
            warmup=min(100 if budget.is_long else 20, steps // 4),
        )
        for size, steps, rate in (
            (spend.size, spend.steps, spend.lr),
            (spend.final_size, spend.restart, spend.lr / 1.5),
        )
        if steps
    ]
    return TrainSettings(
        name=f"{stage}-{network}-{place.split.protocol}-{place.split.fold}",
        stage=stage,  # pyright: ignore[reportArgumentType] - checked by the settings
        index=str(place.index),
        hold_out=hold_out,
        folds=str(place.split.file),
        fold=place.split.fold,
        early_stopping=(
            EarlyStopping(scans=validation, every=budget.validate_every)
            if budget.validate_every and validation
            else None
        ),
        network=network,
        base=budget.base,
        loss=network_entry(network).loss,
        lungs=None if lungs is None else str(lungs),
        phases=tuple(phases),
        recipe=recipe,
        augment=augment,
        weight_decay=0.05 if budget.is_long else 1e-4,
        ema=0.998 if budget.is_long else 0.98 if spend.slices < 10_000 else 0.995,
        healthy_share=0.2 if stage == "lungs" else 0.12,
        slice_power=0.5 if stage == "lungs" else 0.3,
        every=budget.every,
        seed=place.seed,
        checkpoint_every=max(10, min(100, spend.steps // 4)),
        threads=place.threads,
        device=place.device,
        mixed_precision="auto",
        sampler="auto",
        cuda_graph="auto",
    )


def published_settings(place: RunPlace, network: str, spend: StageBudget) -> TrainSettings:
    """A run on whole slices, much as MiniSeg's authors trained it.

    Source: their published training: only slices that show lesions, each as likely as another,
    hardly changed; Adam at 1e-3 with decay 1e-4, the last weights.
    Differs: the rate falls by a cosine, not by a power of 0.9; weights are averaged over some
    hundred steps; one size, where one of their two scripts takes each slice at four (0.75 to 1.5
    times); length and size as the budget says (theirs: 80 epochs at 512 x 512, batches of 5).
    `spend`: a budget of one stretch.
    Raises: SettingsError where it has a second one.
    """
    if spend.restart or spend.restart_size:
        raise SettingsError(
            f"the budget of {network} trained as published has a second stretch",
            expected="one stretch",
        )
    settings = run_settings("direct", network, place=place, spend=spend)
    (phase,) = settings.phases
    return settings.model_copy(
        update={
            "name": f"published-{network}-{place.split.protocol}-{place.split.fold}",
            "phases": (phase.model_copy(update={"warmup": min(50, spend.steps // 4)}),),
            "augment": _PUBLISHED_AUGMENT,
            "optimizer": "adam",
            "weight_decay": 1e-4,
            "ema": 0.99,
            "healthy_share": 0.0,
            "lesion_free_share": 0.0,
            "slice_power": 1.0,
            "every": 1,
        }
    )


def context_settings(
    place: RunPlace, network: str, spend: StageBudget, start: Path
) -> TrainSettings:
    """A short run that goes on from a finished second stage, with the whole box shown to it.

    What is learned about lesions stays; where they stand out from the chest wall is new.
    """
    recipe = {"stage": "lesions", "network_size": spend.size, "mask_outside": False}
    first = Phase(
        size=spend.size, steps=spend.steps, batch=spend.batch, lr=spend.lr, lr_end=1e-5,
        warmup=min(20, spend.steps // 4),
    )  # fmt: skip
    return TrainSettings(
        name=f"context-{network}-{place.split.protocol}-{place.split.fold}",
        stage="lesions",
        index=str(place.index),
        folds=str(place.split.file),
        fold=place.split.fold,
        network=network,
        base=place.budget.base,
        phases=(first,),
        recipe=recipe,
        augment=LONG_AUGMENT if place.budget.is_long else AUGMENT,
        start_from=str(start),
        weight_decay=0.05,
        ema=0.98,
        healthy_share=0.12,
        seed=place.seed,
        checkpoint_every=max(10, min(50, spend.steps // 4)),
        threads=place.threads,
        device=place.device,
        mixed_precision="auto",
    )
