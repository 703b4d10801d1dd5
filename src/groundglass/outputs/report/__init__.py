"""The report: one self-contained HTML file that a reader can open anywhere, offline."""

from groundglass.outputs.report.inputs import ReportInputs
from groundglass.outputs.report.write import write_report

__all__ = ["ReportInputs", "write_report"]
