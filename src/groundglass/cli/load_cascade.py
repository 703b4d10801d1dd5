"""`--weights` and `--lesion-model`: from names on the command line to networks that are ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from groundglass.pipeline.resume import AskedModels
    from groundglass.predictor.cascade import Cascade
    from groundglass.weights.store import Weights


def load_cascade(
    weights: str | None = None,
    lesion_model: str | None = None,
    *,
    engine: str,
    device: str,
    exact: bool = False,
    flips: bool = False,
) -> Cascade:
    """Weights by name, on the engine and device asked for.

    Weights that are named bring their own lesion network, unless another is named too.
    """
    from groundglass.predictor.cascade import Cascade, CascadeSettings
    from groundglass.predictor.engine import choose_engine

    engine, device = choose_engine(engine, device)
    lungs, lesions = _find(weights, lesion_model)
    return Cascade(
        lungs,
        lesions=lesions,
        engine=engine,
        device=device,
        settings=CascadeSettings(lung_step_mm=_step_mm(exact), flips=flips),
    )


def asked_models(
    weights: str | None,
    lesion_model: str | None,
    classifier: str | None,
    *,
    exact: bool,
    flips: bool,
) -> AskedModels:
    """What `load_cascade` and `load_classifier` would load, from the manifests alone."""
    from groundglass.pipeline.resume import AskedModels
    from groundglass.weights.store import find_classifier_weights

    lungs, lesions = _find(weights, lesion_model)
    head = None if classifier is None else find_classifier_weights(classifier).manifest
    lung_manifest, lesion_manifest = lungs.manifest, (lesions or lungs).manifest
    return AskedModels(
        (lung_manifest.name, lung_manifest.version),
        (lesion_manifest.name, lesion_manifest.version),
        None if head is None else (head.name, head.version),
        lung_step_mm=_step_mm(exact),
        flips=flips,
    )


def _find(weights: str | None, lesion_model: str | None) -> tuple[Weights, Weights | None]:
    """Weights of the lungs, and of the lesions where they are others."""
    from groundglass.weights.store import DEFAULT_LESION_MODEL, find_weights

    if weights is None and lesion_model is None:
        lesion_model = DEFAULT_LESION_MODEL
    return (
        find_weights() if weights is None else find_weights(weights),
        None if lesion_model is None else find_weights(lesion_model),
    )


def _step_mm(exact: bool) -> float:
    return 0.0 if exact else 3.0
