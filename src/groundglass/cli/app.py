"""The command line: one module per command, each importing what it needs only when it runs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import groundglass
from groundglass.cli.analyze_command import analyze
from groundglass.cli.audit_command import audit
from groundglass.cli.calibrate_classifier_command import calibrate_classifier
from groundglass.cli.calibrate_command import calibrate
from groundglass.cli.deidentify_command import deidentify
from groundglass.cli.demo_command import demo
from groundglass.cli.evaluate_command import evaluate
from groundglass.cli.folds_command import folds
from groundglass.cli.inspect_command import inspect
from groundglass.cli.networks_command import networks
from groundglass.cli.phantom_command import phantom
from groundglass.cli.prepare_command import prepare
from groundglass.cli.pseudo_label_command import pseudo_label
from groundglass.cli.schema_command import schema
from groundglass.cli.serve_command import serve_app
from groundglass.cli.serve_retry_command import serve_retry
from groundglass.cli.serve_token_command import serve_token
from groundglass.cli.study_command import study
from groundglass.cli.train_command import train
from groundglass.cli.weights_command import weights_app
from groundglass.errors import GroundglassError, SettingsError

NOTICE = "Research use only. Not a medical device."

app = typer.Typer(
    name="groundglass",
    help=f"Chest CT in, answer out: lungs, lesions, measurements and a report. {NOTICE}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"groundglass {groundglass.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Options before the command."""


_SCANS = "Scans"
_SHARING = "Hospitals, and giving data away"
_WEIGHTS = "Weights and formats"
_STUDIES = "Data sets, training and the papers' tables"

_ = app.command("analyze", rich_help_panel=_SCANS)(analyze)
_ = app.command("inspect", rich_help_panel=_SCANS)(inspect)
_ = app.command("demo", rich_help_panel=_SCANS)(demo)
_ = app.command("evaluate", rich_help_panel=_SCANS)(evaluate)
_ = app.command("phantom", rich_help_panel=_SCANS)(phantom)
_ = serve_app.command("token")(serve_token)
_ = serve_app.command("retry")(serve_retry)
app.add_typer(serve_app, name="serve", rich_help_panel=_SHARING)
_ = app.command("deidentify", rich_help_panel=_SHARING)(deidentify)
app.add_typer(weights_app, name="weights", rich_help_panel=_WEIGHTS)
_ = app.command("schema", rich_help_panel=_WEIGHTS)(schema)
_ = app.command("prepare", rich_help_panel=_STUDIES)(prepare)
_ = app.command("audit", rich_help_panel=_STUDIES)(audit)
_ = app.command("folds", rich_help_panel=_STUDIES)(folds)
_ = app.command("networks", rich_help_panel=_STUDIES)(networks)
_ = app.command("train", rich_help_panel=_STUDIES)(train)
_ = app.command("pseudo-label", rich_help_panel=_STUDIES)(pseudo_label)
_ = app.command("calibrate", rich_help_panel=_STUDIES)(calibrate)
_ = app.command("calibrate-classifier", rich_help_panel=_STUDIES)(calibrate_classifier)
_ = app.command("study", rich_help_panel=_STUDIES)(study)


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 the run failed, 2 wrong usage, 130 interrupted."""
    try:
        app()
    except GroundglassError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2 if isinstance(error, SettingsError) else 1)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        sys.exit(130)
