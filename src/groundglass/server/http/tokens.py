"""Bearer tokens: made at random, kept as SHA-256 only, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

SCOPES = ("submit", "read", "admin")
"""submit: send studies. read: jobs, results, readiness, metrics. admin: both, and cancel."""
_BYTES = 32


class KnownToken(Protocol):
    """A token as the configuration holds it."""

    @property
    def name(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def scopes(self) -> Iterable[str]: ...


@dataclass(frozen=True)
class Caller:
    """Who sent a request; `name` is the token's, or the address where no token is asked for."""

    name: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Whether the caller has `scope`; admin has all."""
        return scope in self.scopes or "admin" in self.scopes


class Tokens:
    """The configured tokens. With none every caller may do all: settings allow it on loopback."""

    def __init__(self, known: Iterable[KnownToken]) -> None:
        self._known = [
            (token.sha256.lower().encode("ascii"), Caller(token.name, frozenset(token.scopes)))
            for token in known
        ]

    def __bool__(self) -> bool:
        return bool(self._known)

    def caller(self, authorization: str) -> Caller | None:
        """Who an Authorization header belongs to, or None.

        All hashes are compared, each in constant time: the time taken does not say which was near.
        """
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer":
            return None
        given = hash_token(token.strip()).encode("ascii")
        found = None
        for digest, caller in self._known:
            if hmac.compare_digest(digest, given):
                found = caller
        return found


def hash_token(token: str) -> str:
    """SHA-256 in hex. A token of 256 random bits needs no salt and no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def make_token() -> str:
    """A new token: 256 random bits, safe in a header; `gg_` lets secret scanners know it."""
    return "gg_" + secrets.token_urlsafe(_BYTES)
