"""The files of a report. The JSON is the truth; the pages beside it are drawn from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from civility.documents.report import Report
from civility.evaluation.scored_comments import Scored
from civility.evaluation.scores_table import write_scores_of
from civility.render.charts.svg_files import plots
from civility.render.html import to_html
from civility.render.markdown.report_markdown import to_markdown
from civility.storage.atomic_files import explain_os_error, make_folder, remove_folder, write_file, write_folder


@dataclass(frozen=True)
class ReportFiles:
    """Where the files of a report are: ``NAME.json`` and so on, all in one folder."""

    folder: Path
    name: str

    @property
    def json(self) -> Path:
        """Every number."""
        return self.folder / f"{self.name}.json"

    @property
    def markdown(self) -> Path:
        """For a terminal or a review."""
        return self.folder / f"{self.name}.md"

    @property
    def html(self) -> Path:
        """For people."""
        return self.folder / f"{self.name}.html"

    @property
    def scores(self) -> Path:
        """What was measured: ids, targets, scores."""
        return self.folder / f"{self.name}.scores.parquet"

    @property
    def plots(self) -> Path:
        """The plots as SVG files."""
        return self.folder / f"{self.name}-plots"


def write_report(report: Report, scored: Scored, folder: Path, source: Sequence[str] = ()) -> ReportFiles:
    """Write the files of a report into a folder, which is made if need be.

    Parameters
    ----------
    source : what a command is given to score the same comments again, as ``("runs/first", "--data", "test.csv")``:
        the page shows it in the command that takes thresholds over; empty: not known

    Raises
    ------
    UserError : no permission, no space
    """
    make_folder(folder)
    files = ReportFiles(folder, report.name)
    text = report.to_json()
    report = Report.from_json(text)  # what is drawn is what is written, lone surrogates and all
    with write_file(files.json) as file:
        file.write(text)
    with write_file(files.markdown) as file:
        file.write(to_markdown(report))
    with write_file(files.html) as file:
        file.write(to_html(report, source))
    write_scores_of(scored, files.scores, text)
    _write_plots(report, files.plots)
    return files


def _write_plots(report: Report, folder: Path) -> None:
    """Put the plots in place, all at once: none of an earlier report stays among them."""
    with explain_os_error(folder):
        if folder.is_dir():
            remove_folder(folder)
    with write_folder(folder) as new:
        for name, svg in plots(report).items():
            (new / f"{name}.svg").write_text(svg, encoding="utf-8")
