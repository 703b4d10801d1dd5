"""The secret behind pseudonyms: the same key gives the same pseudonym, without it nobody can.

A pseudonym that is a plain hash of an id can be found by trying all ids; with an HMAC one has
to know the key too.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import os
import secrets
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from groundglass.errors import OutputError, SettingsError

_BYTES = 32
_FARTHEST_DAYS = 3650


@dataclass(frozen=True)
class SecretKey:
    """32 secret bytes. `is_kept` says whether they lie in a file, so that later runs agree."""

    secret: bytes = field(repr=False)
    is_kept: bool = False

    def __post_init__(self) -> None:
        if len(self.secret) != _BYTES:
            raise SettingsError(f"key has {len(self.secret)} bytes", expected=f"{_BYTES}")

    def pseudonym(self, purpose: str, value: str) -> str:
        """16 hexadecimal letters for a value; other ones for another `purpose`."""
        return self._digest(purpose, value).hex()[:16].upper()

    def uid(self, original: str) -> str:
        """The UID that stands for `original`, below 2.25 (a UUID as a number, PS3.5 B.2)."""
        digest = self._digest("uid", original.strip("\0 "))
        return f"2.25.{uuid.UUID(bytes=digest[:16], version=4).int}"

    def shift_days(self, patient: str) -> int:
        """Days to add to every date of a patient: -3650 to -1."""
        number = int.from_bytes(self._digest("dates", patient)[:8], "big")
        return -1 - number % _FARTHEST_DAYS

    def _digest(self, purpose: str, value: str) -> bytes:
        message = f"{purpose}\0{value}".encode("utf-8", "surrogatepass")
        return hmac.new(self.secret, message, hashlib.sha256).digest()


def random_key() -> SecretKey:
    """A key for one run: what it makes cannot be linked with any other run."""
    return SecretKey(secrets.token_bytes(_BYTES))


def read_or_make_key(path: Path) -> SecretKey:
    """The key in `path`, 64 hexadecimal letters; made with mode 0600 where there is no file.

    Raises: SettingsError where the file holds no key or others may read it, OutputError where
    it cannot be made.
    """
    if not path.exists():
        return _make(path)
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii").strip()
        secret = bytes.fromhex(text)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not hexadecimal"
        raise SettingsError(
            f"key file {path} cannot be read ({reason})",
            expected=f"{2 * _BYTES} hexadecimal letters",
            remedy="Name a file that is not there yet, and a key is made",
        ) from error
    if os.name == "posix" and mode & 0o077:
        raise SettingsError(
            f"key file {path} has mode {mode & 0o777:04o}, so that others may read it",
            expected="mode 0600",
            remedy=f"Run: chmod 600 {path}",
        )
    if len(secret) != _BYTES:
        raise SettingsError(
            f"key file {path} holds {len(secret)} bytes",
            expected=f"{_BYTES} bytes as {2 * _BYTES} hexadecimal letters",
        )
    return SecretKey(secret, is_kept=True)


def _make(path: Path) -> SecretKey:
    secret = secrets.token_bytes(_BYTES)
    write_private(path, secret.hex() + "\n")
    return SecretKey(secret, is_kept=True)


def write_private(path: Path, text: str) -> None:
    """Write a file that is whole or absent and that only its owner may read.

    Raises: OutputError where it is there already or cannot be written.
    """
    beside = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        with open(
            os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        ) as stream:
            stream.write(text)
        _place(beside, path)
    except OSError as error:
        raise OutputError(
            f"{path} could not be written ({error.strerror or error})",
            expected="a new file in a folder that is there",
        ) from error
    finally:
        beside.unlink(missing_ok=True)


def _place(beside: Path, path: Path) -> None:
    """Give the file its name, unless something has it. Raises: OSError."""
    try:
        os.link(beside, path)  # unlike a rename this never replaces what is there
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP) or path.exists():
            raise
        os.rename(beside, path)  # a file system without hard links
