"""Settings of the two listeners, and what each needs before it may leave the loopback."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from groundglass.server.paths import ConfigPath

AeTitle = Annotated[str, StringConstraints(pattern=r"^[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])?$")]
"""1 to 16 printable ASCII characters, no backslash, no space at either end (PS3.5, VR AE)."""
Port = Annotated[int, Field(ge=0, le=65535)]
"""0 asks the system for a free port."""
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Scope = Literal["submit", "read", "admin"]


class Frozen(BaseModel):
    """A part of the settings file: unknown names are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine reach a listener on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Tls(Frozen):
    """PEM files. With `ca` a client must show a certificate that it signed."""

    certificate: ConfigPath
    key: ConfigPath
    ca: ConfigPath | None = None


class AllowedPeer(Frozen):
    """A sender that may associate: its AE title, and its IP address where one is given."""

    ae_title: AeTitle
    address: str | None = None

    @model_validator(mode="after")
    def _address_is_one(self) -> Self:
        if self.address is not None:
            ipaddress.ip_address(self.address)  # says what is wrong with it
        return self


class DicomListener(Frozen):
    """C-STORE and C-ECHO. `allowed` empty takes any sender, which only the loopback may."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Port = 11112
    ae_title: AeTitle = "GROUNDGLASS"
    check_called_ae_title: bool = True
    allowed: tuple[AllowedPeer, ...] = ()
    max_associations: int = Field(default=10, ge=1)
    tls: Tls | None = None
    insecure: bool = False

    @model_validator(mode="after")
    def _is_guarded(self) -> Self:
        if not self.enabled or is_loopback(self.host):
            return self
        if not self.allowed:
            raise ValueError(
                f"host {self.host!r} is reachable from other machines and no sender is allowed; "
                "list the senders under [[dicom.allowed]], or set host to 127.0.0.1"
            )
        _ask_for_tls(self.host, self.tls, insecure=self.insecure, table="dicom")
        return self


class Token(Frozen):
    """A bearer token by its SHA-256, so that the settings file gives none away."""

    name: Annotated[str, StringConstraints(pattern=r"^[\w.-]{1,64}$")]
    sha256: Sha256
    scopes: frozenset[Scope] = Field(min_length=1)


class HttpListener(Frozen):
    """STOW-RS and the REST interface. Without `tokens` it stays on the loopback."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Port = 8080
    tokens: tuple[Token, ...] = ()
    rate_per_minute: int = Field(default=1200, ge=1)
    max_uploads: int = Field(default=4, ge=1)
    tls: Tls | None = None
    insecure: bool = False

    @model_validator(mode="after")
    def _is_guarded(self) -> Self:
        names = [token.name for token in self.tokens]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"tokens have the same name {', '.join(twice)}; give each its own")
        if not self.enabled or is_loopback(self.host):
            return self
        if not self.tokens:
            raise ValueError(
                f"host {self.host!r} is reachable from other machines and there is no token; "
                "add one under [[http.tokens]], or set host to 127.0.0.1"
            )
        _ask_for_tls(self.host, self.tls, insecure=self.insecure, table="http")
        return self


def _ask_for_tls(host: str, tls: Tls | None, *, insecure: bool, table: str) -> None:
    if tls is None and not insecure:
        raise ValueError(
            f"host {host!r} is reachable from other machines without encryption; give "
            f"certificate and key under [{table}.tls], or set insecure = true where the network "
            "or a proxy encrypts"
        )
