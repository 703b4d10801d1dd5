"""What is added to the heading of a picture that shows phantoms."""

from __future__ import annotations

from collections.abc import Iterable

from groundglass.datasets.index import IndexRow


def phantom_words(rows: Iterable[IndexRow]) -> str:
    """ " (made-up phantoms)" where any row is one, else ""."""
    return " (made-up phantoms)" if any(row.is_phantom for row in rows) else ""
