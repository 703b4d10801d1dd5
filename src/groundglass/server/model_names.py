"""Whether the models that the settings name are here: asked before the first study comes."""

from __future__ import annotations

from collections.abc import Iterator

from groundglass.errors import SettingsError, WeightsError
from groundglass.server.settings import ServeSettings
from groundglass.weights.store import find_classifier_weights, find_weights

_FIND = {"lesion_model": find_weights, "classifier": find_classifier_weights}


def check_models(settings: ServeSettings) -> None:
    """Raises: SettingsError for the first name that no weights of its kind have."""
    for where, kind, name in _named(settings):
        try:
            _FIND[kind](name)
        except WeightsError as error:
            raise SettingsError(f"{where}: {kind} cannot be used: {error}") from error


def _named(settings: ServeSettings) -> Iterator[tuple[str, str, str]]:
    """Where each model is named, of which kind it is, and its name."""
    tables = [("[analysis]", settings.analysis)]
    tables += [(f"rule {rule.name!r}", rule) for rule in settings.rules]
    for where, table in tables:
        for kind in _FIND:
            name = getattr(table, kind)
            if name is not None:
                yield where, kind, name
