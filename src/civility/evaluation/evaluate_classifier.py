"""Evaluate: a classifier and labelled comments become a report.

The story: read, score, measure, probe, write. What is measured is in `civility.evaluation`; what else the classifier is
asked is in `civility.evaluation.probing`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from civility.data.reading import Columns, read_column
from civility.documents.note import Note
from civility.documents.report import ClassifierFacts
from civility.errors import UserError, did_you_mean
from civility.evaluation import Report
from civility.evaluation.build_report import Aspects, Subject, main_label, report_on
from civility.evaluation.curves import training_curves
from civility.evaluation.labelled_comments import Labelled, optimistic, read_labelled, scored_by
from civility.evaluation.probes.suites import Suite
from civility.evaluation.probing import Probes, probe
from civility.evaluation.report_files import write_report
from civility.evaluation.requirements import Requirement, doubts, failures
from civility.plain_text import listed, one_line, shown
from civility.run import OWN_REPORT, ReportFiles, RunDirectory
from civility.scoring.classifier import Classifier

__all__ = ["Aspects", "Evaluation", "EvaluationRequest", "Probes", "evaluate", "report_name"]

_LONGEST_NAME = 200
"""Bytes: the files of a report have longer endings, and file systems end at 255."""


@dataclass(frozen=True)
class EvaluationRequest:
    """What to measure, and how.

    Parameters
    ----------
    columns : of the comments, and of the groups that they mention; empty names are recognised
    slices : columns of the file to slice by
    aspects : how to look at the comments
    probes : what else to ask the classifier
    requirements : what the report must show
    """

    columns: Columns = field(default_factory=Columns)
    slices: tuple[str, ...] = ()
    aspects: Aspects = field(default_factory=Aspects)
    probes: Probes = field(default_factory=Probes)
    requirements: tuple[Requirement, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """A report, what a person should know of its comments, where it was written, and what it fails to show."""

    report: Report
    notes: tuple[Note | str, ...]
    files: ReportFiles
    failures: tuple[str, ...]


def evaluate(
    target: str,
    files: Sequence[str] = (),
    question: EvaluationRequest = EvaluationRequest(),
    *,
    name: str = "",
    out: Path | None = None,
    on_scored: Callable[[str, int, int], None] = lambda what, num_comments, total: None,
) -> Evaluation:
    """Score labelled comments with a classifier, and measure and write what scores and decisions are worth.

    Parameters
    ----------
    target : a run directory, a classifier folder or a hub name
    files : labelled comments; a label that they lack is unknown. None: those that the run held out
    question : what to measure
    name : of the report; default: the first file's name, or that of the run's own report
    out : folder of the report; default: the run's reports, or ``reports`` where the command runs
    on_scored : told, after each batch, what is scored, the number of texts in the batch and in all

    Raises
    ------
    UserError : whatever the user can mend
    """
    run = RunDirectory.find(Path(target))
    name = _checked_name(name, files, overwrites=run is not None and out is None)
    classifier = Classifier.load(target)
    label = _checked_label("--bias-label", question.aspects.label, classifier.labels) or main_label(classifier.labels)
    _checked_label("--suite-label", question.probes.suite_label, classifier.labels)
    labelled = read_labelled(target, files, classifier.labels, question.columns)
    columns = {column: read_column(labelled.files, labelled.origin, column) for column in question.slices}
    probes = question.probes.read()  # a mistake in a file or a requirement is told before the comments are scored
    for suite in probes.suites:
        _refuse_unknown_labels(suite, classifier.labels)
    for requirement in question.requirements:
        requirement.check(classifier.labels, _parts_asked(question, labelled))
    training = training_curves(run.read_metrics()) if run else None
    texts = labelled.dataset.texts
    logits = classifier.logits(texts, on_scored=lambda number: on_scored("scoring", number, len(texts)))
    scored = scored_by(classifier, labelled.dataset, logits)
    subject = Subject(
        name,
        labelled.files,
        ClassifierFacts(name=target, max_length=classifier.max_length),
        optimistic(classifier, labelled),
        labelled.notes,
        training,
    )
    report = report_on(scored, subject, replace(question.aspects, label=label, columns=columns))
    report = report.model_copy(update=probe(classifier, scored, probes, label, on_scored))
    source = _source(target, files, question.columns)
    written = write_report(report, scored, out or (run.reports if run else Path("reports")), source)
    notes = (*labelled.notes, *doubts(report, question.requirements))
    return Evaluation(report, notes, written, failures(report, question.requirements))


def _source(target: str, files: Sequence[str], columns: Columns) -> list[str]:
    """Return what a command is given to score the same comments again."""
    data = ["--data", *files] if files else []
    text = ["--text-column", columns.text] if columns.text else []
    return [target, *data, *text, *(["--id-column", columns.id] if columns.id else [])]


def _parts_asked(question: EvaluationRequest, labelled: Labelled) -> dict[str, bool]:
    """Return, for each part that a report may lack, whether this one will have it."""
    return {
        "bias": bool(labelled.dataset.group_names),
        "templates": bool(question.probes.templates),
        "suites": bool(question.probes.suites),
        "robustness": question.probes.robustness,
    }


def _checked_name(name: str, files: Sequence[str], *, overwrites: bool) -> str:
    """Return the name of the report; UserError if it is none, or the run's own report would be replaced."""
    name = name or (report_name(files) if files else OWN_REPORT)
    if Path(name).name != name or "\\" in name or name.startswith(".") or one_line(name) != name:
        raise UserError(
            "evaluation.todo",
            f"--name {shown(name)}: is not a plain name",
            remedy="choose a name without slashes and control characters that does not begin with a dot",
        )
    if len(name.encode()) > _LONGEST_NAME:
        raise UserError(
            "evaluation.todo",
            f"--name {shown(name)}: longer than {_LONGEST_NAME} bytes",
            remedy="choose a shorter name",
        )
    if files and name == OWN_REPORT and overwrites:
        raise UserError(
            "evaluation.todo",
            f"the run's own report is named {OWN_REPORT}: it would be replaced",
            remedy="give this one another name: --name NAME",
        )
    return name


def report_name(files: Sequence[str]) -> str:
    """Return the name of a report on these files: that of the first, without its suffixes."""
    first = Path(files[0]).name if files else "report"
    name = one_line(first.split(".")[0].replace("*", "all")) or "report"
    return name.encode()[:_LONGEST_NAME].decode("utf-8", "ignore")


def _checked_label(option: str, wanted: str, labels: Sequence[str]) -> str:
    if wanted and wanted not in labels:
        raise UserError(
            "evaluation.todo",
            f"{option} {shown(wanted)}: no such label{did_you_mean(wanted, labels)}",
            remedy=f"the labels are {listed(labels)}",
        )
    return wanted


def _refuse_unknown_labels(suite: Suite, labels: Sequence[str]) -> None:
    """Raise a UserError for a suite of which no case can be judged."""
    named = dict.fromkeys(case.label for case in suite.cases)
    if named and not any(not label or label in labels for label in named):
        raise UserError(
            "evaluation.todo",
            f"no case can be judged: all name labels that the classifier does not have: {listed(list(named))}",
            where=suite.name,
            remedy=f"its labels are {listed(labels)}: name one of them in the column label, or leave "
            "cells empty and give --suite-label",
        )
