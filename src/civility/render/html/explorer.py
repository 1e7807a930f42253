"""The threshold explorer: a panel for each label, the numbers of any label, and what explorer.js counts with."""

import math
import shlex
from collections.abc import Sequence

from civility.documents.report import LabelReport, Report
from civility.errors import UserError
from civility.metrics.policy import parse_policy
from civility.render.html import charts, svg
from civility.render.html.charts import Drawing
from civility.render.html.markup import Section
from civility.render.html.svg import Frame, Point, at
from civility.render.sentences.page_sentences import DASH, cut_point, fixed, island, name, said, short_number

_STATS = (
    ("precision", "Precision", 3),
    ("recall", "Recall", 3),
    ("f1", "F1", 3),
    ("false_positive_rate", "False-positive rate", 4),
    ("flagged_per_1000", "Flagged per 1,000", 1),
)
"""Keys of `LabelReport` and of explorer.js, what they are called, and their digits."""

_WIDTH, _HEIGHT = 300.0, 148.0
_LEFT, _RIGHT = 15.0, 285.0
"""5 % and 95 % of the width: the style puts the ends of the slider under them."""


def explorer(report: Report, source: Sequence[str]) -> Section:
    """Return the section; its sliders sleep until explorer.js wakes them."""
    panels = "".join(_panel(i, label, numbers) for i, (label, numbers) in enumerate(report.labels.items()))
    body = (
        '<p class="what">Move a threshold and see what it costs. Comments whose score reaches it are flagged. Numbers '
        "are counts on these comments, not estimates. Each step of a slider is one threshold: steps lie close where "
        f"scores do. The dashed line is the threshold in use.{_of_bands(report)}</p>"
        '<noscript><p class="warning">The explorer needs JavaScript. What is shown is at the thresholds in use.</p>'
        f"</noscript>{_any(report)}"
        f'<div class="panels">{panels}</div>{_policy(report)}'
        f'<script type="application/json" id="explorer-data">{island(_data(report, source))}</script>'
    )
    return Section("explorer", "Threshold explorer", body)


def _of_bands(report: Report) -> str:
    if all(numbers.review_threshold is None for numbers in report.labels.values()):
        return ""
    return (
        " What lies in a shaded band, from the review threshold up to the threshold, goes to people. Here the review "
        "threshold stays where it is, so moving the threshold changes the review load."
    )


def _stat(key: str, words: str, value: float | None, digits: int) -> str:
    return (
        f'<div data-stat="{key}"><dt>{words}</dt><dd class="now">{fixed(value, digits)}</dd>'
        f'<dd class="was">in use {fixed(value, digits)}</dd></div>'
    )


def _panel(i: int, label: str, numbers: LabelReport) -> str:
    last = len(numbers.curve.thresholds) - 1
    stats = "".join(_stat(key, words, getattr(numbers, key).value, digits) for key, words, digits in _STATS)
    stats += _load("load", "Flagged load change")
    review = ""
    if numbers.review_threshold is not None:
        review = f" · review from {cut_point(numbers.review_threshold)} "
        stats += _stat("review_per_1000", "For review per 1,000", numbers.review_per_1000, 1)
        stats += _load("review_load", "Review load change")
    start = charts.place_in_use(numbers)
    return (
        f'<article class="panel" data-label="{i}"><h3>{name(label)}</h3>'
        f'<p class="at">threshold <output>{cut_point(numbers.threshold)}</output>{review}'
        f'<button type="button" class="quiet" data-back hidden>back to {cut_point(numbers.threshold)}</button></p>'
        f"{chart(label, numbers).in_page('chart explorer')}"
        f'<input type="range" min="0" max="{last}" step="1" value="{start}" disabled autocomplete="off" '
        f'aria-label="{said(f"Threshold of {label}")}">'
        f'<dl class="stats">{stats}</dl></article>'
    )


def _load(key: str, words: str) -> str:
    return f'<div data-stat="{key}"><dt>{words}</dt><dd class="now">{DASH}</dd><dd class="was"></dd></div>'


def _any(report: Report) -> str:
    reset = '<button type="button" id="reset" disabled>Reset all</button>'
    if report.explorer is None:
        return (
            '<p class="note">This report does not carry each comment, which many comments would make too large: what '
            f"any label flags is not counted here. The numbers of each label are exact.</p>{reset}"
        )
    numbers = report.any_label
    stats = [
        ("flagged_per_1000", "Flagged per 1,000", numbers.flagged_per_1000.value, 1),
        ("precision", "Precision", numbers.precision.value, 3),
        ("recall", "Recall", numbers.recall.value, 3),
    ]
    return (
        '<div class="any" id="any"><h3>Any label</h3><dl class="stats">'
        f"{''.join(_stat(*stat) for stat in stats)}{_load('load', 'Change of load per 1,000')}</dl>{reset}</div>"
    )


def _policy(report: Report) -> str:
    """Return the command to copy.

    And not the thresholds: put into ``civility.json`` by hand, they would stand beside policies, bands and a digest
    of comments that they do not come from.
    """
    options = (
        ("precision", "precision"),
        ("recall", "recall"),
        ("fpr", "false-positive rate"),
        ("flagged", "flagged per 1,000"),
    )
    listed = "".join(f'<option value="{key}">{words}</option>' for key, words in options)
    banded = any(numbers.review_threshold is not None for numbers in report.labels.values())
    bands = (
        " A label with a band for review keeps its review budget: the review threshold is chosen anew, as far below "
        "the threshold as the budget holds."
    )
    return (
        '<div class="policy" id="policy-part" hidden><h3>Take it with you</h3>'
        f'<p><label>Hold each label to its <select id="policy-by" autocomplete="off">{listed}</select></label> '
        "on data of your choice:</p>"
        '<div class="copy"><pre id="policy" tabindex="0"></pre>'
        '<button type="button" data-copy="policy">Copy</button></div>'
        '<p class="what">It chooses thresholds on the comments of <code>FILE</code>, says what cannot be met, and '
        "writes them into the classifier&#x2019;s folder; with <code>--check</code> it writes nothing. Where "
        "precision or recall is undefined or below 0.1, which is no goal to hold, the command bounds the comments "
        f"flagged instead.{bands if banded else ''}</p>"
        '<p class="hush" role="status" id="copied"></p></div>'
    )


