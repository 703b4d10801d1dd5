"""How much a study may spend: sizes, steps and folds, the same for every row of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from groundglass.catalog import network_entry
from groundglass.errors import SettingsError
from groundglass.studies.plan import RowPlan


@dataclass(frozen=True)
class StageBudget:
    """One network's training: input size, steps, slices a step, peak learning rate.

    `restart`: steps of a second cosine after the first, from two thirds of the peak, at
    `restart_size` where that is given: small slices first cost little and teach most.
    """

    size: tuple[int, int]
    steps: int
    batch: int
    lr: float = 3e-3
    restart: int = 0
    restart_size: tuple[int, int] | None = None

    @property
    def final_size(self) -> tuple[int, int]:
        """The input size that the network is left at, and used at."""
        return self.restart_size or self.size

    @property
    def slices(self) -> int:
        return (self.steps + self.restart) * self.batch


@dataclass(frozen=True)
class Alone:
    """What a study without a cascade spends: its only stage, its folds, every so-manieth slice."""

    direct: StageBudget
    folds: tuple[int, ...]
    every: int = 1


@dataclass(frozen=True)
class Budget:
    """What every row of a table gets.

    `folds` and `cascade_folds` say which of the five folds are run: the first for the tables that
    compare networks, the second for CHS-Net's Table 2, which is about one network alone and gets
    `cascade_lesions` for its second stage. `lung_half`: the two networks, each on half of the
    training patients, whose out-of-fold lungs the second stage is trained on; None: it is trained
    on reference lungs with random errors, as networks this short leave lesions out. `every`: of
    each scan, only every so-manieth slice is trained on. `validate_every`: steps between looks at
    the validation fold for early stopping, 0 for none. `context`, `box`, `box_encoder`: what rows
    get that are shown the box unmasked, after a training without it, from the first step, and from
    the first step by a network whose encoder can begin with weights. `published`: what rows get
    that are trained much as MiniSeg's authors did, in one stretch. `description` stands in every
    page; `direct_description`, where there is one, in those of studies that have no cascade.
    """

    name: str
    lungs: StageBudget
    lung_half: StageBudget | None
    lesions: StageBudget
    cascade_lesions: StageBudget
    direct: StageBudget
    folds: tuple[int, ...]
    cascade_folds: tuple[int, ...]
    fold_count: int = 5
    every: int = 1
    base: int = 16
    validate_every: int = 0
    pseudo_rounds: int = 3
    context: StageBudget | None = None
    box: StageBudget | None = None
    box_encoder: StageBudget | None = None
    published: StageBudget | None = None
    alone: Alone | None = None
    is_long: bool = False
    description: str = ""
    direct_description: str = ""

    def box_of(self, network: str) -> StageBudget | None:
        """What a network gets that is shown the whole box from the first step; None: nothing.

        One whose encoder can begin with weights gets `box_encoder` where there is one, whether it
        does or not: it moves fast from there, and large slices need fewer steps.
        """
        return (network_entry(network).encoder and self.box_encoder) or self.box

    def folds_of(self, plans: Sequence[RowPlan]) -> tuple[int, ...]:
        """The folds that a table of these rows runs."""
        return self.cascade_folds if any(plan.cascade for plan in plans) else self.folds

    def of_study(self, *, has_cascade: bool) -> Budget:
        """Itself, as a study with or without a cascade spends it."""
        if has_cascade or self.alone is None:
            return self
        own = self.alone
        return replace(self, direct=own.direct, folds=own.folds, every=own.every)

    def described(self, *, has_cascade: bool) -> str:
        """Its name and what it is, for a study with or without a cascade."""
        text = self.description if has_cascade else self.direct_description or self.description
        return f"{self.name}: {text}"


BUDGETS = {
    budget.name: budget
    for budget in (
        Budget(
            name="tiny",
            lungs=StageBudget((32, 32), 12, 4),
            lung_half=StageBudget((32, 32), 8, 4),
            lesions=StageBudget((32, 48), 12, 4),
            cascade_lesions=StageBudget((32, 48), 12, 4),
            direct=StageBudget((32, 32), 12, 4),
            folds=(0, 1),
            cascade_folds=(0, 1),
            fold_count=2,
            base=4,
            pseudo_rounds=2,
            context=StageBudget((32, 48), 6, 4),
            box=StageBudget((32, 48), 6, 4),
            box_encoder=StageBudget((32, 48), 6, 4),
            published=StageBudget((32, 32), 12, 4),
            description="a check that everything runs: networks of a quarter of their width, a "
            "dozen steps; its figures mean nothing",
        ),
        Budget(
            name="cpu",
            lungs=StageBudget((96, 96), 60, 12, restart=100),
            lung_half=None,
            lesions=StageBudget((96, 128), 300, 8),
            cascade_lesions=StageBudget((128, 160), 130, 8),
            direct=StageBudget((112, 112), 300, 8),
            folds=(0,),
            cascade_folds=(0, 1, 2, 3, 4),
            every=2,
            description="about an hour a table on two cores: small slices, every second one, "
            "some five passes over them, one of five folds (Table 2: some two passes, all five "
            "folds), one seed",
            alone=Alone(StageBudget((112, 112), 400, 8), folds=(0,)),
            direct_description="about an hour a table on two cores: small slices, some three "
            "passes over them, one of five folds, one seed",
        ),
        Budget(
            name="gpu",
            lungs=StageBudget((128, 128), 500, 32),
            lung_half=None,
            lesions=StageBudget((80, 104), 750, 32, restart=350, restart_size=(160, 208)),
            cascade_lesions=StageBudget((80, 104), 1500, 32, restart=700, restart_size=(160, 208)),
            direct=StageBudget((104, 104), 750, 32, restart=350, restart_size=(208, 208)),
            folds=(0, 1, 2, 3, 4),
            cascade_folds=(0, 1, 2, 3, 4),
            context=StageBudget((112, 144), 400, 8, lr=2e-3),
            box=StageBudget((80, 104), 900, 16, 2e-3, restart=200, restart_size=(112, 144)),
            box_encoder=StageBudget((144, 192), 300, 12, 1e-3),
            published=StageBudget((256, 256), 2500, 16, 1e-3),
            is_long=True,
            description="CHS-Net's Table 2 in some fifteen minutes of one data center GPU: small "
            "slices first, some seventy passes over the slices, all folds, one seed; rows of ours "
            "as said below",
            direct_description="for one data center GPU: some forty passes over the slices, "
            "small ones first, all folds, one seed",
        ),
        Budget(
            name="full",
            lungs=StageBudget((256, 256), 4000, 16, lr=2e-3),
            lung_half=StageBudget((256, 256), 2000, 16, lr=2e-3),
            lesions=StageBudget((256, 256), 8000, 16, lr=2e-3),
            cascade_lesions=StageBudget((256, 256), 8000, 16, lr=2e-3),
            direct=StageBudget((256, 256), 8000, 16, lr=2e-3),
            folds=(0, 1, 2, 3, 4),
            cascade_folds=(0, 1, 2, 3, 4),
            validate_every=200,
            box=StageBudget((256, 256), 8000, 16, lr=2e-3),
            box_encoder=StageBudget((256, 256), 4000, 16, lr=1e-3),
            published=StageBudget((512, 512), 15200, 5, lr=1e-3),
            description="what the paper did, as far as it says: 256x256, five folds, early "
            "stopping on the next fold's patients; for a GPU",
            direct_description="256x256, five folds, early stopping on the next fold's patients; "
            "for a GPU",
        ),
    )
}


def find_budget(name: str) -> Budget:
    """The budget called `name`. Raises: SettingsError listing what there is."""
    if name not in BUDGETS:
        raise SettingsError(f"budget {name!r} is unknown", expected=", ".join(BUDGETS))
    return BUDGETS[name]
