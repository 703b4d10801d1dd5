"""What the numbers in our masks mean. Other tools number differently: names travel beside."""

from __future__ import annotations

RIGHT_LUNG = 1
LEFT_LUNG = 2
LESION = 1

LUNG_LABELS = {"right_lung": RIGHT_LUNG, "left_lung": LEFT_LUNG}
LESION_LABELS = {"lesion": LESION}
"""Patient's right and left. (lungmask: the same; the 20-case set: 1 left, 2 right.)"""
