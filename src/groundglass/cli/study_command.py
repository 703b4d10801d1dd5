"""`groundglass study`: a table of a paper, from trainings to page and picture, resumable."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from groundglass.studies.registry import Study

_CLASSIFIERS = "covtanet"
"""The study whose rows are classifiers of whole scans, not networks that segment."""


def study(
    name: Annotated[
        str,
        typer.Argument(help="chs-net, ta-segnet or covtanet", metavar="STUDY", show_default=False),
    ],
    table: Annotated[
        int | None,
        typer.Option("--table", help="Of the paper: chs-net 2 to 5, ta-segnet 1 to 3, covtanet 4"),
    ] = None,
    figure: Annotated[
        int | None,
        typer.Option("--figure", help="chs-net, 8: max against spectral pooling"),
    ] = None,
    budget: Annotated[
        str,
        typer.Option("--budget", help="tiny, cpu (an hour on two cores), gpu (an hour) or full"),
    ] = "cpu",
    index: Annotated[
        Path | None,
        typer.Option("--index", help="Prepared folder; left out with tiny: made-up phantoms"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Results; left out: studies/STUDY-BUDGET/results"),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option("--work", help="Runs, kept to go on from; left out: studies/STUDY-BUDGET"),
    ] = None,
    folds: Annotated[
        str | None,
        typer.Option("--folds", help="Patient folds to run, such as 0,1; else the budget's"),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option("--protocol", help="Rows tested by patients, by slices (it leaks), or both"),
    ] = "both",
    rows: Annotated[
        str | None,
        typer.Option("--rows", help="Of these rows alone, such as chs-net,context; else all"),
    ] = None,
    encoder_weights: Annotated[
        Path | None,
        typer.Option(
            "--encoder-weights",
            help="File that an EfficientNet encoder begins with, in rows that have one",
        ),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda or cuda:N")] = "cpu",
    threads: Annotated[
        int, typer.Option("--threads", min=0, help="CPU threads; 0: torch's own choice")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of folds, weights and draws")] = 0,
) -> None:
    """Run a table of the paper end to end, or go on where it was interrupted.

    Every row gets the same data, folds and budget. What is finished is never done twice.
    """
    from groundglass.errors import MissingExtraError, SettingsError

    chosen_study = None if name == _CLASSIFIERS else _study(name)
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("torch", "train", "A study") from error
    place = work or Path("studies") / f"{name}-{budget}"
    if chosen_study is None:
        from groundglass.cli.study_covtanet import Asked, study_covtanet

        asked = Asked(table, figure, folds, protocol, rows, encoder_weights, device, threads, seed)
        for path in study_covtanet(budget, index, place, out or place / "results", asked=asked):
            typer.echo(str(path))
        return
    if figure is not None:
        typer.echo(str(_figure(chosen_study, figure, table, out or place / "results")))
        return
    if table is None:
        figures = ", or --figure 8" if chosen_study.has_cascade else ""
        raise SettingsError(
            "no table is asked for", expected=f"--table {chosen_study.tables}{figures}"
        )
    from groundglass.studies.budget import find_budget
    from groundglass.studies.phantom_index import write_phantom_index
    from groundglass.studies.results import StudyRequest, run_and_write

    keys = None if rows is None else tuple(key.strip() for key in rows.split(","))
    chosen_study.plan_of(table, keys=keys, encoder_weights=encoder_weights)
    chosen = find_budget(budget).of_study(has_cascade=chosen_study.has_cascade)
    numbers = fold_numbers(folds, chosen.fold_count)
    if index is None:
        if budget != "tiny":
            raise SettingsError(
                f"budget {budget} needs data",
                expected="--index FOLDER",
                remedy="Prepare a data set: groundglass prepare --help",
            )
        index = write_phantom_index(place / "phantoms", patients=4, slices=8)
    request = StudyRequest(
        study=chosen_study,
        table=table,
        budget=chosen,
        index=index,
        work=place,
        out=out or place / "results",
        folds=numbers,
        device=device,
        threads=threads,
        seed=seed,
        protocols=_protocols(protocol),
        keys=keys,
        encoder_weights=encoder_weights,
    )
    for path in run_and_write(request, tell=lambda text: typer.echo(text, err=True)):
        typer.echo(str(path))


def _study(name: str) -> Study:
    from groundglass.errors import SettingsError
    from groundglass.studies.plan import listed
    from groundglass.studies.registry import STUDIES

    if name not in STUDIES:
        known = listed([*STUDIES, _CLASSIFIERS])
        raise SettingsError(f"study {name!r} is unknown", expected=known)
    return STUDIES[name]


def _figure(study: Study, number: int, table: int | None, out: Path) -> Path:
    """Draw a figure of the paper that needs no training; its path."""
    from groundglass.errors import SettingsError

    if study.name != "chs-net" or number != 8 or table is not None:
        raise SettingsError(
            f"--figure is {number}" + ("" if table is None else f" with --table {table}"),
            expected=study.figures,
        )
    from groundglass.studies.pooling_figure import draw_pooling

    out.mkdir(parents=True, exist_ok=True)
    path = out / "figure-8.png"
    draw_pooling(path)
    return path


def _protocols(name: str) -> tuple[str, ...]:
    from groundglass.errors import SettingsError
    from groundglass.studies.row import PROTOCOLS

    if name != "both" and name not in PROTOCOLS:
        raise SettingsError(f"protocol {name!r} is unknown", expected="patients, slices or both")
    return tuple(PROTOCOLS) if name == "both" else (name,)


def fold_numbers(text: str | None, count: int) -> tuple[int, ...] | None:
    """'0,2' as numbers below `count`; None for None. Raises: SettingsError."""
    from groundglass.errors import SettingsError

    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    numbers = tuple(int(part) for part in parts if part.isdigit())
    if len(numbers) != len(parts) or len(set(numbers)) != len(numbers) or max(numbers) >= count:
        raise SettingsError(
            f"--folds is {text!r}", expected=f"some of 0 to {count - 1}, each once, with commas"
        )
    return numbers
