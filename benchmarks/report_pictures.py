"""Take the pictures of a report in README and docs, in a real Chromium, from the JSON of a report.

    python benchmarks/report_pictures.py runs/jigsaw/reports/validation.json [--out docs/pictures]

Writes ``report.png``, the top of the page, and ``explorer.png``, the threshold explorer. Texts stay hidden.
Needs playwright (in the extra ``dev``) and a Chromium on the path.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from civility.evaluation import Report
from civility.render.html import to_html

WIDTH, HEIGHT = 1180, 860
_SHARPNESS = 1.5
"""Pixels of the picture for each pixel of the page."""
_STEPS = 12
"""By how many places the first threshold is moved."""


def _without_folders(report: Report) -> Report:
    """Return the report with names of files in place of their paths, which belong to one machine."""
    data = report.data.model_copy(update={"files": tuple(Path(file).name for file in report.data.files)})
    classifier = report.classifier.model_copy(update={"name": Path(report.classifier.name).name})
    return report.model_copy(update={"data": data, "classifier": classifier})


def main() -> None:
    """Draw the page, open it, take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    options = parser.parse_args()
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        sys.exit("no chromium, chromium-browser or google-chrome is installed")
    options.out.mkdir(parents=True, exist_ok=True)
    report = _without_folders(Report.read(options.report))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "report.html"
        path.write_text(to_html(report), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=_SHARPNESS)
        page.goto(path.as_uri())
        page.screenshot(path=options.out / "report.png")
        # The explorer after scrolling to it, with one threshold moved.
        page.locator("#explorer h2").first.evaluate("element => element.scrollIntoView({behavior: 'instant'})")
        slider = page.locator("#explorer input[type=range]").first
        slider.focus()
        for _ in range(_STEPS):
            slider.press("ArrowRight")
        page.screenshot(path=options.out / "explorer.png")
        browser.close()
    for name in ("report.png", "explorer.png"):
        size = (options.out / name).stat().st_size
        print(f"{options.out / name}   {size / 1000:,.0f} kB")


if __name__ == "__main__":
    main()
