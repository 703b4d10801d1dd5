"""`groundglass serve token`: make a token for the node's HTTP side."""

from __future__ import annotations

import re
from typing import Annotated

import typer

SCOPES = ("submit", "read", "admin")


def serve_token(
    name: Annotated[
        str,
        typer.Argument(
            help="Who will use it, as it stands in logs", metavar="NAME", show_default=False
        ),
    ],
    scope: Annotated[
        list[str],
        typer.Option("--scope", help="submit, read or admin; may be repeated", show_default=False),
    ],
) -> None:
    """Make a token: the token on stdout once, and on stderr what goes into the settings file.

    The node keeps its SHA-256 only. Who loses a token makes another and removes the old lines.
    """
    if not re.fullmatch(r"[\w.-]{1,64}", name):
        raise typer.BadParameter(f"{name!r} is no name; use letters, digits, '.', '_' and '-'")
    unknown = [one for one in scope if one not in SCOPES]
    if unknown:
        raise typer.BadParameter(f"scope {unknown[0]!r} is none of {', '.join(SCOPES)}")
    from groundglass.server.http.tokens import hash_token, make_token

    token = make_token()
    scopes = ", ".join(f'"{one}"' for one in dict.fromkeys(scope))
    typer.echo("Add this to the settings file and start the node again:", err=True)
    lines = ("[[http.tokens]]", f'name = "{name}"', f'sha256 = "{hash_token(token)}"')
    typer.echo("\n" + "\n".join((*lines, f"scopes = [{scopes}]")) + "\n", err=True)
    typer.echo("The token, which is shown this once:", err=True)
    typer.echo(token)
