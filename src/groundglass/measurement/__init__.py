"""From masks to numbers: volumes, shares, zones, severity, diagnosis by rule, quality checks."""

from groundglass.measurement.measure import measure
from groundglass.measurement.settings import MeasureSettings

__all__ = ["MeasureSettings", "measure"]
