"""Where weights are: those shipped in the package, and those the user imported. No network."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from groundglass.errors import WeightsError
from groundglass.weights.manifest import MANIFEST_NAME, Stage, WeightsManifest

log = logging.getLogger(__name__)

DEFAULT_WEIGHTS = "chs-net"
DEFAULT_LESION_MODEL = "ta-segnet"
"""Whose lesion network is used with the default weights; why: docs/decisions/0017."""

_SHIPPED = Path(__file__).resolve().parent / "shipped"
_LARGEST_IMPORT_BYTES = 4 * 2**30


@dataclass(frozen=True)
class Weights:
    """Weights at a place: `folder` holds the manifest and the files it names."""

    folder: Path
    manifest: WeightsManifest

    def stage(self, name: str) -> Stage:
        """What the manifest says of 'lungs' or 'lesions'.

        Raises: WeightsError where these weights have no such network.
        """
        if name not in self.manifest.stages:
            other = "--lesion-model" if name == "lungs" else "--weights"
            raise WeightsError(
                f"weights {self.manifest.name!r} have no network for {name}",
                expected=f"weights with one; these have {', '.join(self.manifest.stages)}",
                remedy=f"Give their name to {other}, beside weights that have one for {name}",
            )
        return self.manifest.stages[name]

    def path(self, stage: str, kind: str) -> Path:
        """File of a stage, 'onnx' or 'safetensors', after checking its hash.

        Raises: WeightsError where the stage or the file is missing, or the file is not what the
        manifest says.
        """
        entry = getattr(self.stage(stage), kind)
        path = self.folder / entry.file
        if not path.is_file():
            raise WeightsError(
                f"weights {self.manifest.name} lack the file {entry.file}",
                expected=f"it in {self.folder}",
                remedy="Import them again: groundglass weights import FILE.zip",
            )
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != entry.sha256:
            raise WeightsError(
                f"weights file {path} has SHA-256 {found[:12]}...",
                expected=f"{entry.sha256[:12]}... as its manifest says",
                remedy="It is damaged or was changed: import or install it again",
            )
        return path

    def verify(self) -> dict[str, str]:
        """Check every file; returns file -> SHA-256. Raises: WeightsError on the first bad one."""
        out = {}
        for stage, entry in self.manifest.stages.items():
            for kind in ("onnx", "safetensors"):
                self.path(stage, kind)
                file: str = getattr(entry, kind).file
                out[file] = getattr(entry, kind).sha256
        return out


def user_folder() -> Path:
    """Where imported weights go: $GROUNDGLASS_WEIGHTS, else the user's data folder."""
    named = os.environ.get("GROUNDGLASS_WEIGHTS")
    if named:
        return Path(named)
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "groundglass" / "weights"


def list_weights() -> list[Weights]:
    """All weights that can be used by name; an imported set shadows a shipped one.

    A damaged set is left out with a warning, so that it does not stop the use of the others.
    """
    found: dict[str, Weights] = {}
    for root in (_SHIPPED, user_folder()):
        if not root.is_dir():
            continue
        for manifest in sorted(root.glob(f"*/{MANIFEST_NAME}")):
            if manifest.parent.name.startswith("."):  # an import that was killed
                continue
            try:
                weights = Weights(manifest.parent, WeightsManifest.read(manifest.parent))
            except WeightsError as error:
                log.warning("%s", error)
                continue
            found[weights.manifest.name] = weights
    return [found[name] for name in sorted(found)]


def find_weights(name: str = DEFAULT_WEIGHTS) -> Weights:
    """Weights by name, or from a folder that holds a manifest.

    Raises: WeightsError where they are damaged, or are not here: then it lists what there is.
    """
    folder = Path(name)
    if (folder / MANIFEST_NAME).is_file():
        return Weights(folder, WeightsManifest.read(folder))
    imported = user_folder() / name
    if (imported / MANIFEST_NAME).is_file():  # no other set takes the place of a damaged one
        return Weights(imported, WeightsManifest.read(imported))
    known = list_weights()
    for weights in known:
        if weights.manifest.name == name:
            return weights
    raise WeightsError(
        f"weights {name!r} are not here",
        expected=", ".join(w.manifest.name for w in known) or "imported weights",
        remedy="Import them: groundglass weights import FILE.zip",
    )


def import_weights(source: Path, *, replace: bool = False) -> Weights:
    """Copy weights from an exported zip or a folder into the user's folder, checked first.

    Raises: WeightsError where they are damaged, there already under that name, or cannot be
    written.
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
        weights = Weights(partial, WeightsManifest.read(partial))
        weights.verify()
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
    return Weights(final, weights.manifest)


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


def export_weights(weights: Weights, destination: Path) -> Path:
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
    WeightsManifest.read(source)  # before anything is copied
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
