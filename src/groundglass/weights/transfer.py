"""Weights in and out of the user's folder: checked before, whole or not at all."""

from __future__ import annotations

import os
import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from groundglass.errors import WeightsError
from groundglass.weights.store import (
    AnyWeights,
    ClassifierWeights,
    list_all_weights,
    open_weights,
    user_folder,
)

_LARGEST_IMPORT_BYTES = 4 * 2**30


def import_weights(source: Path, *, replace: bool = False) -> AnyWeights:
    """Copy weights from an exported zip or a folder into the user's folder, checked first.

    Raises: WeightsError where they are damaged, there already under that name (even with `replace`
    where the others are of another kind), or cannot be written.
    """
    root = user_folder()
    partial = root / f".import.partial-{os.getpid()}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        if source.is_dir():
            _copy(source, partial)
        else:
            _unpack(source, partial)
        weights = open_weights(partial)
        weights.verify()
        _refuse_name_of_other_kind(weights)
        final = root / _safe_name(weights.manifest.name)
        if final.exists() and not replace:
            raise WeightsError(
                f"weights {weights.manifest.name!r} are already imported at {final}",
                remedy="Add --replace to put the new ones in their place",
            )
        _put_in_place(partial, final)
    except OSError as error:
        raise WeightsError(
            f"weights cannot be written to {root} ({error.strerror or error})",
            remedy="Check that it is a writable folder, or set GROUNDGLASS_WEIGHTS to another",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return open_weights(final)


def _refuse_name_of_other_kind(weights: AnyWeights) -> None:
    name = weights.manifest.name
    other = [w for w in list_all_weights() if w.manifest.name == name]
    if other and type(other[0]) is not type(weights):
        kinds = ("classify whole scans", "segment")
        new, old = kinds if isinstance(weights, ClassifierWeights) else kinds[::-1]
        raise WeightsError(
            f"weights {name!r} {new}, and those of that name at {other[0].folder} {old}",
            expected="one name for one thing",
            remedy="Change 'name' in the manifest, or remove the others",
        )


def _put_in_place(partial: Path, final: Path) -> None:
    """Rename, so that a kill leaves the old set or the new one."""
    aside = final.with_name(f".{final.name}.old-{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    if final.exists():
        final.rename(aside)
    try:
        partial.rename(final)
    except OSError:
        if aside.exists():
            aside.rename(final)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def export_weights(weights: AnyWeights, destination: Path) -> Path:
    """Write weights with manifest, model card and licence as one zip; returns its path."""
    weights.verify()
    partial = destination.with_name(f".{destination.name}.partial-{os.getpid()}")
    try:
        with zipfile.ZipFile(partial, "w", strict_timestamps=False) as archive:
            for path in sorted(weights.folder.iterdir()):
                if path.is_file():
                    archive.write(path, path.name)
        partial.replace(destination)
    except OSError as error:
        raise WeightsError(f"weights cannot be written to {destination}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return destination


def _safe_name(name: str) -> str:
    if name.startswith(".") or not name or not all(c.isalnum() or c in "-_." for c in name):
        raise WeightsError(f"weights name is {name!r}", expected="letters, digits, '-', '_', '.'")
    return name


def _copy(source: Path, destination: Path) -> None:
    """Copy the plain files of a folder of weights."""
    open_weights(source)  # before anything is copied
    for path in source.iterdir():
        if path.is_file():
            shutil.copyfile(path, destination / path.name)


def _unpack(source: Path, destination: Path) -> None:
    """Unpack plain files of a zip; no folders, no links, bounded size."""
    try:
        with zipfile.ZipFile(source) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > _LARGEST_IMPORT_BYTES:
                raise WeightsError(f"{source} unpacks to more than 4 GiB", expected="weights")
            for member in members:
                if not _is_plain(member.filename):
                    raise WeightsError(
                        f"{source} holds {member.filename!r}", expected="plain files, no folders"
                    )
            for member in members:
                (destination / member.filename).write_bytes(archive.read(member))
    except (
        OSError,
        EOFError,
        RuntimeError,  # encrypted
        NotImplementedError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise WeightsError(
            f"{source} cannot be read as a zip: {error}",
            expected="a zip that `groundglass weights export` wrote, or a folder",
        ) from error


def _is_plain(filename: str) -> bool:
    name = PurePosixPath(filename).name
    return name == filename and name != ".." and not set(name) & set("\\:")
