"""Airways and pulmonary vessels: trees that reach into the lungs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from groundglass.phantom.grid import Grid
from groundglass.phantom.lesions import LesionPlan
from groundglass.phantom.organs import BLOOD_HU
from groundglass.phantom.painting import Material, Tubes, paint_tubes, tube_distances
from groundglass.phantom.patient import Patient

_BLOOD = Material(BLOOD_HU, rule="raise")
_WALL = Material(-180, rule="raise")
_LUMEN = Material(-985)
_WALL_MM = 1.3


@dataclass(frozen=True)
class Tree:
    """A tree's nodes (N, 3) in mm, the parent of each (root: itself) and the radius."""

    nodes: np.ndarray
    parent: np.ndarray
    radius_mm: np.ndarray

    @classmethod
    def grow(
        cls, root: np.ndarray, targets: np.ndarray, *, leaf_mm: float, balance: float = 0.45
    ) -> Tree:
        """Join each target to the tree so that wire and way from the root stay short.

        Radii follow Murray's law: cubes add up where branches meet.
        """
        nodes = np.vstack([root, targets[np.argsort(np.linalg.norm(targets - root, axis=1))]])
        count = len(nodes)
        parent = np.zeros(count, dtype=int)
        way = np.zeros(count)
        for i in range(1, count):
            distance = np.linalg.norm(nodes[:i] - nodes[i], axis=1)
            parent[i] = int(np.argmin(distance + balance * way[:i]))
            way[i] = way[parent[i]] + distance[parent[i]]
        cubes = np.full(count, leaf_mm**3)
        for i in range(count - 1, 0, -1):
            cubes[parent[i]] += cubes[i]
        return cls(nodes, parent, np.cbrt(cubes))

    def tubes(self, material: Material, rng: np.random.Generator, *, extra_mm: float = 0) -> Tubes:
        """Pieces of the tree, each edge bent a little at its middle."""
        child = np.arange(1, len(self.nodes))
        start, end = self.nodes[self.parent[1:]], self.nodes[child]
        length = np.linalg.norm(end - start, axis=1, keepdims=True)
        bend = rng.uniform(-0.09, 0.09, start.shape) * length
        middle = (start + end) / 2 + bend
        thin = self.radius_mm[1:] + extra_mm
        thick = np.minimum(self.radius_mm[self.parent[1:]] + extra_mm, 1.25 * thin)
        half = (thin + thick) / 2
        return Tubes(
            np.vstack([start, middle]), np.vstack([middle, end]),
            np.concatenate([thick, half]), np.concatenate([half, thin]), material,
        )  # fmt: skip


def paint_branches(hu: np.ndarray, grid: Grid, patient: Patient, plan: LesionPlan) -> None:
    """Draw vessels, then airways, into an int16 (D, H, W) array in place."""
    rng = np.random.default_rng([patient.tree_seed, 2])
    for is_left in (False, True):
        of_side = (plan.is_left == is_left) & (plan.depth_mm > 3)
        points, depth = plan.lung_points_mm[of_side], plan.depth_mm[of_side]
        for root, count in ((0, 620), (1, 420)):
            hilum = patient.from_template(_hila(is_left)[root : root + 1])
            targets = _spread(points, round(count * patient.lung.vessel_share), rng)
            tree = Tree.grow(hilum, targets, leaf_mm=0.62)
            paint_tubes(hu, grid, tree.tubes(_BLOOD, rng))
        inner = points[depth > 10]
        bronchi = Tree.grow(
            patient.from_template(_hila(is_left)[2:3]), _spread(inner, 32, rng), leaf_mm=0.9
        )
        bends = int(rng.integers(2**31))
        for material, extra in ((_WALL, 0.7), (_LUMEN, 0.0)):
            bent = np.random.default_rng(bends)
            paint_tubes(hu, grid, bronchi.tubes(material, bent, extra_mm=extra))
    for tube in main_airways(patient, extra_mm=_WALL_MM, material=Material(20)):
        paint_tubes(hu, grid, tube)
    for tube in main_airways(patient, extra_mm=0.0, material=_LUMEN):
        paint_tubes(hu, grid, tube)


def main_airways(patient: Patient, *, extra_mm: float, material: Material) -> list[Tubes]:
    """Trachea and the two main bronchi."""
    trachea = np.array([[0, 2, 195], [0, 8, 120], [-1, 14, 80], [-2, 19, 38]], dtype=np.float64)
    right = np.array([[-2, 19, 40], [-18, 22, 22], [-36, 23, 8]], dtype=np.float64)
    left = np.array([[-2, 19, 40], [20, 23, 23], [46, 26, 8]], dtype=np.float64)
    paths = ((trachea, 8.6), (right, 6.9), (left, 6.0))
    return [
        Tubes.along(patient.from_template(path), radius + extra_mm, material)
        for path, radius in paths
    ]


def remove_main_airways(lungs: np.ndarray, grid: Grid, patient: Patient) -> None:
    """Take trachea and main bronchi, wall included, out of a (D, H, W) lung mask in place."""
    for tube in main_airways(patient, extra_mm=_WALL_MM, material=_LUMEN):
        for _, box, distance in tube_distances(grid, tube, 0.5):
            lungs[box][distance < 0] = 0


def _hila(is_left: bool) -> np.ndarray:
    """Where artery, veins and bronchi enter a lung, template mm (3, 3)."""
    if is_left:
        return np.array([[36.0, 12, 20], [32, 10, -6], [46, 26, 8]])
    return np.array([[-34.0, 8, 14], [-28, 14, -12], [-36, 23, 8]])


def _spread(points: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """At most `count` of the points, shaken off their lattice."""
    chosen = rng.choice(len(points), min(count, len(points)), replace=False)
    return points[chosen] + rng.uniform(-1.8, 1.8, (len(chosen), 3))
