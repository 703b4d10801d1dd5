"""Tokens: who a header belongs to, scopes, and what a made token looks like."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundglass.server.http.tokens import Caller, Tokens, hash_token, make_token


@dataclass(frozen=True)
class Known:
    name: str
    sha256: str
    scopes: Iterable[str]


TOKENS = Tokens(
    [
        Known("scanner", hash_token("one"), ("submit",)),
        Known("viewer", hash_token("two").upper(), ("read",)),
        Known("boss", hash_token("three"), ("admin",)),
    ]
)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Bearer one", "scanner"),
        ("bearer two", "viewer"),
        ("BEARER  three ", "boss"),
        ("Bearer four", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Basic one", None),
        ("one", None),
        ("", None),
    ],
)
def test_a_header_belongs_to_one_token_or_none(header: str, name: str | None) -> None:
    caller = TOKENS.caller(header)
    assert (caller and caller.name) == name


def test_the_hash_itself_opens_nothing() -> None:
    assert TOKENS.caller(f"Bearer {hash_token('one')}") is None


@given(st.text())
def test_no_text_is_a_token_by_chance_or_fails(text: str) -> None:
    assert TOKENS.caller(f"Bearer {text}") is None or text.strip() in ("one", "two", "three")


def test_admin_may_all_and_others_what_they_were_given() -> None:
    submit, admin = Caller("a", frozenset({"submit"})), Caller("b", frozenset({"admin"}))
    assert [submit.may(s) for s in ("submit", "read", "admin")] == [True, False, False]
    assert [admin.may(s) for s in ("submit", "read", "admin")] == [True, True, True]


def test_a_known_hash() -> None:
    """SHA-256 of the empty string, from FIPS 180-4's examples."""
    assert hash_token("").startswith("e3b0c44298fc1c149afbf4c8996fb924")


def test_made_tokens_differ_and_fit_a_header() -> None:
    made = {make_token() for _ in range(50)}
    assert len(made) == 50
    assert all(token.startswith("gg_") and len(token) == 46 for token in made)
    assert all(token.isascii() and " " not in token for token in made)


def test_no_token_configured_is_false() -> None:
    assert TOKENS
    assert not Tokens([])
