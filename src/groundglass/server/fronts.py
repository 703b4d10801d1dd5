"""The listeners and the sender that the settings ask for, imported only when a node starts."""

from __future__ import annotations

import importlib
from typing import Any

from groundglass.errors import MissingExtraError
from groundglass.server.contracts import Deliver, StartFront
from groundglass.server.settings import ServeSettings

_FRONTS = {
    "dicom": ("groundglass.server.store_scp", "start_store_scp"),
    "http": ("groundglass.server.http.run", "start"),
}
_DELIVER = ("groundglass.server.deliver", "deliver")


def fronts_of(settings: ServeSettings) -> list[StartFront]:
    """How to start each listener that is enabled. Raises: MissingExtraError."""
    wanted = {"dicom": settings.dicom.enabled, "http": settings.http.enabled}
    return [_load(*_FRONTS[name]) for name, is_on in wanted.items() if is_on]


def deliver_of(settings: ServeSettings) -> Deliver | None:
    """What sends results, where there are peers. Raises: MissingExtraError."""
    return _load(*_DELIVER) if settings.peers else None


def _load(module: str, name: str) -> Any:
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "serve", "The node") from error
