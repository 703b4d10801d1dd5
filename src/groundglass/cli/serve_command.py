"""`groundglass serve`: the node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundglass.cli.serve_extra import need_serve_extra

if TYPE_CHECKING:
    from groundglass.server.settings import ServeSettings

serve_app = typer.Typer(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@serve_app.callback()
def serve(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="Settings as a TOML file", show_default=False)
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            help="Where everything is kept; without --config, all else is at its default",
            show_default=False,
        ),
    ] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print a commented settings file, and end")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Check the settings and their models, and end")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log more")] = False,
) -> None:
    """Take studies over DICOM and HTTP, analyze them, and send the results back.

    By default it listens on this machine alone. Research use only. Not a medical device.
    """
    if context.invoked_subcommand is not None:
        return
    if print_config:
        from groundglass.server.default_config import DEFAULT_CONFIG

        typer.echo(DEFAULT_CONFIG, nl=False)
        return
    if config is None and folder is None:
        raise typer.BadParameter("name a settings file, or --folder to begin with the defaults")
    from groundglass.server.model_names import check_models
    from groundglass.server.settings import read_settings

    own: dict[str, Any] = {} if folder is None else {"folder": folder.absolute()}
    settings = read_settings(config, **own)
    check_models(settings)
    if check:
        typer.echo(f"settings are right; folder {settings.folder}")
        return
    _run(settings, verbose=verbose)


def _run(settings: ServeSettings, *, verbose: bool) -> None:
    """Serve until SIGTERM or Ctrl-C. A second one ends at once."""
    import logging
    import os
    import signal

    need_serve_extra()
    from groundglass.server.fronts import deliver_of, fronts_of
    from groundglass.server.log import set_up_node_logging
    from groundglass.server.supervisor import Supervisor

    os.umask(0o077)  # what the node keeps is for its own user
    set_up_node_logging(logging.DEBUG if verbose else logging.INFO)
    node = Supervisor(settings, fronts=fronts_of(settings), deliver=deliver_of(settings))

    def stop(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        node.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    node.run()
