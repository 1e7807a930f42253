"""Small tables that a notebook shows of a report, a comparison and a classifier."""

from typing import TYPE_CHECKING

from civility.documents.comparison_result import Comparison
from civility.documents.label_report import AnyLabel, LabelReport, Macro
from civility.documents.report import Report
from civility.render.html.page import environment
from civility.render.sentences import comparison_sentences
from civility.render.sentences.report_sentences import METRIC_NAMES, optimism, with_interval

if TYPE_CHECKING:
    from civility.scoring.classifier import Classifier


def report_table(report: Report) -> str:
    """Return the verdict and a row for each label, as HTML."""
    columns = ("roc_auc", "precision", "recall", "f1")
    rows: list[tuple[str, str, LabelReport | AnyLabel | Macro, float | None]] = [
        (label, numbers.verdict, numbers, numbers.threshold) for label, numbers in report.labels.items()
    ]
    rows += [("any label", "", report.any_label, None), ("macro", "", report.macro, None)]
    return _written(
        "report",
        report=report,
        optimism=optimism(report),
        heads=[METRIC_NAMES[column] for column in columns],
        rows=[
            (name, word, threshold, [with_interval(getattr(numbers, column)) for column in columns])
            for name, word, numbers, threshold in rows
        ],
    )


def comparison_table(comparison: Comparison) -> str:
    """Return a row for each setting, with its macro averages and their differences, as HTML."""
    heads, columns = [], []
    for metric in comparison.metrics:
        for name, numbers in comparison_sentences.macros_of(comparison, metric):
            heads += [f"{name} {METRIC_NAMES[metric]}", "difference", "verdict"]
            columns.append(numbers)
    rows = []
    for place, row in enumerate(comparison.rows):
        cells = []
        for one in (numbers[place] for numbers in columns):
            cells += [
                comparison_sentences.value_of(one),
                comparison_sentences.difference_of(one),
                comparison_sentences.verdict_of(one),
            ]
        rows.append((row.name, comparison_sentences.settings_of(row, comparison.rows[0]), cells))
    return _written(
        "comparison", summary=comparison_sentences.where(comparison), heads=heads, rows=rows, notes=comparison.notes
    )


def classifier_table(classifier: "Classifier") -> str:
    """Return what the classifier is, and a row for each label with its threshold, as HTML."""
    rows = [
        (
            label,
            classifier.thresholds[label],
            classifier.review_thresholds.get(label),
            classifier.policies.get(label, ""),
            classifier.calibration[label].method,
        )
        for label in classifier.labels
    ]
    return _written("classifier", classifier=classifier, rows=rows)


def _written(template: str, **values: object) -> str:
    return environment().get_template(f"notebook/{template}.html").render(**values)
