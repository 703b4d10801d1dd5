"""Which scans of an index are made up: told by their source, which every row carries."""

from __future__ import annotations

PHANTOM = "phantom"
PHANTOM_LICENSE = "none: made by the program"


def phantom_source(name: str) -> str:
    """The source of phantoms in the layout of data set `name`: never the set's own."""
    return f"{name}-{PHANTOM}"


def is_phantom_source(source: str) -> bool:
    """Whether rows of this source are phantoms, of one kind or another."""
    return source == PHANTOM or source.endswith(f"-{PHANTOM}")
