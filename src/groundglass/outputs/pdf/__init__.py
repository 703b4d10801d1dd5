"""The report as PDF: the figures and pictures of the HTML on A4, for archives and printers."""

from groundglass.outputs.pdf.render import render_pdf, write_pdf
from groundglass.outputs.pdf.subject import Subject, subject_of

__all__ = ["Subject", "render_pdf", "subject_of", "write_pdf"]
