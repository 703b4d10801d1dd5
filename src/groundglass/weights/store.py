"""Where weights are: those shipped in the package, and those the user imported. No network."""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from groundglass.errors import WeightsError
from groundglass.weights.classifier_manifest import ClassifierManifest, holds_classifier
from groundglass.weights.manifest import MANIFEST_NAME, Stage, WeightsFile, WeightsManifest

log = logging.getLogger(__name__)

DEFAULT_WEIGHTS = "chs-net"
DEFAULT_LESION_MODEL = "ta-segnet"
"""Whose lesion network is used with the default weights; why: docs/decisions/0017."""

_SHIPPED = Path(__file__).resolve().parent / "shipped"


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
        return checked_file(self.folder, getattr(self.stage(stage), kind), self.manifest.name)

    def verify(self) -> dict[str, str]:
        """Check every file; returns file -> SHA-256. Raises: WeightsError on the first bad one."""
        out = {}
        for stage, entry in self.manifest.stages.items():
            for kind in ("onnx", "safetensors"):
                self.path(stage, kind)
                file: str = getattr(entry, kind).file
                out[file] = getattr(entry, kind).sha256
        return out


@dataclass(frozen=True)
class ClassifierWeights:
    """A classifier of whole scans at a place: `folder` holds the manifest and its files."""

    folder: Path
    manifest: ClassifierManifest

    def path(self, what: str) -> Path:
        """The file of one of `ClassifierManifest.files`, after checking its hash.

        Raises: WeightsError where it is missing, or is not what the manifest says.
        """
        return checked_file(self.folder, self.manifest.files[what], self.manifest.name)

    @property
    def sha256(self) -> dict[str, str]:
        """What the manifest says of each file, by what it is for."""
        return {what: entry.sha256 for what, entry in self.manifest.files.items()}

    def verify(self) -> dict[str, str]:
        """Check every file; returns file -> SHA-256. Raises: WeightsError on the first bad one."""
        for what in self.manifest.files:
            self.path(what)
        return {entry.file: entry.sha256 for entry in self.manifest.files.values()}


AnyWeights = Weights | ClassifierWeights


def checked_file(folder: Path, entry: WeightsFile, name: str) -> Path:
    """A file of weights called `name`. Raises: WeightsError where it is missing or was changed."""
    path = folder / entry.file
    if not path.is_file():
        raise WeightsError(
            f"weights {name} lack the file {entry.file}",
            expected=f"it in {folder}",
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


def user_folder() -> Path:
    """Where imported weights go: $GROUNDGLASS_WEIGHTS, else the user's data folder."""
    named = os.environ.get("GROUNDGLASS_WEIGHTS")
    if named:
        return Path(named)
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "groundglass" / "weights"


def open_weights(folder: Path) -> AnyWeights:
    """What a folder with a manifest holds, of either kind. Raises: WeightsError where damaged."""
    if holds_classifier(folder):
        return ClassifierWeights(folder, ClassifierManifest.read(folder))
    return Weights(folder, WeightsManifest.read(folder))


def list_all_weights() -> list[AnyWeights]:
    """All weights that can be used by name; an imported set shadows a shipped one of its kind.

    A damaged set is left out with a warning, so that it does not stop the use of the others; so is
    an imported set of the other kind than the shipped one of its name.
    """
    found: dict[str, AnyWeights] = {}
    for root in (_SHIPPED, user_folder()):
        if not root.is_dir():
            continue
        for manifest in sorted(root.glob(f"*/{MANIFEST_NAME}")):
            if manifest.parent.name.startswith("."):  # an import that was killed
                continue
            try:
                weights = open_weights(manifest.parent)
            except WeightsError as error:
                log.warning("%s", error)
                continue
            name = weights.manifest.name
            if name in found and type(found[name]) is not type(weights):
                log.warning("%s has the name of %s, which is taken", manifest, found[name].folder)
                continue
            found[name] = weights
    return [found[name] for name in sorted(found)]


def list_weights() -> list[Weights]:
    """Those of `list_all_weights` that segment."""
    return [weights for weights in list_all_weights() if isinstance(weights, Weights)]


def list_classifier_weights() -> list[ClassifierWeights]:
    """Those of `list_all_weights` that classify whole scans."""
    return [weights for weights in list_all_weights() if isinstance(weights, ClassifierWeights)]


def find_any_weights(name: str = DEFAULT_WEIGHTS) -> AnyWeights:
    """Weights of either kind by name, or from a folder that holds a manifest.

    Raises: WeightsError where they are damaged, or are not here: then it lists what there is.
    """
    return _open(name) or _not_here(name, [w.manifest.name for w in list_all_weights()])


def find_weights(name: str = DEFAULT_WEIGHTS) -> Weights:
    """Weights that segment, by name or folder.

    Raises: WeightsError where they are damaged or a classifier's, or are not here.
    """
    found = _open(name) or _not_here(name, [w.manifest.name for w in list_weights()])
    if isinstance(found, ClassifierWeights):
        raise WeightsError(
            f"weights {name!r} are a classifier's of whole scans: they find no lungs or lesions",
            expected=", ".join(w.manifest.name for w in list_weights()) or "weights that segment",
            remedy="Give them to --classifier instead",
        )
    return found


def is_classifier(name: str) -> bool:
    """Whether weights of that name, or in that folder, are a classifier's; False where none are.

    Raises: WeightsError where they are damaged.
    """
    return isinstance(_open(name), ClassifierWeights)


def find_classifier_weights(name: str) -> ClassifierWeights:
    """A classifier of whole scans, by name or folder.

    Raises: WeightsError where it is damaged or segments, or is not here: then it lists what is.
    """
    found = _open(name) or _not_here(name, [w.manifest.name for w in list_classifier_weights()])
    if isinstance(found, Weights):
        raise WeightsError(
            f"weights {name!r} segment {' and '.join(found.manifest.stages)}: they are no "
            "classifier of whole scans",
            expected=", ".join(w.manifest.name for w in list_classifier_weights())
            or "weights made by `groundglass weights pack-classifier`",
            remedy="Give them to --weights or --lesion-model instead",
        )
    return found


def _open(name: str) -> AnyWeights | None:
    folder = Path(name)
    if (folder / MANIFEST_NAME).is_file():
        return open_weights(folder)
    imported = user_folder() / name
    if (imported / MANIFEST_NAME).is_file():  # no other set takes the place of a damaged one
        return open_weights(imported)
    return next((w for w in list_all_weights() if w.manifest.name == name), None)


def _not_here(name: str, known: list[str]) -> NoReturn:
    raise WeightsError(
        f"weights {name!r} are not here",
        expected=", ".join(known) or "imported weights",
        remedy="Import them: groundglass weights import FILE.zip",
    )
