"""Documents as pages for people: one HTML file each, with everything in it. Markup is in templates/, style in page.css.

Drawn from a document alone: no arithmetic of metrics, no files and no network.
"""

from civility.render.html.report_page import to_html

__all__ = ["to_html"]
