"""Evaluate: a classifier and labelled comments become a report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from civility.classifier import Classifier
from civility.data.readers import Columns, columns_present, read_dataset
from civility.errors import UserError
from civility.recipe import Recipe
from civility.report import Report
from civility.report.pages import write_report
from civility.run import OWN_REPORT, RunDirectory


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
    text_column: str = "",
    id_column: str = "",
    name: str = "",
    out: Path | None = None,
    on_scored: Callable[[int, int], None] = lambda num_comments, total: None,
) -> Evaluation:
    """Score labelled comments with a classifier, and measure and write what the scores are worth.

    Parameters
    ----------
    target : a run directory, a classifier folder or a hub name
    files : labelled comments; a label that they lack is unknown
    text_column, id_column : empty: those of the run's recipe where the file has them, else recognised
    name : of the report; default: the first file's name
    out : folder of the report; default: the run's reports, or ``reports`` where the command runs
    on_scored : told, after each batch, the number of comments in it and in all

    Raises
    ------
    UserError : whatever the user can mend
    """
    name = name or report_name(files)
    if Path(name).name != name or name in (".", ".."):
        raise UserError(f"--name {name}: is no plain name", "choose a name without slashes")
    run = RunDirectory.find(Path(target))
    if run and not out and name == OWN_REPORT:
        raise UserError(
            f"the run's own report is named {OWN_REPORT}: it would be replaced",
            "give this one another name: --name NAME",
        )
    classifier = Classifier.load(target)
    columns = columns_present(files[0], Recipe.load(str(run.recipe)).data.columns) if run else Columns()
    columns = replace(columns, text=text_column or columns.text, id=id_column or columns.id, labels=classifier.labels)
    reading = read_dataset(files, columns, require_all_labels=False)
    total = len(reading.dataset)
    scores = classifier.score(reading.dataset.texts, on_scored=lambda num_comments: on_scored(num_comments, total))
    report = Report.measure(reading.dataset, scores, reading.files)
    folder = out or (run.reports if run else Path("reports"))
    json_path, markdown_path = write_report(report, folder, name)
    return Evaluation(report, reading.notes, json_path, markdown_path)


def report_name(files: Sequence[str]) -> str:
    """Return the name of a report on these files: that of the first, without its suffixes."""
    first = Path(files[0]).name if files else "report"
    return first.split(".")[0].replace("*", "all") or "report"
