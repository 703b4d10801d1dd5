"""`groundglass study covtanet`: Table IV, classifiers of whole scans."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import typer


@dataclass(frozen=True)
class Asked:
    """Options of the study command, as typed."""

    table: int | None
    figure: int | None
    folds: str | None
    protocol: str
    rows: str | None
    encoder_weights: Path | None
    device: str
    threads: int
    seed: int


def study_covtanet(
    budget: str, index: Path | None, work: Path, out: Path, *, asked: Asked
) -> list[Path]:
    """Run Table IV, or go on with it; the files written. Raises: SettingsError."""
    from groundglass.cli.study_command import fold_numbers
    from groundglass.errors import SettingsError
    from groundglass.studies.covtanet_budget import find_class_budget
    from groundglass.studies.covtanet_study import ClassRequest, check_table, run_class_study
    from groundglass.studies.phantom_cohort_index import write_phantom_cohort_index

    if asked.figure is not None:
        raise SettingsError(
            f"--figure is {asked.figure}", expected="no --figure: they come with --table 4"
        )
    check_table(asked.table)
    if asked.protocol == "slices":
        raise SettingsError(
            "protocol slices parts the slices of a scan, and covtanet labels whole scans",
            expected="patients",
        )
    for option, given in (("--rows", asked.rows), ("--encoder-weights", asked.encoder_weights)):
        if given is not None:
            raise SettingsError(f"{option} is {given}", expected=f"no {option} with covtanet")
    chosen = find_class_budget(budget)
    chosen = chosen.with_folds(fold_numbers(asked.folds, chosen.fold_count))
    if index is None:
        if budget != "tiny":
            raise SettingsError(
                f"budget {budget} needs data",
                expected="--index FOLDER",
                remedy="Prepare MosMedData: groundglass prepare mosmed --all",
            )
        index = write_phantom_cohort_index(work / "phantoms")
    request = ClassRequest(
        budget=chosen,
        index=index,
        work=work,
        out=out,
        device=asked.device,
        threads=asked.threads,
        seed=asked.seed,
    )
    return run_class_study(request, tell=lambda text: typer.echo(text, err=True))
