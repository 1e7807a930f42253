"""The report as a page for people: one HTML file with everything in it, and its plots as SVG files for papers.

Drawn from a `Report` alone: knows no arithmetic of metrics, no files and no network.
"""

from civility.report.page.assembly import to_html
from civility.report.page.plots import plots

__all__ = ["plots", "to_html"]
