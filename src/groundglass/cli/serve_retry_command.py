"""`groundglass serve retry`: put back what failed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from groundglass.cli.serve_extra import need_serve_extra


def serve_retry(
    job: Annotated[str, typer.Argument(help="Id of the job", metavar="JOB", show_default=False)],
    config: Annotated[
        Path | None, typer.Option(help="The node's settings file", show_default=False)
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="The node's folder", show_default=False)
    ] = None,
) -> None:
    """Put a failed or canceled job back into the queue; of a job that is done, its deliveries.

    The node may run or not. All tries are given again.
    """
    if config is None and folder is None:
        raise typer.BadParameter("name the node's settings file, or its --folder")
    need_serve_extra()
    from groundglass.errors import QueueError
    from groundglass.server.jobs import JobStore
    from groundglass.server.settings import read_settings

    own: dict[str, Any] = {} if folder is None else {"folder": folder.absolute()}
    jobs = JobStore.from_settings(read_settings(config, **own))
    try:
        found = jobs.get(job)
        if found is None:
            raise QueueError(f"job {job!r} is not in the queue", expected="the id of a job")
        if jobs.retry(job):
            typer.echo(f"job {job} waits again")
            return
        count = jobs.deliveries.retry(job) if found.state == "done" else 0
        if not count:
            raise QueueError(
                f"job {job} is {found.state}, and none of its deliveries failed",
                expected="a job or a delivery that failed or was canceled",
            )
        typer.echo(f"{count} deliveries of job {job} wait again")
    finally:
        jobs.close()
