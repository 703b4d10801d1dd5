"""A new folder is whole or absent: written beside its place, then renamed into it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from groundglass.errors import OutputError


@contextmanager
def new_folder(final: Path) -> Iterator[Path]:
    """Give a folder to write into that becomes `final` when the block ends without an error.

    `final` must be absent or an empty folder. Raises: OutputError.
    """
    final = Path(os.path.abspath(final))
    if final.exists() and not (final.is_dir() and not any(final.iterdir())):
        raise OutputError(
            f"{final} is there and not empty",
            expected="a new or an empty folder",
            remedy="Name another place, or remove what is there",
        )
    partial = final.with_name(f".{final.name}.partial-{os.getpid()}")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        yield partial
        if final.exists():
            final.rmdir()
        partial.rename(final)
    except OSError as error:
        raise OutputError(
            f"{final} could not be written ({error.strerror or error})",
            remedy="Check that its parent is writable and has room",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
