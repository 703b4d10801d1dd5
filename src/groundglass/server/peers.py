"""Where results go: peers by name, spoken to by C-STORE or by STOW-RS."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from groundglass.server.listeners import AeTitle, Frozen, Tls
from groundglass.server.paths import ConfigPath

HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+(/\S*)?$")]


class ClientTls(Frozen):
    """How a peer's certificate is checked (`ca`: PEM file; the system's where absent), and ours."""

    ca: ConfigPath | None = None
    own: Tls | None = None


class DicomPeer(Frozen):
    """A C-STORE receiver."""

    kind: Literal["dicom"]
    ae_title: AeTitle
    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65535)
    calling_ae_title: AeTitle | None = None
    tls: ClientTls | None = None


class StowPeer(Frozen):
    """A STOW-RS service: /studies goes behind `url`; `token_file` holds a bearer token."""

    kind: Literal["stow"]
    url: HttpUrl
    token_file: ConfigPath | None = None
    ca: ConfigPath | None = None


Peer = Annotated[DicomPeer | StowPeer, Field(discriminator="kind")]
