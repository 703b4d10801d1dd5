"""Settings of a training run: small, frozen, checked, stored in every checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from groundglass.catalog import check_encoder_weights
from groundglass.errors import SettingsError
from groundglass.training.run_file import read_run_file

OptimizerName = Literal["adamw", "adam", "sgd", "sgd-hypergradient"]

_RECORDABLE = ("adamw", "adam")
"""Optimizers that can keep their rate and state on a GPU."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Phase(_Frozen):
    """A stretch of training at one input size. `lr` is its peak; it decays to `lr_end`."""

    size: tuple[int, int]
    steps: int = Field(ge=1)
    batch: int = Field(ge=1)
    lr: float = Field(gt=0)
    lr_end: float = Field(gt=0)
    warmup: int = Field(default=0, ge=0)


class AugmentSettings(_Frozen):
    """How far training images may differ from the prepared ones. Shares are probabilities.

    `paste`: share of the slices that lesions of others are pasted into, `opacity`: share that
    made-up ones are veiled with; both for lesions alone, and made on the host alone.
    """

    scale: float = Field(default=0.25, ge=0, lt=1)
    rotate_degrees: float = Field(default=15.0, ge=0)
    shift: float = Field(default=0.06, ge=0)
    flip_left_right: float = Field(default=0.5, ge=0, le=1)
    flip_up_down: float = Field(default=0.1, ge=0, le=1)
    gamma: float = Field(default=0.35, ge=0)
    contrast: float = Field(default=0.25, ge=0)
    brightness: float = Field(default=20.0, ge=0)
    noise: float = Field(default=14.0, ge=0)
    blur: float = Field(default=0.3, ge=0, le=1)
    coarse: float = Field(default=0.15, ge=0, le=1)
    second_clahe: float = Field(default=0.25, ge=0, le=1)
    no_clahe_hu: float = Field(default=0.15, ge=0, le=1)
    mask_errors: float = Field(default=0.8, ge=0, le=1)
    paste: float = Field(default=0.0, ge=0, le=1)
    opacity: float = Field(default=0.0, ge=0, le=1)

    @property
    def makes_lesions(self) -> bool:
        """Whether slices are shown lesions that their scans do not have."""
        return self.paste > 0 or self.opacity > 0


class EarlyStopping(_Frozen):
    """Stop when the pooled Dice on `scans` has not risen for `patience` looks in a row.

    Looked at every `every` steps, on every `stride`-th slice. The scans (with their groups) are
    taken out of training. The best state is kept beside the last one.
    """

    scans: tuple[str, ...] = Field(min_length=1)
    every: int = Field(default=100, ge=1)
    patience: int = Field(default=5, ge=1)
    stride: int = Field(default=4, ge=1)


