"""The settings file: defaults that are written down, wrong fields named, no open door."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from groundglass.errors import SettingsError
from groundglass.server import listeners, peers, rules
from groundglass.server.default_config import DEFAULT_CONFIG
from groundglass.server.settings import (
    AnalysisSettings,
    Limits,
    Retention,
    SendSettings,
    ServeSettings,
    read_settings,
)

MODELS: list[type[BaseModel]] = [
    ServeSettings, Limits, Retention, AnalysisSettings, SendSettings, listeners.Tls,
    listeners.AllowedPeer, listeners.DicomListener, listeners.Token, listeners.HttpListener,
    peers.ClientTls, peers.DicomPeer, peers.StowPeer, rules.Rule,
]  # fmt: skip
TLS = {"certificate": "node.pem", "key": "node.key"}
TOKEN = {"name": "pacs", "sha256": "0" * 64, "scopes": ["submit"]}


def write(folder: Path, text: str) -> Path:
    path = folder / "node.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_printed_file_is_the_defaults(tmp_path: Path) -> None:
    printed = read_settings(write(tmp_path, DEFAULT_CONFIG))
    assert printed == ServeSettings(folder=tmp_path / "node")


def test_the_printed_file_is_right_with_every_comment_taken_off(tmp_path: Path) -> None:
    text = re.sub(r"^# (?=\w+ = |\[)", "", DEFAULT_CONFIG, flags=re.M)
    whole = read_settings(write(tmp_path, text))
    assert set(whole.peers) == {"pacs", "archive"}
    assert [rule.action for rule in whole.rules] == ["ignore", "analyze"]
    assert whole.dicom.allowed[0].address == "10.0.0.7"
    assert whole.http.tokens[0].name == "pacs"
    assert whole.dicom.tls is not None
    assert whole.dicom.tls.key == tmp_path / "node.key"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_setting_is_in_the_printed_file(model: type[BaseModel]) -> None:
    words = set(re.findall(r"\w+", DEFAULT_CONFIG))
    assert set(model.model_fields) - words <= {"own", "ca"}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("worker = 2", "worker: Extra inputs"),
        ("workers = -1", "workers: Input should be greater"),
        ("[dicom]\nae_title = 'A\\B'", "dicom.ae_title"),
        ("[dicom]\nae_title = 'SEVENTEEN_LETTERS'", "dicom.ae_title"),
        ("[[dicom.allowed]]\nae_title = 'A'\naddress = 'scanner'", "does not appear to be an IPv4"),
        ("[http]\nport = 70000", "http.port"),
        ("database = 'mysql://x'", "database: kind is 'mysql'"),
        ("[peers.p]\nkind = 'ftp'", "peers.p"),
        ("[peers.p]\nkind = 'stow'\nurl = 'archive'", "peers.p.stow.url"),
        ("[[rules]]\nname = 'r'\nseries_description = '('", "no regular expression"),
        ("[[rules]]\nname = 'r'\nslice_thickness_mm = [3, 1]", "slice_thickness_mm is [3, 1]"),
        ("[[rules]]\nname = 'r'\nsend_to = ['pacs']", "sends to pacs, and the peers are: none"),
        ("[[rules]]\nname = 'r'\naction = 'ignore'\ndicom = ['sr']", "have no effect"),
        ("[[rules]]\nname = 'r'\ndicom = ['gif']", "rules.0.dicom.0"),
        ("[limits]\nmax_object_mib = 0\nfree_disk_mib = -1", "limits.free_disk_mib"),
        ("folder = ", "cannot be read"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, wrong: str) -> None:
    start = "" if text.startswith("folder") else "folder = 'node'\n"
    with pytest.raises(SettingsError) as caught:
        read_settings(write(tmp_path, start + text))
    assert wrong in str(caught.value)
    assert "node.toml" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--print-config"):
        read_settings(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("part", "values", "missing"),
    [
        ("dicom", {"host": "0.0.0.0"}, "no sender is allowed"),
        ("dicom", {"host": "::", "allowed": [{"ae_title": "A"}]}, "without encryption"),
        ("dicom", {"host": "10.0.0.1", "tls": TLS}, "no sender is allowed"),
        ("http", {"host": "0.0.0.0", "tls": TLS}, "there is no token"),
        ("http", {"host": "node.example.org", "tokens": [TOKEN]}, "without encryption"),
        ("http", {"host": "0.0.0.0", "insecure": True}, "there is no token"),
        ("http", {"tokens": [TOKEN, TOKEN]}, "same name pacs"),
    ],
)
def test_no_open_door(part: str, values: dict[str, Any], missing: str) -> None:
    with pytest.raises(SettingsError, match=missing):
        read_settings(folder="node", **{part: values})


@pytest.mark.parametrize(
    ("part", "values"),
    [
        ("dicom", {"host": "localhost"}),
        ("dicom", {"host": "::1"}),
        ("dicom", {"host": "127.9.9.9"}),
        ("dicom", {"host": "0.0.0.0", "enabled": False}),
        ("dicom", {"host": "0.0.0.0", "allowed": [{"ae_title": "A"}], "tls": TLS}),
        ("dicom", {"host": "0.0.0.0", "allowed": [{"ae_title": "A"}], "insecure": True}),
        ("http", {"host": "0.0.0.0", "tokens": [TOKEN], "tls": TLS}),
        ("http", {"host": "0.0.0.0", "tokens": [TOKEN], "insecure": True}),
    ],
)
def test_a_guarded_door_may_open(part: str, values: dict[str, Any]) -> None:
    assert getattr(read_settings(folder="node", **{part: values}), part)


def test_where_things_lie(tmp_path: Path) -> None:
    plain = read_settings(folder=tmp_path)
    assert plain.database_url == f"sqlite:///{tmp_path}/queue.sqlite"
    other = read_settings(folder=tmp_path, database="postgresql+psycopg://u:secret@h/d")
    assert other.database_url == "postgresql+psycopg://u:secret@h/d"
    assert "secret" not in repr(other)
    places = [plain.spool_folder, plain.results_folder, plain.work_folder, plain.uploads_folder]
    assert len({*places, plain.audit_file}) == 5
    assert {place.parent for place in places} == {tmp_path}