def _data(report: Report, source: Sequence[str]) -> dict[str, object]:
    labels = [
        {
            "name": label,
            "thresholds": numbers.curve.thresholds,
            "true": numbers.curve.true_positives,
            "false": numbers.curve.false_positives,
            "positive": numbers.num_positive,
            "negative": numbers.num_negative,
            "start": charts.place_in_use(numbers),
            "used": {key: getattr(numbers, key).value for key, _, _ in _STATS}
            | {"review_per_1000": numbers.review_per_1000},
            "review": _band(numbers),
        }
        for label, numbers in report.labels.items()
    ]
    found = report.any_label
    used = {key: getattr(found, key).value for key in ("precision", "recall", "flagged_per_1000")}
    return {
        "command": shlex.join(["civility", "thresholds", *(source or ("TARGET", "--data", "FILE"))]),
        "labels": labels,
        "any": None if report.explorer is None else {**report.explorer.model_dump(), "used": used},
        "plot": [_LEFT, _RIGHT, _WIDTH],
        "digits": {key: digits for key, _, digits in _STATS} | {"review_per_1000": 1},
    }


def _band(numbers: LabelReport) -> dict[str, float] | None:
    """Return a label's band for review: comments that reach it, its place in the chart, and its budget per 1,000."""
    if numbers.review_threshold is None:
        return None
    known, load = numbers.num_positive + numbers.num_negative, numbers.review_per_1000 or 0.0
    # Exact wherever the review threshold lies: those flagged, and those that the report counted between the two.
    reach = numbers.true_positives + numbers.false_positives + round(load * known / 1000)
    return {"reach": reach, "place": _review_place(numbers), "budget": _budget(numbers.policy, load)}


def _review_place(numbers: LabelReport) -> int:
    """Return the place of the review threshold among the curve's, or of the nearest below it."""
    review = numbers.review_threshold or 0.0
    return max(0, sum(threshold <= review for threshold in numbers.curve.thresholds) - 1)


def _budget(policy: str, load: float) -> float:
    """Return what people were said to be able to review, or where no policy says it, what they review now."""
    try:
        budget = parse_policy(policy).review
    except UserError:
        budget = None
    return math.ceil(10 * load - 1e-9) / 10 if budget is None else budget


def chart(label: str, numbers: LabelReport) -> Drawing:
    """Return precision and recall over the places of the slider, so that what is below the thumb is what holds."""
    curve, last = numbers.curve, len(numbers.curve.thresholds) - 1
    frame = Frame(
        _LEFT,
        12,
        _RIGHT,
        126,
        svg.linear(0, max(1, last), _LEFT, _RIGHT),
        svg.linear(0, 1, 126, 12),
    )
    places = sorted({round(last * i / 4) for i in range(5)})
    start = charts.place_in_use(numbers)
    review = "" if numbers.review_threshold is None else _shaded(frame, _review_place(numbers), start)
    counts = list(enumerate(zip(curve.true_positives, curve.false_positives, strict=True)))
    precision = [(float(i), true / (true + false)) for i, (true, false) in counts if true + false]
    recall = [(float(i), true / numbers.num_positive) for i, (true, _) in counts] if numbers.num_positive else []
    parts = [
        review,
        frame.rows(((0.0, "0"), (0.5, ""), (1.0, "1"))),
        frame.columns([(i, short_number(curve.thresholds[i])) for i in places], grid=False),
        frame.upright(start, "cut"),
        frame.curve(recall, "main orange dashed"),
        frame.curve(precision, "main blue"),
        svg.text("recall", (_LEFT + 6, 24), "side orange") if recall else "",
        svg.text("precision", (_LEFT + 6, _beside(frame.y(_early(precision)))), "side blue") if precision else "",
        f'<g class="here" transform="translate({at(frame.x(start))} 0)">'
        f'<line class="now" x1="0" x2="0" y1="8" y2="130"/></g>',
    ]
    tells = (
        f"Precision and recall of {label} over its thresholds, from {short_number(curve.thresholds[0])} to "
        f"{short_number(curve.thresholds[-1])}; in use: {cut_point(numbers.threshold)}."
    )
    if numbers.review_threshold is not None:
        tells += f" For review from {cut_point(numbers.review_threshold)}."
    return Drawing("".join(parts), _WIDTH, _HEIGHT, tells)


def _shaded(frame: Frame, review: int, start: int) -> str:
    left, right = frame.x(review), frame.x(max(review, start))
    return svg.rect((left, frame.top), (right - left, frame.bottom - frame.top), "for-review", "for review")


def _early(points: list[Point]) -> float:
    """Return the highest value of the first quarter, above which there is room for words."""
    return max(value for _, value in points[: max(1, len(points) // 4)])


def _beside(height: float) -> float:
    """Return where words go: above a line, or below it where the words of recall stand above."""
    return height - 7 if height > 50 else height + 30
