"""The studies that `groundglass study` knows, by name, and what sets them apart."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from groundglass.errors import SettingsError
from groundglass.studies import plan_chs_net, plan_ta_segnet
from groundglass.studies.paper import Paper
from groundglass.studies.papers import find_paper
from groundglass.studies.plan import RowPlan, begun_from, listed, rows_called, rows_planned

_LESION_FREE = (
    "Lesion-free scans train where nothing else is said, and are in no test figure; what was "
    "called on them is noted at the rows."
)


@dataclass(frozen=True)
class DataSet:
    """What a paper made a table on. `source` is its name in an index, `name` the paper's."""

    source: str
    name: str


@dataclass(frozen=True)
class Study:
    """One study. `elsewhere`: where the paper's other tables are. `notes` stand in every page.

    `stages`: the kinds of training that its rows may have. `data`: by table, what the paper used,
    where an index may hold that or another. `figures` says what `--figure` can draw.
    """

    name: str
    plans: Mapping[int, tuple[RowPlan, ...]]
    elsewhere: str
    stages: tuple[str, ...]
    notes: tuple[str, ...]
    data: Mapping[int, DataSet]
    figures: str

    @property
    def paper(self) -> Paper:
        return find_paper(self.name)

    @property
    def has_cascade(self) -> bool:
        return "lungs" in self.stages

    @property
    def tables(self) -> str:
        """'1, 2 or 3'."""
        return listed(self.plans)

    def plan_of(
        self,
        table: int,
        *,
        keys: Collection[str] | None = None,
        encoder_weights: Path | None = None,
    ) -> tuple[RowPlan, ...]:
        """Rows of a table, of these `keys` alone where some are given, in the table's order.

        `encoder_weights`: a file that their encoders begin with.
        Raises: SettingsError where there is no such table or row, or no row with such an encoder.
        """
        rows = rows_planned(self.plans, table, remedy=self.elsewhere)
        if keys is not None:
            rows = rows_called(rows, keys)
        return rows if encoder_weights is None else begun_from(rows, encoder_weights)


_MOSMED = DataSet("mosmed", "MosMedData (its 50 volumes with masks)")
_DATASET_2 = DataSet(
    "covid19-ct-seg", 'Dataset-2 (the 20 volumes of "COVID-19 CT Lung and Infection Segmentation")'
)

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        Study(
            name="chs-net",
            plans=plan_chs_net.PLANS,
            elsewhere=plan_chs_net.ELSEWHERE,
            stages=("lungs", "lesions", "direct"),
            notes=(
                "Networks are compared as they are: no clean-up of lesions, threshold 0.5, "
                "mirrored slices only where a row says so; the lungs that a second stage is shown "
                "are cleaned as the product's are. " + _LESION_FREE,
                "Minutes are those of training, of shared first stages at every row that uses "
                "them.",
            ),
            data={},
            figures="--figure 8 alone; Fig. 14 is written with --table 2",
        ),
        Study(
            name="ta-segnet",
            plans=plan_ta_segnet.PLANS,
            elsewhere=plan_ta_segnet.ELSEWHERE,
            stages=("direct",),
            notes=(
                "Every network sees whole slices, without a lung stage, and trains with the loss "
                "of its catalog entry, from scratch where nothing else is said.",
                "Networks are compared as they are: no clean-up of lesions, no flips, threshold "
                "0.5. " + _LESION_FREE,
                "Minutes are those of training.",
            ),
            data={1: _MOSMED, 2: _MOSMED, 3: _DATASET_2},
            figures="no --figure; Fig. 8 is written with every table",
        ),
    )
}


def find_study(name: str) -> Study:
    """The study called `name`. Raises: SettingsError listing what there is."""
    if name not in STUDIES:
        raise SettingsError(f"study {name!r} is unknown", expected=listed(STUDIES))
    return STUDIES[name]


def data_notice(
    study: Study, table: int, sources: Mapping[str, int], *, lesion_free: int = 0
) -> str:
    """Which scans a table was made on, beside what the paper's was made on; "" where untold.

    `sources`: source -> number of scans, as an index has them; `lesion_free`: how many of all.
    """
    wanted = study.data.get(table)
    if wanted is None:
        return ""
    used = ", ".join(f"{count} scans of {name}" for name, count in sorted(sources.items()))
    numeral = ("I", "II", "III", "IV", "V")[table - 1]
    theirs = f"the paper's Table {numeral} was made on {wanted.name}"
    if set(sources) == {wanted.source} and lesion_free:
        return f"Made on {used}, {lesion_free} of them lesion-free and in no test figure; {theirs}."
    if set(sources) == {wanted.source}:
        return f"Made on {used}; {theirs}, too."
    if wanted.source in sources:
        return f"Made on {used}; {theirs} alone, so the data are not the same."
    return f"Made on {used}, not on the paper's data: {theirs}, none of which is here."
