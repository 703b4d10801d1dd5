"""What a table's row is: which network, trained and tested how. Shared by all studies."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from groundglass.catalog import network_entry
from groundglass.errors import SettingsError
from groundglass.studies.row import Protocol, Target

Mode = Literal["hierarchical", "context", "box", "direct", "published", "half", "semi"]
"""hierarchical: lungs, then lesions inside them. context: the same, but the second stage is shown
what lies around the lungs too, after a training without it. box: it is shown from the first step,
under a budget of its own. direct: lesions from the whole slice. published: direct, trained much
as MiniSeg's authors did, see `run_settings.published_settings`. half: direct, with half of the
training patients. semi: the same half, then pseudo labels on the other."""


Learner = Literal["one", "mean", "distilled"]
"""one: a network. mean: `TEACHERS` networks, each trained without another part of the training
patients; their probabilities are averaged. distilled: one network that learns from the reference
and from that mean, half and half."""

TEACHERS = 3
"""Networks in a mean: as few as leave each of them two thirds of the patients."""

Begin = Literal["any", "scratch", "weights"]
"""any: the encoder begins with weights where a study is given some. scratch: it never does.
weights: there is no such row without."""


@dataclass(frozen=True)
class Variant:
    """How a network is trained, but for its budget; fields as those of `RowPlan`."""

    loss: str | None = None
    encoder_weights: Path | None = None
    paste: float = 0.0
    opacity: float = 0.0

    @property
    def suffix(self) -> str:
        """The end of the names under which its runs and rows are stored."""
        loss = f"-{self.loss}" if self.loss else ""
        paste = f"-paste-{self.paste:g}" if self.paste else ""
        opacity = f"-opacity-{self.opacity:g}" if self.opacity else ""
        return loss + paste + opacity + begun_suffix(self.encoder_weights)


@dataclass(frozen=True)
class RowPlan:
    """One row. `key` is the row's in the study's paper, `network` a catalog name.

    `lungs`: the first stage's network, left out the same; `loss`: left out the network's own.
    `flips`: the answers on a slice and on its mirror image are averaged. `cascade`: trained under
    the budget's `cascade_lesions`, on its `cascade_folds`. `keep`: predictions of whole slices are
    kept for a figure; those inside lungs always are. `begin` says whether the network's encoder
    may begin with weights, `encoder_weights` is their file; see `begun_from`. In mode "box" alone:
    `learner` may be another than "one"; `paste` is the share of training slices that lesions of
    slices drawn at random are pasted into, `opacity` that of slices veiled with made-up ones.
    Raises: SettingsError where a field would have no effect.
    """

    key: str
    label: str
    network: str
    mode: Mode = "hierarchical"
    target: Target = "lesions"
    protocol: Protocol = "patients"
    lungs: str | None = None
    loss: str | None = None
    flips: bool = False
    cascade: bool = False
    keep: bool = False
    begin: Begin = "any"
    encoder_weights: Path | None = None
    learner: Learner = "one"
    paste: float = 0.0
    opacity: float = 0.0

    def __post_init__(self) -> None:
        """Raises: SettingsError where a field would be stored in names and have no effect."""
        on_box = self.learner != "one" or self.paste or self.opacity
        if on_box and self.mode != "box":
            raise SettingsError(
                f"row {self.key!r} of mode {self.mode!r} has learner {self.learner!r}, paste "
                f"{self.paste:g}, opacity {self.opacity:g}",
                expected="mode 'box' with any of these",
            )
        if self.loss is not None and self.mode not in ("hierarchical", "direct", "box"):
            raise SettingsError(
                f"row {self.key!r} of mode {self.mode!r} has loss {self.loss!r}",
                expected="mode 'hierarchical', 'direct' or 'box'",
            )
        if self.encoder_weights is not None and self.mode not in ("direct", "box"):
            raise SettingsError(
                f"row {self.key!r} of mode {self.mode!r} has encoder weights",
                expected="mode 'direct' or 'box'",
            )

    @property
    def variant(self) -> Variant:
        """What sets its lesion network's training apart from others of the same network."""
        return Variant(self.loss, self.encoder_weights, self.paste, self.opacity)

    @property
    def lung_network(self) -> str:
        return self.lungs or self.network


def rows_planned(
    plans: Mapping[int, tuple[RowPlan, ...]], table: int, *, remedy: str
) -> tuple[RowPlan, ...]:
    """Rows of a table. Raises: SettingsError with the remedy where it is none of `plans`."""
    if table not in plans:
        raise SettingsError(f"table is {table}", expected=listed(plans), remedy=remedy)
    return plans[table]


def rows_called(plans: tuple[RowPlan, ...], keys: Collection[str]) -> tuple[RowPlan, ...]:
    """The rows whose key is one of `keys`. Raises: SettingsError where one is of no row."""
    known = {plan.key: None for plan in plans}  # in order, each once
    unknown = sorted(set(keys) - set(known))
    if unknown or not keys:
        named = ", ".join(unknown) or "nothing"
        raise SettingsError(f"--rows names {named}", expected=f"some of {', '.join(known)}")
    return tuple(plan for plan in plans if plan.key in keys)


def begun_from(plans: tuple[RowPlan, ...], file: Path) -> tuple[RowPlan, ...]:
    """The rows, with `file` as what the encoders begin with that can begin with one; labels say so.

    Raises: SettingsError where there is no such row.
    """

    def begun(plan: RowPlan) -> RowPlan:
        takes = plan.mode in ("direct", "box") and network_entry(plan.network).encoder
        if not takes or plan.begin == "scratch":
            return plan
        end = ", pretrained" if plan.begin == "any" else ""
        return replace(plan, label=plan.label + end, encoder_weights=file)

    rows = tuple(map(begun, plans))
    if rows == plans:
        raise SettingsError(
            f"--encoder-weights is {file}, and no row that is asked for has an encoder that begins "
            "with any",
            expected="some of ta-segnet --table 1, or of chs-net --table 2",
            remedy="Leave the option out, or name other --rows",
        )
    return rows


def begun_suffix(file: Path | None) -> str:
    """The end of the names under which what began with a file of weights is stored."""
    return f"-from-{file.stem}" if file else ""


def listed(names: Iterable[object]) -> str:
    """'2, 3 or 4'."""
    words = [str(name) for name in names]
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
