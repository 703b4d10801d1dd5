"""`groundglass pseudo-label`: a trained network goes on learning from slices nobody labeled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from groundglass.datasets.index import PreparedScan
    from groundglass.training.loop import Progress
    from groundglass.training.select import Selection
    from groundglass.training.settings import TrainSettings

_LINE_EVERY = 10
"""Steps between lines of progress."""


def pseudo_label(
    unlabeled: Annotated[
        Path,
        typer.Argument(
            help="Folder of PNG/JPEG slices, of scans (DICOM, NIfTI, ...), or prepared",
            metavar="UNLABELED",
            show_default=False,
        ),
    ],
    start: Annotated[Path, typer.Option("--start", help="Run folder of the supervised network")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the rounds; goes on there")],
    index: Annotated[
        Path | None,
        typer.Option("--index", help="Prepared folder of labeled scans; else the start run's"),
    ] = None,
    chunk: Annotated[
        int | None, typer.Option("--chunk", min=1, help="Slices per round; else a tenth of all")
    ] = None,
    rounds: Annotated[
        int | None, typer.Option("--rounds", min=1, help="Rounds; with --chunk at most so many")
    ] = None,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Training steps per round")] = 200,
    labeled_share: Annotated[
        float, typer.Option("--labeled-share", help="Share drawn from the labeled scans, 0 to 1")
    ] = 0.5,
    fine_tune: Annotated[
        bool, typer.Option("--fine-tune", help="End with training on the labeled scans alone")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Order of slices and draws")] = 0,
    intensity: Annotated[
        str, typer.Option("--intensity", help="auto, hu, uint8 or window:LO,HI, for UNLABELED")
    ] = "auto",
    lungs: Annotated[
        str, typer.Option("--lungs", help="Weights that find lungs, for a start of stage lesions")
    ] = "chs-net",
    device: Annotated[
        str | None, typer.Option("--device", help="cpu, cuda, cuda:N or auto; else the start's")
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="CPU threads; else the start's")
    ] = None,
) -> None:
    """Label slices with a trained network, go on training on them, and again until all are used.

    Labeled scans that the start run held out, and patients of theirs, stay out.
    """
    from rich.console import Console

    from groundglass.errors import MissingExtraError, SettingsError

    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch", "train", "Training") from error
    from groundglass.training.pseudo_labels import PseudoLabelSettings, pseudo_label_rounds
    from groundglass.training.select import select_scans

    if not 0 < labeled_share < 1:
        raise SettingsError(
            f"--labeled-share is {labeled_share}", expected="more than 0 and less than 1"
        )
    changes = {"index": index and str(index), "threads": threads}
    if device is not None:
        from groundglass.cli.train_command import _device

        changes["device"] = _device(device, cuda=torch.cuda.is_available())
    settings = _settings(start, steps, {k: v for k, v in changes.items() if v is not None})
    console = Console(stderr=True)
    labeled = select_scans(settings)
    scans = _read(unlabeled, intensity, lungs if settings.stage == "lesions" else None, console)
    _check_apart(scans, labeled)
    total = sum(len(scan.image) for scan in scans)
    console.print(f"{len(labeled.train)} labeled scans, {total} unlabeled slices", highlight=False)
    how = PseudoLabelSettings(
        chunk=chunk, rounds=rounds, labeled_share=labeled_share, fine_tune=fine_tune, seed=seed
    )
    last = pseudo_label_rounds(
        labeled.train, scans, settings, how, out, start=start, watch=_lines(console)
    )
    typer.echo(str(last))


def _settings(start: Path, steps: int, changes: dict[str, object]) -> TrainSettings:
    """Those of the start run, with its last phase of `steps` steps as the only one."""
    from groundglass.training.checkpoint import load_result
    from groundglass.training.settings import TrainSettings

    stored = load_result(start).settings
    known = {name: value for name, value in stored.items() if name in TrainSettings.model_fields}
    settings = TrainSettings.model_validate({**known, **changes})
    phase = settings.phases[-1].model_copy(update={"steps": steps, "warmup": 0})
    return settings.model_copy(update={"phases": (phase,)})


def _read(source: Path, intensity: str, lungs: str | None, console: Console) -> list[PreparedScan]:
    """The unlabeled scans, with lungs by the weights called `lungs`, if given."""
    from groundglass.datasets.unlabelled import FindLungs, read_unlabelled
    from groundglass.intensity import IntensityChoice

    find: FindLungs | None = None
    if lungs is not None:
        from groundglass.predictor.cascade import Cascade
        from groundglass.weights.store import find_weights

        cascade = Cascade(find_weights(lungs))
        find = lambda volume: cascade.segment(volume).lungs  # noqa: E731
    return read_unlabelled(
        source,
        intensity=IntensityChoice.parse(intensity),
        find_lungs=find,
        progress=lambda done, total, name: console.print(f"{done}/{total} {name}", soft_wrap=True),
    )


def _check_apart(scans: list[PreparedScan], labeled: Selection) -> None:
    """No unlabeled scan may be of a patient who is held out."""
    from groundglass.errors import DatasetError

    apart = {scan.row.group for scan in (*labeled.held_out, *labeled.validation)}
    apart |= {scan.row.scan_id for scan in (*labeled.held_out, *labeled.validation)}
    both = [scan.row.scan_id for scan in scans if apart & {scan.row.group, scan.row.scan_id}]
    if both:
        raise DatasetError(
            f"unlabeled scans are held out by the start run: {', '.join(both)}",
            expected="slices of other patients",
            remedy="Take them out of the folder",
        )


def _lines(console: Console) -> Callable[[int, int, Progress], None]:
    def show(number: int, total: int, progress: Progress) -> None:
        if progress.step % _LINE_EVERY == 0 or progress.step == progress.total:
            console.print(
                f"round {number}/{total}  step {progress.step}/{progress.total}  "
                f"loss {progress.loss:.4f}  {progress.slices_per_second:.2f} slices/s",
                highlight=False,
            )

    return show
