"""TLS contexts of the DICOM listener and of the senders, from the settings' PEM files."""

from __future__ import annotations

import ssl
from pathlib import Path

from groundglass.errors import SettingsError
from groundglass.server.listeners import Tls
from groundglass.server.peers import ClientTls


def listener_context(tls: Tls) -> ssl.SSLContext:
    """For a listener, TLS 1.2 or later; with `tls.ca` a client must show a certificate of it.

    Raises: SettingsError where a file is missing or no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_own(context, tls)
    if tls.ca is not None:
        _load_ca(context, tls.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def peer_context(ca: Path | None = None, own: Tls | None = None) -> ssl.SSLContext:
    """For speaking to a peer: its certificate must come from `ca`, and name its host.

    Raises: SettingsError where a file is missing or no certificate.
    """
    if ca is None:
        context = ssl.create_default_context()
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # this authority alone, not the system's
        _load_ca(context, ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if own is not None:
        _load_own(context, own)
    return context


def client_context(tls: ClientTls) -> ssl.SSLContext:
    """`peer_context` of a DICOM peer's settings."""
    return peer_context(tls.ca, tls.own)


def _load_own(context: ssl.SSLContext, tls: Tls) -> None:
    try:
        context.load_cert_chain(tls.certificate, tls.key)
    except OSError as error:  # ssl.SSLError is one
        raise SettingsError(
            f"TLS certificate {tls.certificate} with key {tls.key} cannot be used ({error})",
            expected="a PEM certificate and its unencrypted key",
        ) from error


def _load_ca(context: ssl.SSLContext, ca: Path) -> None:
    try:
        context.load_verify_locations(cafile=ca)
    except OSError as error:
        raise SettingsError(
            f"TLS authority {ca} cannot be used ({error})", expected="a PEM file of certificates"
        ) from error
