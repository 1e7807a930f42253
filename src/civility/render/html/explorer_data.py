"""The numbers that explorer.js counts with."""

import math
import shlex
from collections.abc import Sequence

from civility.documents.label_report import LabelReport
from civility.documents.report import Report
from civility.errors import UserError
from civility.metrics.policy import parse_policy
from civility.render.charts.label_charts import EXPLORER, EXPLORER_WIDTH, place_in_use, review_place

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
