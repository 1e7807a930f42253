"""The report as a page for people: one HTML file with everything in it, and its plots as SVG files for papers.

Drawn from a `Report` alone: knows no arithmetic of metrics, no files and no network.
"""

from civility.render.html.plots import plots
from civility.render.html.report_page import to_html

__all__ = ["plots", "to_html"]
