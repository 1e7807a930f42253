"""The page of a report: what its templates show, from the document alone."""

import math
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from markupsafe import Markup

from civility.documents.behaviour_report import BiasReport
from civility.documents.label_report import LabelReport
from civility.documents.report import Report
from civility.errors import UserError
from civility.metrics.policy import parse_policy
from civility.metrics.small_samples import FEWEST
from civility.plain_text import as_script
from civility.render.charts import label_charts, overviews
from civility.render.charts.label_charts import EXPLORER, EXPLORER_WIDTH, place_in_use, review_place
from civility.render.charts.svg import Drawing
from civility.render.html.page import PageSection, macros, put_together
from civility.render.sentences.report_sentences import (
    FEW_TEMPLATES,
    MEASURABLE,
    OF_THE_SAMPLE,
    UNKNOWN_GROUPS,
    VERDICT_WORDS,
    not_chosen,
    not_measurable_sentence,
    optimism,
    undefined_reason,
)


def to_html(report: Report, source: Sequence[str] = ()) -> str:
    """Return the page: one file that needs no other, and no network; ``source`` is that of `write_report`."""
    return put_together(
        "report", report.name, list(_sections(report)), _values(report, source), scripts=("page.js", "explorer.js")
    )


def _sections(report: Report) -> Iterator[PageSection]:
    errors = report.errors.values()
    found = {
        PageSection("summary", "Is it good enough?"): True,
        PageSection("explorer", "Threshold explorer"): True,
        PageSection("training", "Training"): report.training,
        PageSection("ranking", "Ranking"): True,
        PageSection("reliability", "Reliability"): any(numbers.calibration for numbers in report.labels.values()),
        PageSection("scores", "Scores by target"): True,
        PageSection("together", "Labels together"): len(report.labels) > 1,
        PageSection("bias", "Who is harmed by errors"): report.bias or report.templates,
        PageSection("robustness", "How easily it is fooled"): report.robustness,
        PageSection("suites", "Behaviour suites"): report.suites,
        PageSection("slices", "Slices"): any(report.slices.values()),
        PageSection("errors", "The worst errors"): any(one.false_positives or one.false_negatives for one in errors),
        PageSection("method", "How these numbers were made"): True,
        PageSection("undefined", "Undefined numbers"): report.undefined,
    }
    return (section for section, is_shown in found.items() if is_shown)


def _values(report: Report, source: Sequence[str]) -> dict[str, Any]:
    def why(*parts: str | tuple[str, ...]) -> str:
        return undefined_reason(report, ".".join(part if isinstance(part, str) else ".".join(part) for part in parts))

    calibrated = {label: part for label, numbers in report.labels.items() if (part := numbers.calibration)}
    words = {numbers.verdict for numbers in report.labels.values()}
    shown = [one for found in report.errors.values() for one in (*found.false_positives, *found.false_negatives)]
    return {
        "report": report,
        "why": why,
        "drawings": _drawings(report),
        "label_heads": [macros().name(label) for label in report.labels],
        "warnings": _warnings(report),
        "macros": _macros(report),
        "meanings": {word: meaning for word, meaning in VERDICT_WORDS.items() if word in words},
        **_at_rates(report),
        "stats": STATS,
        "has_bands": any(numbers.review_threshold is not None for numbers in report.labels.values()),
        "explorer_data": Markup(as_script(explorer_data(report, source))),
        "has_ghosts": label_charts.has_ghosts(report.labels),
        "shared": label_charts.shared_curves(report.labels),
        "calibrated": calibrated,
        "is_cross_fitted": any(part.cross_fitted for part in calibrated.values()),
        "co_occurrence": [(words, overviews.co_occurrence(report, counts)) for words, counts in _counted(report)],
        "biases": _biases(report),
        "of_the_sample": OF_THE_SAMPLE,
        "has_texts": any(example.text for example in shown),
    }


def _drawings(report: Report) -> dict[str, dict[str, Drawing] | Drawing | None]:
    labels, names = report.labels, list(report.labels)
    found: dict[str, dict[str, Drawing] | Drawing | None] = {
        "thresholds": {label: label_charts.thresholds(label, numbers) for label, numbers in labels.items()},
        "roc": {label: label_charts.roc(labels, label) for label in labels},
        "precision_recall": {label: label_charts.precision_recall(labels, label) for label in labels},
        "histogram": {label: label_charts.histogram(label, numbers) for label, numbers in labels.items()},
        "reliability": {
            label: label_charts.reliability(label, part)
            for label, numbers in labels.items()
            if (part := numbers.calibration)
        },
        "together": None,
    }
    if len(labels) > overviews.MOST_COLUMNS:
        found["together"] = {
            words: overviews.heat_map(
                names,
                names,
                overviews.co_occurrence(report, counts),
                f"{words}: share of each label's comments with another",
            )
            for words, counts in _counted(report)
        }
    if report.training is not None:
        found["loss"] = overviews.training_loss(report.training)
        found["auc"] = overviews.training_auc(report.training) if report.training.epochs else None
    if report.robustness is not None and report.robustness.perturbations:
        found["robustness"] = overviews.robustness(report.robustness)
    return found


