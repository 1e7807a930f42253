"""Evaluate: score labelled comments with a classifier, measure, probe, and write the report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from civility.arrays import Float32s
from civility.data.reading import Columns, read_column
from civility.documents.behaviour_report import BiasReport, SuiteReport
from civility.documents.note import Note
from civility.documents.report import ClassifierFacts
from civility.errors import UserError, did_you_mean
from civility.evaluation import Report
from civility.evaluation.build_report import Aspects, Subject, main_label, report_on
from civility.evaluation.curves import training_curves
from civility.evaluation.group_bias import Grouped, bias_of
from civility.evaluation.labelled_comments import optimistic, read_labelled, scored_by
from civility.evaluation.perturb import measure_robustness
from civility.evaluation.report_files import write_report
from civility.evaluation.requirements import Requirement, doubts, failures
from civility.evaluation.suites import Suite, read_suite, suite_report
from civility.evaluation.templates import Templates, read_templates
from civility.plain_text import listed, one_line, shown
from civility.run import OWN_REPORT, ReportFiles, RunDirectory
from civility.scoring.classifier import Classifier

_LONGEST_NAME = 200
"""Bytes: the files of a report have longer endings, and file systems end at 255."""
OnScored = Callable[[str, int, int], None]
"""Called after each batch with what is scored, the batch size and the total."""


@dataclass(frozen=True)
class Probes:
    """What to test beyond the comments.

    Parameters
    ----------
    templates : files of identity templates
    suites : behaviour suites: files, or ``civility:suite``
    suite_label : the label that judges cases that name none; empty: any label
    robustness : whether to perturb texts
    sample : about how many comments to perturb
    seed : of the sample and of the perturbations
    """

    templates: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    suite_label: str = ""
    robustness: bool = False
    sample: int = 1_000
    seed: int = 0


@dataclass(frozen=True)
class EvaluationRequest:
    """What to measure, and how.

    Parameters
    ----------
    columns : of the comments, and of the groups that they mention; columns not named are recognised
    slices : columns of the file to slice by
    aspects : how to measure
    probes : what to test beyond the comments
    requirements : what the report must show
    """

    columns: Columns = field(default_factory=Columns)
    slices: tuple[str, ...] = ()
    aspects: Aspects = field(default_factory=Aspects)
    probes: Probes = field(default_factory=Probes)
    requirements: tuple[Requirement, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """A report, notes on its comments, its files, and a line for each requirement that it fails."""

    report: Report
    notes: tuple[Note | str, ...]
    files: ReportFiles
    failures: tuple[str, ...]


def evaluate(
    target: str,
    files: Sequence[str] = (),
    request: EvaluationRequest = EvaluationRequest(),
    *,
    name: str = "",
    out: Path | None = None,
    on_scored: OnScored = lambda what, num_comments, total: None,
) -> Evaluation:
    """Score labelled comments with a classifier, and measure and write what scores and decisions are worth.

    Parameters
    ----------
    target : a run directory, a classifier folder or a hub name
    files : labelled comments; a label that they lack is unknown. None: those that the run held out
    request : what to measure
    name : of the report; default: the first file's name, or that of the run's own report
    out : folder of the report; default: that of the run's reports, or ``reports`` in the current folder
    on_scored : called after each batch with what is scored, the batch size and the total

    Raises
    ------
    UserError : any mistake of the user
    """
    run = RunDirectory.find(Path(target))
    name = _checked_name(name, files, overwrites=run is not None and out is None)
    classifier = Classifier.load(target)
    label = _checked_label("--bias-label", request.aspects.label, classifier.labels) or main_label(classifier.labels)
    _checked_label("--suite-label", request.probes.suite_label, classifier.labels)
    labelled = read_labelled(target, files, classifier.labels, request.columns)
    columns = {column: read_column(labelled.files, labelled.origin, column) for column in request.slices}
    # Read before the comments are scored, so that a mistake in a file is reported first.
    probes = request.probes
    templates = [read_templates(file) for file in probes.templates]
    suites = [read_suite(file, probes.suite_label) for file in probes.suites]
    for suite in suites:
        _refuse_unknown_labels(suite, classifier.labels)
    parts_asked = {
        "bias": bool(labelled.dataset.group_names),
        "templates": bool(probes.templates),
        "suites": bool(probes.suites),
        "robustness": probes.robustness,
    }
    for requirement in request.requirements:
        requirement.check(classifier.labels, parts_asked)
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
    report = report_on(scored, subject, replace(request.aspects, label=label, columns=columns))
    parts: dict[str, Any] = {
        "templates": {one.name: _bias_on(classifier, one, label, on_scored) for one in templates},
        "suites": {one.name: _decisions_on(classifier, one, on_scored) for one in suites},
    }
    if probes.robustness:
        score = _scorer(classifier, on_scored)
        parts["robustness"] = measure_robustness(scored, score, sample=probes.sample, seed=probes.seed)
    report = report.model_copy(update=parts)
    source = _source(target, files, request.columns)
    written = write_report(report, scored, out or (run.reports if run else Path("reports")), source)
    notes = (*labelled.notes, *doubts(report, request.requirements))
    return Evaluation(report, notes, written, failures(report, request.requirements))


def _scorer(classifier: Classifier, on_scored: OnScored) -> Callable[[Sequence[str], str], Float32s]:
    """Return a function that scores texts; its second argument says what they are."""
    return lambda texts, what: classifier.score(texts, on_scored=lambda number: on_scored(what, number, len(texts)))


def _bias_on(classifier: Classifier, templates: Templates, label: str, on_scored: OnScored) -> BiasReport:
    scores = _scorer(classifier, on_scored)(templates.texts, f"templates {templates.name}")
    column = classifier.labels.index(label)
    grouped = Grouped(
        templates.targets,
        scores[:, column],
        classifier.decide(scores)[:, column],
        templates.groups.astype(np.float32),
        templates.group_names,
    )
    return bias_of(grouped, templates.name, label)


def _decisions_on(classifier: Classifier, suite: Suite, on_scored: OnScored) -> SuiteReport:
    scores = _scorer(classifier, on_scored)([case.text for case in suite.cases], f"suite {suite.name}")
    return suite_report(suite, scores, classifier.decide(scores), classifier.labels)


def _source(target: str, files: Sequence[str], columns: Columns) -> list[str]:
    """Return the arguments of a command that scores the same comments again."""
    data = ["--data", *files] if files else []
    text = ["--text-column", columns.text] if columns.text else []
    return [target, *data, *text, *(["--id-column", columns.id] if columns.id else [])]


def _checked_name(name: str, files: Sequence[str], *, overwrites: bool) -> str:
    """Return the name of the report; UserError if it is not plain, or would replace the run's own report."""
    name = name or (_name_of(files) if files else OWN_REPORT)
    if Path(name).name != name or "\\" in name or name.startswith(".") or one_line(name) != name:
        remedy = "choose a name that has no slashes or control characters and does not begin with a dot"
        raise _bad_name(shown(name), "not a plain name", remedy)
    if len(name.encode()) > _LONGEST_NAME:
        raise _bad_name(shown(name), f"longer than {_LONGEST_NAME} bytes", "choose a shorter name")
    if files and name == OWN_REPORT and overwrites:
        found = f"would replace the run's own report, which is named {OWN_REPORT}"
        raise _bad_name(name, found, "give this report another name: --name NAME")
    return name


