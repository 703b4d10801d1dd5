"""The listeners and the sender that the settings ask for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from groundglass.errors import MissingExtraError
from groundglass.server import fronts
from groundglass.server.settings import ServeSettings

OFF = {"enabled": False}


def test_only_what_is_enabled_is_started(make_settings: Callable[..., ServeSettings]) -> None:
    assert len(fronts.fronts_of(make_settings())) == 2
    (dicom,) = fronts.fronts_of(make_settings(http=OFF))
    (http,) = fronts.fronts_of(make_settings(dicom=OFF))
    assert dicom.__module__ == "groundglass.server.store_scp"
    assert http.__module__ == "groundglass.server.http.run"
    assert fronts.fronts_of(make_settings(dicom=OFF, http=OFF)) == []


def test_peers_need_a_sender(make_settings: Callable[..., ServeSettings]) -> None:
    assert fronts.deliver_of(make_settings()) is None
    peers = {"archive": {"kind": "stow", "url": "https://archive.example.org/dicom-web"}}
    assert callable(fronts.deliver_of(make_settings(peers=peers)))


def test_a_missing_package_is_named(
    settings: ServeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(fronts._FRONTS, "dicom", ("package_that_is_not_there", "start"))
    with pytest.raises(MissingExtraError, match=r"'package_that_is_not_there'.*groundglass\[serve"):
        fronts.fronts_of(settings)