def _counted(report: Report) -> list[tuple[str, tuple[tuple[int, ...], ...]]]:
    """Return the counts of comments that have two labels at once; none of a single label."""
    if len(report.labels) < 2:
        return []
    return [("Targets", report.co_occurrence.targets), ("Decisions", report.co_occurrence.decisions)]


def _warnings(report: Report) -> list[tuple[str, str]]:
    found = (
        ("Not chosen from data.", not_chosen(report.not_chosen_from_data)),
        ("Optimistic.", optimism(report)),
        ("Too few comments.", not_measurable_sentence(report)),
    )
    return [(heading, sentence) for heading, sentence in found if sentence]


def _macros(report: Report) -> list[tuple[Any, str, str, str]]:
    """Return the macro averages, each with its field of the document, its name and what it is."""
    found: list[tuple[Any, str, str, str]] = [
        (report.macro, "macro", "macro", "The mean over the labels where a number is defined.")
    ]
    if report.measurable is not None:
        what = f"The mean over the labels with at least {FEWEST} positive and negative comments."
        found.append((report.measurable, "macro_measurable", MEASURABLE, what))
    return found


def _at_rates(report: Report) -> dict[str, Any]:
    """Return the rows of recall at fixed false-positive rates, and the heads of their columns by rate."""
    rows: list[tuple[str, tuple[str, ...], Any]] = [
        (label, ("labels", label), numbers) for label, numbers in report.labels.items()
    ]
    rows.append(("any label", ("any_label",), report.any_label))
    rows += [(words, (field,), macro) for macro, field, words, _ in _macros(report)]
    rates = dict.fromkeys(rate for _, _, numbers in rows for rate in numbers.recall_at_fpr)
    return {"rows_at_rates": rows, "rates": {rate: f"at {_rate(rate)} false positives" for rate in rates}}


def _rate(rate: str) -> str:
    try:
        return f"{100 * float(rate):g} %"
    except ValueError:
        return rate


def _biases(report: Report) -> list[tuple[BiasReport, tuple[str, ...], str]]:
    """Return the groups of the data and of each file of templates, with their paths and a caution."""
    found: list[tuple[BiasReport, tuple[str, ...], str]] = []
    if report.bias is not None:
        found.append((report.bias, ("bias",), UNKNOWN_GROUPS))
    return found + [(bias, ("templates", key), FEW_TEMPLATES) for key, bias in report.templates.items()]


STATS = (
    ("precision", "Precision", 3),
    ("recall", "Recall", 3),
    ("f1", "F1", 3),
    ("false_positive_rate", "False-positive rate", 4),
    ("flagged_per_1000", "Flagged per 1,000", 1),
)
"""Keys of `LabelReport` and of explorer.js, their names and their decimals."""


def explorer_data(report: Report, source: Sequence[str]) -> dict[str, object]:
    """Return the numbers by name; ``source`` is that of `write_report`."""
    labels = [
        {
            "name": label,
            "thresholds": numbers.curve.thresholds,
            "true": numbers.curve.true_positives,
            "false": numbers.curve.false_positives,
            "positive": numbers.num_positive,
            "negative": numbers.num_negative,
            "start": place_in_use(numbers),
            "used": {key: getattr(numbers, key).value for key, _, _ in STATS}
            | {"review_per_1000": numbers.review_per_1000},
            "review": _band(numbers),
        }
        for label, numbers in report.labels.items()
    ]
    used = {key: getattr(report.any_label, key).value for key in ("precision", "recall", "flagged_per_1000")}
    return {
        "command": shlex.join(["civility", "thresholds", *(source or ("TARGET", "--data", "FILE"))]),
        "labels": labels,
        "any": None if report.explorer is None else {**report.explorer.model_dump(), "used": used},
        "plot": [EXPLORER.left, EXPLORER.right, EXPLORER_WIDTH],
        "digits": {key: digits for key, _, digits in STATS} | {"review_per_1000": 1},
    }


def _band(numbers: LabelReport) -> dict[str, float] | None:
    """Return a label's band for review: comments that reach it, its place in the chart, and its budget per 1,000."""
    if numbers.review_threshold is None:
        return None
    known, load = numbers.num_positive + numbers.num_negative, numbers.review_per_1000 or 0.0
    # Exact wherever the review threshold is: the flagged comments, and those that the report counted in the band.
    reach = numbers.true_positives + numbers.false_positives + round(load * known / 1000)
    return {"reach": reach, "place": review_place(numbers), "budget": _budget(numbers.policy, load)}


def _budget(policy: str, load: float) -> float:
    """Return the review budget of the policy, or what is reviewed now if the policy has none."""
    try:
        budget = parse_policy(policy).review
    except UserError:
        budget = None
    return math.ceil(10 * load - 1e-9) / 10 if budget is None else budget
