"""From the name of a classifier to one that is ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from groundglass.pipeline.classify import LoadedClassifier


def load_classifier(
    name: str | None = None, *, engine: str, device: str
) -> LoadedClassifier | None:
    """The classifier by name or folder, on the engine and device asked for; None without a name."""
    if name is None:
        return None
    from groundglass.pipeline.classify import LoadedClassifier
    from groundglass.predictor.scan_classifier import ScanClassifier
    from groundglass.weights.store import find_classifier_weights

    weights = find_classifier_weights(name)
    return LoadedClassifier(
        ScanClassifier(weights, engine=engine, device=device),
        weights.sha256,
        is_phantom_trained=weights.manifest.phantoms,
    )
