"""`groundglass serve token`: what it prints is what the settings take and what opens the node."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import get_args

import pytest

from groundglass.cli.serve_token_command import SCOPES
from groundglass.server.http import tokens
from groundglass.server.http.tokens import Tokens
from groundglass.server.listeners import Scope
from groundglass.server.settings import read_settings

from .conftest import Groundglass


def test_the_lines_fit_the_settings_and_the_token(groundglass: Groundglass, tmp_path: Path) -> None:
    answer = groundglass("serve", "token", "pacs-1", "--scope", "submit", "--scope", "read")
    assert answer.code == 0
    token = answer.out.strip()
    assert token.startswith("gg_")
    assert token not in answer.err
    lines = answer.err[answer.err.index("[[http") : answer.err.index("The token")]
    (tmp_path / "node.toml").write_text(f'folder = "node"\n{lines}')
    (known,) = read_settings(tmp_path / "node.toml").http.tokens
    assert known.scopes == {"submit", "read"}
    caller = Tokens([known]).caller(f"Bearer {token}")
    assert caller is not None
    assert caller.name == "pacs-1"
    assert tomllib.loads(lines)["http"]["tokens"][0]["sha256"] != token


def test_scopes_are_those_of_the_settings() -> None:
    assert set(get_args(Scope)) == set(SCOPES) == set(tokens.SCOPES)


def test_each_token_is_another(groundglass: Groundglass) -> None:
    made = {groundglass("serve", "token", "a", "--scope", "read").out for _ in range(3)}
    assert len(made) == 3


@pytest.mark.parametrize(
    "arguments",
    [("a b", "--scope", "read"), ('a"', "--scope", "read"), ("a", "--scope", "root"), ("a",)],
)
def test_wrong_usage(groundglass: Groundglass, arguments: tuple[str, ...]) -> None:
    answer = groundglass("serve", "token", *arguments)
    assert answer.code == 2
    assert answer.out == ""
