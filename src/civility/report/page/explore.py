"""The threshold explorer: a panel for each label, the numbers of any label, and what explorer.js counts with."""

from civility.report.document import LabelReport, Report
from civility.report.page import charts, svg
from civility.report.page.charts import Drawing
from civility.report.page.markup import Section
from civility.report.page.svg import Frame, Point, at
from civility.report.page.words import DASH, cut_point, fixed, island, name, said, short_number

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


def explorer(report: Report) -> Section:
    """Return the section; its sliders sleep until explorer.js wakes them."""
    panels = "".join(_panel(i, label, numbers) for i, (label, numbers) in enumerate(report.labels.items()))
    body = (
        '<p class="what">Move a threshold and see what it costs. Comments whose score reaches it are flagged. Numbers '
        "are counts on these comments, not estimates. Each step of a slider is one threshold: steps lie close where "
        "scores do. The dashed line is the threshold in use.</p>"
        '<noscript><p class="warning">The explorer needs JavaScript. What is shown is at the thresholds in use.</p>'
        f"</noscript>{_any(report)}"
        f'<div class="panels">{panels}</div>{_policy()}'
        f'<script type="application/json" id="explorer-data">{island(_data(report))}</script>'
    )
    return Section("explorer", "Threshold explorer", body)


def _stat(key: str, words: str, value: float | None, digits: int) -> str:
    return (
        f'<div data-stat="{key}"><dt>{words}</dt><dd class="now">{fixed(value, digits)}</dd>'
        f'<dd class="was">in use {fixed(value, digits)}</dd></div>'
    )


def _panel(i: int, label: str, numbers: LabelReport) -> str:
    last = len(numbers.curve.thresholds) - 1
    stats = "".join(_stat(key, words, getattr(numbers, key).value, digits) for key, words, digits in _STATS)
    start = charts.place_in_use(numbers)
    return (
        f'<article class="panel" data-label="{i}"><h3>{name(label)}</h3>'
        f'<p class="at">threshold <output>{cut_point(numbers.threshold)}</output>'
        f'<button type="button" class="quiet" data-back hidden>back to {cut_point(numbers.threshold)}</button></p>'
        f"{chart(label, numbers).in_page('chart explorer')}"
        f'<input type="range" min="0" max="{last}" step="1" value="{start}" disabled autocomplete="off" '
        f'aria-label="{said(f"Threshold of {label}")}">'
        f'<dl class="stats">{stats}<div data-stat="load"><dt>Change per 1,000</dt><dd class="now">{DASH}</dd>'
        f'<dd class="was"></dd></div></dl></article>'
    )


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
        f"{''.join(_stat(*stat) for stat in stats)}"
        f'<div data-stat="load"><dt>Change of load per 1,000</dt><dd class="now">{DASH}</dd>'
        f'<dd class="was"></dd></div></dl>{reset}</div>'
    )


def _policy() -> str:
    options = (
        ("precision", "precision"),
        ("recall", "recall"),
        ("fpr", "false-positive rate"),
        ("flagged", "flagged per 1,000"),
    )
    listed = "".join(f'<option value="{key}">{words}</option>' for key, words in options)
    return (
        '<div class="policy" id="policy-part" hidden><h3>Take it with you</h3>'
        f'<p><label>Hold each label to its <select id="policy-by" autocomplete="off">{listed}</select></label> '
        "on data of your choice:</p>"
        '<div class="copy"><pre id="policy" tabindex="0"></pre>'
        '<button type="button" data-copy="policy">Copy</button></div>'
        "<p>Or put these very thresholds into <code>civility.json</code> of the classifier:</p>"
        '<div class="copy"><pre id="thresholds" tabindex="0"></pre>'
        '<button type="button" data-copy="thresholds">Copy</button></div>'
        '<p class="hush" role="status" id="copied"></p></div>'
    )


def _data(report: Report) -> dict[str, object]:
    labels = [
        {
            "name": label,
            "thresholds": numbers.curve.thresholds,
            "true": numbers.curve.true_positives,
            "false": numbers.curve.false_positives,
            "positive": numbers.num_positive,
            "negative": numbers.num_negative,
            "start": charts.place_in_use(numbers),
            "used": {key: getattr(numbers, key).value for key, _, _ in _STATS},
        }
        for label, numbers in report.labels.items()
    ]
    found = report.any_label
    used = {key: getattr(found, key).value for key in ("precision", "recall", "flagged_per_1000")}
    return {
        "labels": labels,
        "any": None if report.explorer is None else {**report.explorer.model_dump(), "used": used},
        "plot": [_LEFT, _RIGHT, _WIDTH],
        "digits": {key: digits for key, _, digits in _STATS},
    }


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
    counts = list(enumerate(zip(curve.true_positives, curve.false_positives, strict=True)))
    precision = [(float(i), true / (true + false)) for i, (true, false) in counts if true + false]
    recall = [(float(i), true / numbers.num_positive) for i, (true, _) in counts] if numbers.num_positive else []
    parts = [
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
    return Drawing("".join(parts), _WIDTH, _HEIGHT, tells)


def _early(points: list[Point]) -> float:
    """Return the highest value of the first quarter, above which there is room for words."""
    return max(value for _, value in points[: max(1, len(points) // 4)])


def _beside(height: float) -> float:
    """Return where words go: above a line, or below it where the words of recall stand above."""
    return height - 7 if height > 50 else height + 30
