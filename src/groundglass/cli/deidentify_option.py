"""`--deidentify` and `--key` of `groundglass analyze`: from the command line to what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from groundglass.deidentification.scan import Deidentification


def asked_deidentification(
    profile: str | None, key: Path | None, *, resume: bool
) -> Deidentification | None:
    """What --deidentify and --key ask for. Raises: SettingsError, OutputError."""
    from groundglass.errors import SettingsError

    if profile is None:
        if key is not None:
            raise SettingsError("--key is given without --deidentify", expected="both, or none")
        return None
    from groundglass.cli.deidentify_command import load_key
    from groundglass.deidentification.profiles import find_profile
    from groundglass.deidentification.scan import Deidentification

    chosen = find_profile(profile)
    if resume and key is None:
        raise SettingsError(
            "--resume is given with --deidentify, whose random names no later run can find again",
            expected="--key too",
        )
    return Deidentification(chosen, load_key(key))