def _bad_name(name: str, found: str, remedy: str) -> UserError:
    return UserError("evaluation.bad-report-name", found, where=f"--name {name}", remedy=remedy)


def _name_of(files: Sequence[str]) -> str:
    """Return the name of a report on these files: that of the first, without its suffixes."""
    name = one_line(Path(files[0]).name.split(".")[0].replace("*", "all")) or "report"
    return name.encode()[:_LONGEST_NAME].decode("utf-8", "ignore")


def _checked_label(option: str, wanted: str, labels: Sequence[str]) -> str:
    if wanted and wanted not in labels:
        found, where = f"no such label{did_you_mean(wanted, labels)}", f"{option} {shown(wanted)}"
        raise UserError("evaluation.no-such-label", found, where=where, remedy=f"the labels are {listed(labels)}")
    return wanted


def _refuse_unknown_labels(suite: Suite, labels: Sequence[str]) -> None:
    """Raise a UserError for a suite whose cases all name labels that the classifier does not have."""
    named = dict.fromkeys(case.label for case in suite.cases)
    if named and not any(not label or label in labels for label in named):
        raise UserError(
            "evaluation.no-such-label",
            f"no case can be decided: all name labels that the classifier does not have: {listed(list(named))}",
            where=suite.name,
            remedy=f"its labels are {listed(labels)}: name one of them in the column label, or leave cells empty and "
            "give --suite-label",
        )
