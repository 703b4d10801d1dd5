"""What every number of an evaluation means; it stands beside the numbers wherever they go."""

from __future__ import annotations

FORMAT = "groundglass-evaluation-1"

MEASURES_TEXT = {
    "accuracy": "(TP + TN) / all voxels",
    "precision": "TP / (TP + FP); undefined where nothing was predicted",
    "recall": "TP / (TP + FN), sensitivity; undefined where the reference is empty",
    "specificity": "TN / (TN + FP)",
    "dice": "2 TP / (2 TP + FP + FN) of the foreground; undefined where the reference is empty",
    "jaccard": "TP / (TP + FP + FN) of the foreground; undefined where the reference is empty",
    "mean_iou": "mean of the Jaccard of foreground and background; undefined where the reference "
    "is empty",
}
AGGREGATIONS_TEXT = {
    "pooled": "voxels of all cases counted together, empty references included",
    "per_volume": "mean over the cases whose reference is not empty",
    "per_slice": "mean over the slices, of all cases, whose reference is not empty",
    "left_out": "of those volumes or slices, the ones where the measure is undefined",
    "empty": "volumes or slices whose reference marks nothing, which no mean holds; 'clean' ones "
    "have an empty prediction too",
    "interval": "bootstrap percentile interval; whole groups (patients) are drawn with "
    "replacement; null below two groups",
    "std": "standard deviation of the values, n - 1",
    "slices": "axial: masks are turned by their own affine so that slices run from feet to head; "
    "slice 0 is the lowest",
    "missing": "cases without a prediction are in no score; "
    "scores_if_missing_were_empty counts each as an empty prediction",
}
SURFACE_TEXT = {
    "hausdorff95_mm": "the larger of the two 95th percentiles, by area, of the distance from one "
    "surface to the other",
    "average_surface_distance_mm": "mean distance to the other surface over the area of both",
    "surface_dice": "share of the area of both surfaces that lies within the tolerance of the "
    "other (NSD)",
    "surface": "undefined (null) where a mask is empty, where the spacing was not measured, or "
    "where slices are tilted",
}
LESIONS_TEXT = {
    "lesion": "26-connected part of a mask",
    "detected": "a reference lesion that shares at least one voxel with the prediction",
    "false": "a predicted lesion that shares no voxel with the reference",
    "lesion_recall": "detected / reference lesions",
    "lesion_precision": "(predicted - false) / predicted lesions",
    "by_size": "reference lesions by their own size, predicted ones by theirs",
}
VOLUMES_TEXT = {
    "volume_error": "volume of the prediction minus that of the reference",
    "absolute_volume_error": "the same without its sign; mean over all cases with a prediction",
    "volume_unit": "ml where every case's spacing was measured, else voxels",
}
DEFINITIONS = {
    **MEASURES_TEXT, **AGGREGATIONS_TEXT, **SURFACE_TEXT, **LESIONS_TEXT, **VOLUMES_TEXT,
}  # fmt: skip