class TrainSettings(_Frozen):
    """One run: what is trained, on what, for how long.

    `stage`: lungs, lesions (inside the lungs' box and mask), or direct (lesions from the whole
    slice, without a lung stage: the paper's control).
    `hold_out` names scans never trained on; every scan of their group is left out with them.
    `folds` and `fold` do the same by a file of `groundglass folds`, slices included.
    `healthy_share` is the share of training slices drawn from lesion-free scans, and
    `lesion_free_share` that of lesion-free slices among those of the other scans. A scan of n
    slices is drawn in proportion to n ** `slice_power`: 1 by slices, 0 all scans alike. Of each
    scan only every `every`-th slice is drawn.
    `start_from` is a run folder or a .safetensors file of the same network to begin with,
    instead of a fresh initialization. `encoder_weights` is a file that the encoder alone begins
    with, of a network that has an `encoder` in the catalog.
    `lungs`: a folder of predicted lungs that the lesion stage sees in place of the reference,
    best out of fold. `soft_targets`: a folder of probabilities to learn from (distillation),
    mixed into the reference by `soft_weight`.
    `mixed_precision` "auto" takes bfloat16 where the hardware computes in it. For a GPU:
    `sampler` "device" makes batches there, `cuda_graph` replays recorded steps, both "auto" where
    there is one; `compile` has torch compile the network first.
    """

    name: str
    stage: Literal["lungs", "lesions", "direct"]
    index: str
    hold_out: tuple[str, ...] = ()
    folds: str | None = None
    fold: int = Field(default=0, ge=0)
    early_stopping: EarlyStopping | None = None
    network: str = "raiu-net"
    base: int = Field(default=16, ge=2)
    loss: str | None = None
    lungs: str | None = None
    soft_targets: str | None = None
    soft_weight: float = Field(default=0.5, ge=0, le=1)
    lesion_free_share: float = Field(default=0.3, ge=0, le=1)
    optimizer: OptimizerName = "adamw"
    weight_decay: float = Field(default=1e-4, ge=0)
    ema: float = Field(default=0.995, ge=0, lt=1)
    phases: tuple[Phase, ...] = Field(min_length=1)
    recipe: dict[str, Any]
    augment: AugmentSettings = AugmentSettings()
    start_from: str | None = None
    encoder_weights: str | None = None
    healthy_share: float = Field(default=0.1, ge=0, le=1)
    slice_power: float = Field(default=0.5, ge=0, le=1)
    every: int = Field(default=1, ge=1)
    seed: int = 0
    checkpoint_every: int = Field(default=50, ge=1)
    threads: int = Field(default=0, ge=0)
    device: str = "cpu"
    mixed_precision: bool | Literal["auto"] = False
    sampler: Literal["host", "device", "auto"] = "host"
    cuda_graph: bool | Literal["auto"] = False
    compile: bool = False

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """No setting may be without effect, and the recipe is of the stage."""
        if self.recipe.get("stage") != self.stage:
            raise ValueError(f"recipe.stage is {self.recipe.get('stage')!r}, not {self.stage!r}")
        if self.lungs is not None and self.stage != "lesions":
            raise ValueError(f"lungs are for stage 'lesions', not {self.stage!r}")
        if self.soft_targets is not None and self.stage == "lungs":
            raise ValueError("soft_targets are for lesions, not stage 'lungs'")
        if self.augment.makes_lesions and self.sampler == "device":
            raise ValueError(
                "augment.paste and opacity need batches of the host, and sampler is 'device'"
            )
        if self.augment.makes_lesions and self.stage == "lungs":
            raise ValueError("augment.paste and opacity are for lesions, not stage 'lungs'")
        if self.cuda_graph is True and not self.device.startswith("cuda"):
            raise ValueError(f"cuda_graph needs a GPU, and device is {self.device!r}")
        if self.cuda_graph is True and self.optimizer not in _RECORDABLE:
            raise ValueError(f"cuda_graph needs adamw or adam, and optimizer is {self.optimizer!r}")
        if self.fold and self.folds is None:
            raise ValueError(f"fold is {self.fold}, without folds")
        if self.encoder_weights is not None:
            if self.start_from is not None:
                raise ValueError("start_from gives all weights, so encoder_weights has no effect")
            check_encoder_weights(self.network, self.encoder_weights)
        return self

    @property
    def samples_on_device(self) -> bool:
        """Whether batches are made where the network is."""
        may = self.device.startswith("cuda") and not self.augment.makes_lesions
        return self.sampler == "device" or (self.sampler == "auto" and may)

    @property
    def records_steps(self) -> bool:
        """Whether steps are replayed as CUDA graphs."""
        can = self.device.startswith("cuda") and self.optimizer in _RECORDABLE
        return self.cuda_graph is True or (self.cuda_graph == "auto" and can)

    @property
    def peak_lr(self) -> float:
        """What an optimizer begins with, before the schedule."""
        return self.phases[0].lr

    @property
    def total_steps(self) -> int:
        return sum(phase.steps for phase in self.phases)

    def phase_at(self, step: int) -> tuple[Phase, int]:
        """The phase that `step` (0-based) belongs to, and the step within it."""
        within = step
        for phase in self.phases:
            if within < phase.steps:
                return phase, within
            within -= phase.steps
        raise SettingsError(f"step {step} lies past the last phase of run {self.name!r}")

    @classmethod
    def read(cls, path: Path, overrides: dict[str, Any] | None = None) -> TrainSettings:
        """Read a YAML run file; `overrides` replace its top-level values.

        Raises: SettingsError naming each wrong field.
        """
        return read_run_file(cls, path, overrides)
