"""Everything that can be set about the node, from one TOML file, checked before anything starts."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from groundglass.errors import SettingsError
from groundglass.server.listeners import DicomListener, Frozen, HttpListener
from groundglass.server.paths import ConfigPath
from groundglass.server.peers import Peer
from groundglass.server.rules import EVERY_CT, DicomOutput, Rule


class Limits(Frozen):
    """What a sender may ask of the disk.

    `max_studies_waiting` counts studies not yet analyzed; `free_disk_mib` must stay free.
    """

    max_object_mib: int = Field(default=1024, ge=1)
    max_study_mib: int = Field(default=8192, ge=1)
    max_instances: int = Field(default=10_000, ge=1)
    max_studies_waiting: int = Field(default=200, ge=1)
    free_disk_mib: int = Field(default=2048, ge=0)


class Retention(Frozen):
    """Days that things stay after their study was dealt with; 0: gone with the next round."""

    studies_days: float = Field(default=7, ge=0)
    results_days: float = Field(default=30, ge=0)


class AnalysisSettings(Frozen):
    """What an analysis is, where a rule says nothing else. `minutes`: a longer one is killed.

    `dicom` left out: the objects that `groundglass analyze` writes, and none where the headers do
    not allow any. Objects that are named must be possible, or the job fails.
    """

    engine: str = "auto"
    device: str = "auto"
    lesion_model: str | None = None
    classifier: str | None = None
    dicom: tuple[DicomOutput, ...] | None = None
    minutes: float = Field(default=60, gt=0)


class SendSettings(Frozen):
    """How often a result is offered to a peer, and the first and longest wait between.

    `parallel` results are on their way at once, so that one dead peer does not hold up the rest.
    """

    tries: int = Field(default=10, ge=1)
    backoff_seconds: float = Field(default=30, gt=0)
    longest_backoff_seconds: float = Field(default=3600, gt=0)
    timeout_seconds: float = Field(default=60, gt=0)
    parallel: int = Field(default=4, ge=1)


class ServeSettings(Frozen):
    """The node's settings. `database`: an SQLAlchemy URL, left out a SQLite file in `folder`.

    `quiet_seconds`: a study is taken as complete when nothing came for so long. `lease_seconds`:
    a worker silent for so long has lost its job. `tries`: after so many a job is set aside.
    `drain_seconds`: told to stop, a worker has so long to finish. `audit_uids`: the audit file
    names studies by UID, not by a hash of it.
    """

    folder: ConfigPath
    database: str | None = Field(default=None, repr=False)  # may hold a password
    quiet_seconds: float = Field(default=30, gt=0)
    workers: int = Field(default=1, ge=0)
    lease_seconds: float = Field(default=60, gt=0)
    tries: int = Field(default=3, ge=1)
    backoff_seconds: float = Field(default=30, ge=0)
    drain_seconds: float = Field(default=60, ge=0)
    audit_uids: bool = False
    dicom: DicomListener = DicomListener()
    http: HttpListener = HttpListener()
    limits: Limits = Limits()
    retention: Retention = Retention()
    analysis: AnalysisSettings = AnalysisSettings()
    send: SendSettings = SendSettings()
    peers: dict[str, Peer] = Field(default_factory=dict)
    rules: tuple[Rule, ...] = (EVERY_CT,)

    @field_validator("database")
    @classmethod
    def _is_a_known_kind(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("sqlite:///", "postgresql+psycopg://")):
            kind = url.split(":", 1)[0]
            raise ValueError(f"kind is {kind!r}, not sqlite:///FILE or postgresql+psycopg://...")
        return url

    @model_validator(mode="after")
    def _peers_are_known(self) -> Self:
        for rule in self.rules:
            unknown = sorted(set(rule.send_to) - set(self.peers))
            if unknown:
                known = ", ".join(sorted(self.peers)) or "none"
                raise ValueError(
                    f"rule {rule.name!r} sends to {', '.join(unknown)}, and the peers are: {known}"
                )
        return self

    @property
    def database_url(self) -> str:
        """The database, SQLite in the folder unless another is named."""
        return self.database or f"sqlite:///{self.folder.absolute() / 'queue.sqlite'}"

    @property
    def spool_folder(self) -> Path:
        """Received objects."""
        return self.folder / "spool"

    @property
    def uploads_folder(self) -> Path:
        """Scans that came as one file and are no DICOM."""
        return self.folder / "uploads"

    @property
    def results_folder(self) -> Path:
        """Finished analyses."""
        return self.folder / "results"

    @property
    def work_folder(self) -> Path:
        """Analyses under way; nothing in it outlives them."""
        return self.folder / "work"

    @property
    def audit_file(self) -> Path:
        """One JSON line per event."""
        return self.folder / "audit.jsonl"


def read_settings(path: Path | None = None, **overrides: Any) -> ServeSettings:
    """Settings from a TOML file; `overrides` replace its top-level values.

    Relative paths in the file are relative to its folder. Raises: SettingsError naming each
    wrong field.
    """
    values: Any = {}
    name = "the node's settings"
    if path is not None:
        name = f"settings file {path}"
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"{name} cannot be read ({error})",
                expected="a TOML file",
                remedy="Print one to begin with: groundglass serve --print-config",
            ) from error
    base = None if path is None else path.absolute().parent
    try:
        checked = ServeSettings.model_validate(values | overrides, context={"base": base})
    except ValidationError as error:
        wrong = "; ".join(_said(dict(item)) for item in error.errors(include_url=False))
        raise SettingsError(f"{name} cannot be used: {wrong}") from error
    return checked


def _said(item: dict[str, Any]) -> str:
    where = ".".join(map(str, item["loc"]))
    what = item["msg"].removeprefix("Value error, ")
    return f"{where}: {what}" if where else what
