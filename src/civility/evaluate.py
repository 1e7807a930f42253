"""Evaluate: a classifier and labelled comments become a report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from civility.classifier import Classifier
from civility.data.readers import Columns, read_dataset
from civility.errors import UserError
from civility.report import Report
from civility.report.pages import write_report
from civility.run import RunDirectory


@dataclass(frozen=True)
class Evaluation:
    """A report, what a person should know of its comments, and where it was written."""

    report: Report
    notes: tuple[str, ...]
    json_path: Path
    markdown_path: Path


def evaluate(
    target: str,
    files: Sequence[str],
    *,
    columns: Columns = Columns(),  # noqa: B008 (frozen)
    name: str = "",
    out: Path | None = None,
    on_start: Callable[[int], None] = lambda num_comments: None,
    on_scored: Callable[[int], None] = lambda num_comments: None,
) -> Evaluation:
    """Score labelled comments with a classifier, and measure and write what the scores are worth.

    Parameters
    ----------
    target : a run directory, a classifier folder or a hub name
    files : labelled comments; a label that they lack is unknown
    columns : which columns hold text, id and labels; the label axis is always the classifier's
    name : of the report; default: the first file's name
    out : folder of the report; default: the run's reports, or ``reports`` where the command runs
    on_start, on_scored : told the number of comments before scoring, and after each batch

    Raises
    ------
    UserError : whatever the user can mend
    """
    name = name or report_name(files)
    if Path(name).name != name or name in (".", ".."):
        raise UserError(f"--name {name}: is no plain name", "choose a name without slashes")
    classifier = Classifier.load(target)
    axis = replace(columns, labels=classifier.labels)
    reading = read_dataset(files, axis, require_all_labels=False)
    on_start(len(reading.dataset))
    scores = classifier.score(reading.dataset.texts, on_scored=on_scored)
    report = Report.measure(reading.dataset, scores, reading.files)
    run = RunDirectory.find(Path(target))
    folder = out or (run.reports if run else Path("reports"))
    json_path, markdown_path = write_report(report, folder, name)
    return Evaluation(report, reading.notes, json_path, markdown_path)


def report_name(files: Sequence[str]) -> str:
    """Return the name of a report on these files: that of the first, without its suffixes."""
    first = Path(files[0]).name if files else "report"
    return first.split(".")[0].replace("*", "all") or "report"
