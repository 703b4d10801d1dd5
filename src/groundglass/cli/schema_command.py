"""`groundglass schema`: the JSON Schema of findings.json, for programs that read it."""

from __future__ import annotations

import json

import typer


def schema() -> None:
    """Print the JSON Schema of findings.json."""
    from groundglass.findings import findings_schema

    typer.echo(json.dumps(findings_schema(), indent=2))
