"""Provenance, which is free in form, as headed tables of short rows and folded long parts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TITLES = {
    "weights": "Weights",
    "classifier": "Classifier",
    "versions": "Versions",
    "seconds": "Seconds per stage",
    "series": "Series",
    "deidentification": "De-identification",
    "recipe": "Recipe",
}
_LONGEST_LIST = 6


@dataclass(frozen=True)
class ProvenanceGroup:
    """A heading with rows of (name, value), or with text to be folded away."""

    title: str
    rows: tuple[tuple[str, str], ...] = ()
    folded: str = ""


def provenance_groups(provenance: Mapping[str, Any]) -> tuple[ProvenanceGroup, ...]:
    """Groups in the order given; plain values first, under 'Run', recipes folded at the end."""
    plain: list[tuple[str, str]] = []
    groups: list[ProvenanceGroup] = []
    folded: list[ProvenanceGroup] = []
    for key, value in provenance.items():
        title = _TITLES.get(key, _words(key))
        if _is_plain(value):
            plain.append((_words(key), _text(value)))
        elif key == "recipe" or _depth(value) > 2:
            text = json.dumps(value, indent=2, default=str, ensure_ascii=False)
            folded.append(ProvenanceGroup(title, folded=text))
        else:
            groups += _group(title, value)
    run = [ProvenanceGroup("Run", tuple(plain))] if plain else []
    return (*run, *groups, *folded)


def _group(title: str, value: Any) -> list[ProvenanceGroup]:
    if isinstance(value, Mapping):
        nested = {k: v for k, v in value.items() if isinstance(v, Mapping)}
        rows = tuple((_words(k), _text(v)) for k, v in value.items() if k not in nested)
        out = [ProvenanceGroup(title, rows)] if rows else []
        return out + [
            ProvenanceGroup(
                f"{title}: {_words(k)}", tuple((_words(n), _text(v)) for n, v in part.items())
            )
            for k, part in nested.items()
        ]
    out = []
    for number, item in enumerate(value, start=1):
        if isinstance(item, Mapping):
            rows = tuple((_words(k), _text(v)) for k, v in item.items())
        else:
            rows = (("", _text(item)),)
        heading = title if len(value) == 1 else f"{title} {number}"
        out.append(ProvenanceGroup(heading, rows))
    return out


def _depth(value: Any) -> int:
    if isinstance(value, Mapping):
        return 1 + max((_depth(v) for v in value.values()), default=0)
    if isinstance(value, list | tuple):
        return max((_depth(v) for v in value), default=0) + (0 if _is_plain(value) else 1)
    return 0


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return len(value) <= _LONGEST_LIST and all(_is_scalar(v) for v in value)
    return _is_scalar(value)


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, Mapping | list | tuple | set)


def _text(value: Any) -> str:
    if value is None:
        return "\u2013"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, list | tuple):
        return ", ".join(_text(v) for v in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{_words(k)} {_text(v)}" for k, v in value.items())
    return str(value)


def _words(key: object) -> str:
    return str(key).replace("_", " ")
