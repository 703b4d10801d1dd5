"""Table 1 of the paper as what was found: volumes, dimensions and slices of every source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from groundglass.datasets.grades import GRADES
from groundglass.datasets.index import IndexRow, PreparedScan, count_slices
from groundglass.datasets.mosmed_registry import PUBLISHED, PUBLISHED_MASKS

FUSED = "together"


@dataclass(frozen=True)
class Composition:
    """One source of a data set, counted; None where nobody counted it.

    `dimensions` are the published volumes' rows x columns where the index knows them, else the
    frames'. `paper_volumes` and the others are those of the paper's Table 1, None where it has
    none; it gives slices for both sources together only.
    """

    source: str
    volumes: int
    groups: int
    dimensions: tuple[str, ...]
    slices: int
    lung_slices: int | None
    lesion_slices: int | None
    dark_slices: int | None
    paper_volumes: int | None = None
    paper_dimensions: str = ""
    paper_slices: int | None = None
    paper_lung_slices: int | None = None
    paper_lesion_slices: int | None = None


_PAPER = {
    "covid19-ct-seg-nr2": {"paper_volumes": 9, "paper_dimensions": "630x630"},
    "covid19-ct-seg": {"paper_volumes": 20, "paper_dimensions": "630x630, 512x512"},
    FUSED: {
        "paper_volumes": 29,
        "paper_slices": 3560,
        "paper_lung_slices": 3560,
        "paper_lesion_slices": 2200,
    },
}
"""Source: CHS-Net Table 1; 29 volumes in section 4.1."""


@dataclass(frozen=True)
class GradeCount:
    """Scans of one published grade in one source, those of them with drawn lesions, and how many
    of either were published (None where we do not know the source)."""

    source: str
    grade: str
    diagnosis: str
    severity: str
    volumes: int
    with_mask: int
    published_volumes: int | None
    published_with_mask: int | None


def count_grades(rows: Sequence[IndexRow]) -> list[GradeCount]:
    """One line per source and grade, in order; none for sources that have no grades.

    Of a known source every published grade has a line, also where no scan of it is there.
    """
    graded = [row for row in rows if row.grade]
    lines = []
    for source in sorted({row.source for row in graded}):
        known = source == "mosmed"
        found = {row.grade for row in graded if row.source == source}
        for grade in sorted(found | (set(PUBLISHED) if known else set())):
            here = [row for row in graded if (row.source, row.grade) == (source, grade)]
            diagnosis, severity = GRADES.get(grade, ("", ""))
            lines.append(
                GradeCount(
                    source=source,
                    grade=grade,
                    diagnosis=diagnosis,
                    severity=severity,
                    volumes=len(here),
                    with_mask=sum(row.lesions_by == "reference" for row in here),
                    published_volumes=PUBLISHED.get(grade, 0) if known else None,
                    published_with_mask=PUBLISHED_MASKS.get(grade, 0) if known else None,
                )
            )
    return lines


@dataclass(frozen=True)
class SliceCounts:
    """Slices of one scan with lung and with lesion, None where its file could not be read."""

    lung_slices: int | None
    lesion_slices: int | None


def counted(row: IndexRow, scan: PreparedScan | None) -> SliceCounts:
    """Count in the masks; without them, what the index says."""
    if scan is None:
        return SliceCounts(row.lung_slices, row.lesion_slices)
    return SliceCounts(count_slices(scan.lungs), count_slices(scan.lesions))


def compose(rows: Sequence[IndexRow], counts: dict[str, SliceCounts]) -> list[Composition]:
    """One line per source, in order of name, and one for all together (the paper's fused set).

    `counts` by scan id. The paper's figures stand beside a source of the name that
    `groundglass prepare` gives, and beside the whole where both are there.
    """
    sources = sorted({row.source for row in rows})
    lines = [_line(name, [r for r in rows if r.source == name], counts) for name in sources]
    whole = _line(FUSED, rows, counts, both={"covid19-ct-seg", "covid19-ct-seg-nr2"} <= {*sources})
    return [*lines, whole]


def _line(
    name: str, rows: Sequence[IndexRow], counts: dict[str, SliceCounts], *, both: bool = True
) -> Composition:
    return Composition(
        source=name,
        volumes=len(rows),
        groups=len({row.group for row in rows}),
        dimensions=tuple(sorted({_dimensions(row) for row in rows} - {""})),
        slices=sum(row.slices for row in rows),
        lung_slices=_sum([counts[row.scan_id].lung_slices for row in rows]),
        lesion_slices=_sum([counts[row.scan_id].lesion_slices for row in rows]),
        dark_slices=_sum([row.dark_slices for row in rows]),
        **(_PAPER.get(name, {}) if both else {}),
    )


def _dimensions(row: IndexRow) -> str:
    """ "630x630" of "45x630x630"; '' where an older index does not say."""
    return row.source_shape.partition("x")[2]


def _sum(numbers: list[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None
