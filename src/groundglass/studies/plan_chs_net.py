"""Which rows Tables 2 to 5 of the CHS-Net paper have, and what each trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from groundglass.errors import SettingsError
from groundglass.studies.row import Protocol, Target

Mode = Literal["hierarchical", "context", "direct", "half", "semi"]
"""hierarchical: lungs, then lesions inside them. context: the same, but the second stage is shown
what lies around the lungs too. direct: lesions from the whole slice. half:
direct, with half of the training patients. semi: the same half, then pseudo labels on the other."""


@dataclass(frozen=True)
class RowPlan:
    """One row. `key` is the paper's row (see `paper_chs_net`), `network` a catalog name.

    `lungs`: the first stage's network, left out the same; `loss`: left out the network's own.
    `flips`: the answers on a slice and on its mirror image are averaged.
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

    @property
    def lung_network(self) -> str:
        return self.lungs or self.network


_ABLATION = (("bu", "BU"), ("bu-rib", "BU+RIB"), ("bu-rib-hp", "BU+RIB+HP"))

PLANS: dict[int, tuple[RowPlan, ...]] = {
    2: (
        *(
            RowPlan("chs-net", "CHS-Net", "raiu-net", target=target, protocol=protocol)
            for protocol in ("patients", "slices")
            for target in ("lungs", "lesions")
        ),
        RowPlan("flips", "CHS-Net, mirrored slices too", "raiu-net", flips=True),
        RowPlan("context", "CHS-Net, box unmasked", "raiu-net", "context"),
        RowPlan("context-flips", "the same, mirrored too", "raiu-net", "context", flips=True),
    ),
    3: (
        RowPlan("miniseg", "MiniSeg", "miniseg", "direct"),
        RowPlan("attention-unet-ftl", "Zhou et al.", "attention-unet-ftl", "direct"),
        RowPlan("inf-net", "Inf-Net", "inf-net", "direct"),
        RowPlan("inf-net-half", "Inf-Net, half of the patients", "inf-net", "half"),
        RowPlan("semi-inf-net", "Semi-Inf-Net, the other half unlabelled", "inf-net", "semi"),
        RowPlan("unet", "U-Net", "unet", "direct"),
        RowPlan("chs-net", "CHS-Net", "raiu-net"),
    ),
    4: (
        *(RowPlan(key, label, key, "direct") for key, label in _ABLATION),
        RowPlan("raiu-net", "BU+RIB+HP+SSD (RAIU-Net)", "raiu-net", "direct"),
    ),
    5: (
        *(
            RowPlan(key, label, network, target=target)
            for key, label, network in (
                *((key, label, key) for key, label in _ABLATION),
                ("chs-net", "BU+RIB+HP+SSD (CHS-Net)", "raiu-net"),
            )
            for target in ("lungs", "lesions")
        ),
        RowPlan("sigmoid", "CHS-Net, sigmoid gates", "raiu-net-sigmoid", lungs="raiu-net"),
        RowPlan("deep", "CHS-Net, deep supervision", "raiu-net-deep", lungs="raiu-net"),
        RowPlan("tversky", "CHS-Net, Tversky loss", "raiu-net", lungs="raiu-net", loss="tversky"),
    ),
}
"""Rows whose key the paper does not have are ours: options, or what a row is judged by."""


def plan_of(table: int) -> tuple[RowPlan, ...]:
    """Rows of a table. Raises: SettingsError where it is none of 2 to 5."""
    if table not in PLANS:
        raise SettingsError(
            f"table is {table}",
            expected="2, 3, 4 or 5",
            remedy="Table 1, the data, is printed by: groundglass audit INDEX",
        )
    return PLANS[table]


def lesion_plan(key: str) -> RowPlan:
    """The row of Table 2 called `key`, for lesions on patient folds."""
    return next(
        plan
        for plan in plan_of(2)
        if (plan.key, plan.target, plan.protocol) == (key, "lesions", "patients")
    )
