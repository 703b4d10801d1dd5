"""`groundglass networks`: every network that can be trained, from both catalogs."""

from __future__ import annotations

from typing import Annotated

import typer


def networks(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all that the catalog says, as JSON")
    ] = False,
) -> None:
    """List every network that can be trained: parameters at base 16, and its paper.

    First those that segment slices, then those that classify whole scans.
    """
    import json
    from dataclasses import asdict

    from groundglass.catalog import NETWORKS
    from groundglass.classifier_catalog import CLASSIFIERS

    if as_json:
        listed = [{"kind": "segments slices", **asdict(entry)} for entry in NETWORKS]
        listed += [{"kind": "classifies scans", **asdict(entry)} for entry in CLASSIFIERS]
        typer.echo(json.dumps(listed, indent=2))
        return
    every = (*NETWORKS, *CLASSIFIERS)
    names = max(len(entry.name) for entry in every)
    counts = max(len(f"{entry.parameters:,}") for entry in every)
    for title, entries in (
        ("segment slices", NETWORKS),
        ("classify whole scans (classifier of train covtanet, study covtanet)", CLASSIFIERS),
    ):
        typer.echo(f"Networks that {title}:")
        for entry in entries:
            typer.echo(f"{entry.name:{names}}  {entry.parameters:>{counts},}  {entry.paper}")
