"""Settings of a training run: small, frozen, checked, stored in every checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from groundglass.errors import SettingsError


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
    """How far training images may differ from the prepared ones. Shares are probabilities."""

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


class TrainSettings(_Frozen):
    """One run: what is trained, on what, for how long.

    `hold_out` names scans never trained on; every scan of their group is left out with them.
    `healthy_share` is the share of training slices drawn from lesion-free scans. A scan of n
    slices is drawn in proportion to n ** `slice_power`: 1 by slices, 0 all scans alike.
    `start_from` is a run folder or a .safetensors file of the same network to begin with,
    instead of a fresh initialization.
    """

    name: str
    stage: Literal["lungs", "lesions"]
    index: str
    hold_out: tuple[str, ...] = ()
    network: str = "raiu-net"
    base: int = Field(default=16, ge=2)
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    weight_decay: float = Field(default=1e-4, ge=0)
    ema: float = Field(default=0.995, ge=0, lt=1)
    phases: tuple[Phase, ...]
    recipe: dict[str, Any]
    augment: AugmentSettings = AugmentSettings()
    start_from: str | None = None
    healthy_share: float = Field(default=0.1, ge=0, le=1)
    slice_power: float = Field(default=0.5, ge=0, le=1)
    every: int = Field(default=1, ge=1)
    seed: int = 0
    checkpoint_every: int = Field(default=50, ge=1)
    threads: int = Field(default=0, ge=0)
    device: str = "cpu"
    mixed_precision: bool = False

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
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise SettingsError(f"run file {path} cannot be read: {error}") from error
        if not isinstance(values, dict):
            raise SettingsError(f"run file {path} holds no settings", expected="YAML key: value")
        try:
            return cls.model_validate({**values, **(overrides or {})})
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()
            )
            raise SettingsError(f"run file {path} is not valid: {wrong}") from error
