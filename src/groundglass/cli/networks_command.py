"""`groundglass networks`: every network that can be trained, from the catalog."""

from __future__ import annotations

from typing import Annotated

import typer


def networks(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all that the catalog says, as JSON")
    ] = False,
) -> None:
    """List every network that can be trained: parameters at base 16, and its paper."""
    import json
    from dataclasses import asdict

    from groundglass.catalog import NETWORKS

    if as_json:
        typer.echo(json.dumps([asdict(entry) for entry in NETWORKS], indent=2))
        return
    names = max(len(entry.name) for entry in NETWORKS)
    counts = max(len(f"{entry.parameters:,}") for entry in NETWORKS)
    for entry in NETWORKS:
        typer.echo(f"{entry.name:{names}}  {entry.parameters:>{counts},}  {entry.paper}")
