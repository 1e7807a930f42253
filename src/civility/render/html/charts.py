"""Charts of one label: ROC, precision and recall, reliability, scores by target, and the explorer's.

Each is drawn once and used twice: in the page and in the SVG files. Knows no HTML.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from civility.documents.report import CalibrationReport, Estimate, LabelReport, ScoreQuality
from civility.render.html import svg
from civility.render.html.svg import Frame, Point, at
from civility.render.sentences.page_sentences import cut_point, fixed, percent, span, whole

_Height = Callable[[int, int], float]
WIDTH, HEIGHT = 260.0, 196.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 34.0, 250.0, 10.0, 168.0
_SHARES = ((0.0, "0"), (0.5, "0.5"), (1.0, "1"))
MOST_GHOSTS = 12
"""Labels up to which each small chart shows the curves of the others, faint, behind its own."""


@dataclass(frozen=True)
class Drawing:
    """The inside of an SVG element, its size in pixels, and a sentence that tells what it shows."""

    inside: str
    width: float
    height: float
    tells: str

    def in_page(self, style: str = "chart") -> str:
        """Return the element for the page."""
        return svg.picture(self.inside, (self.width, self.height), self.tells, style)


def _unit_frame() -> Frame:
    return Frame(_LEFT, _TOP, _RIGHT, _BOTTOM, svg.linear(0, 1, _LEFT, _RIGHT), svg.linear(0, 1, _BOTTOM, _TOP))


def _axis_names(below: str, beside: str) -> str:
    return (
        svg.text(below, ((_LEFT + _RIGHT) / 2, HEIGHT - 2), "axis middle")
        + f'<text class="axis middle" transform="translate(9 {at((_TOP + _BOTTOM) / 2)}) rotate(-90)">{beside}</text>'
    )


def place_in_use(label: LabelReport) -> int:
    """Return the place of the threshold in use among those of the curve."""
    thresholds = label.curve.thresholds
    return min(range(len(thresholds)), key=lambda i: abs(thresholds[i] - label.threshold))


def roc_floor(labels: Iterable[LabelReport]) -> float:
    """Return the lowest false-positive rate that is drawn: a power of ten that the most negatives can show."""
    most = max((label.num_negative for label in labels), default=1)
    return float(min(1e-2, max(1e-5, 10.0 ** -math.floor(math.log10(max(most, 10))))))


def _roc_points(label: LabelReport) -> list[Point]:
    if not label.num_positive or not label.num_negative:
        return []
    pairs = zip(label.curve.false_positives, label.curve.true_positives, strict=True)
    return [(false / label.num_negative, true / label.num_positive) for false, true in pairs]


def _roc_frame(floor: float) -> Frame:
    return Frame(
        _LEFT,
        _TOP,
        _RIGHT,
        _BOTTOM,
        svg.logarithmic(floor, 1, _LEFT, _RIGHT),
        svg.linear(0, 1, _BOTTOM, _TOP),
    )


def _ghosts(labels: Mapping[str, LabelReport], key: str) -> str:
    return "".join(f'<use class="ghost" href="#{key}-{i}"/>' for i in range(len(labels)))


def roc_lines(labels: Mapping[str, LabelReport]) -> str:
    """Return the ROC curve of every label as definitions that the charts point to."""
    frame = _roc_frame(roc_floor(labels.values()))
    return "".join(frame.curve(_roc_points(label), "", f"roc-{i}") for i, label in enumerate(labels.values()))


def roc(labels: Mapping[str, LabelReport], label: str) -> Drawing:
    """Return recall against the false-positive rate, which is logarithmic: few comments are toxic."""
    numbers, floor = labels[label], roc_floor(labels.values())
    frame = _roc_frame(floor)
    powers = [10.0**power for power in range(round(math.log10(floor)), 1)]
    chance = [(floor * (1 / floor) ** (i / 40), floor * (1 / floor) ** (i / 40)) for i in range(41)]
    points = _roc_points(numbers)
    parts = [
        frame.rows(_SHARES),
        frame.columns([(power, f"{100 * power:g} %") for power in powers]),
        frame.curve(chance, "chance"),
        _ghosts(labels, "roc") if len(labels) <= MOST_GHOSTS else "",
        frame.curve(points, "main blue"),
        _axis_names("false-positive rate", "recall"),
    ]
    if points:
        x, y = points[place_in_use(numbers)]
        parts.append(svg.diamond((frame.x(x), frame.y(y)), 4.5, "mark"))
    else:
        parts.append(_nothing(frame))
    rate, recall = numbers.false_positive_rate.value, numbers.recall.value
    tells = f"ROC curve of {label}: area {fixed(numbers.roc_auc.value)}."
    if rate is not None and recall is not None:
        tells += f" At the threshold in use, recall {fixed(recall)} at a false-positive rate of {percent(rate, 2)}."
    return Drawing("".join(parts), WIDTH, HEIGHT, tells)


def _nothing(frame: Frame) -> str:
    return svg.text("undefined", ((frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2), "axis middle")


def _precision_recall_points(label: LabelReport) -> list[Point]:
    if not label.num_positive:
        return []
    pairs = zip(label.curve.true_positives, label.curve.false_positives, strict=True)
    return [(true / label.num_positive, true / (true + false)) for true, false in pairs if true + false]


def precision_recall_lines(labels: Mapping[str, LabelReport]) -> str:
    """Return the precision-recall curve of every label as definitions that the charts point to."""
    frame = _unit_frame()
    return "".join(
        frame.curve(_precision_recall_points(label), "", f"pr-{i}") for i, label in enumerate(labels.values())
    )


def precision_recall(labels: Mapping[str, LabelReport], label: str) -> Drawing:
    """Return precision against recall, with lines of equal F1 and the share of positives."""
    numbers, frame = labels[label], _unit_frame()
    points = _precision_recall_points(numbers)
    known = numbers.num_positive + numbers.num_negative
    parts = [frame.rows(_SHARES), frame.columns(_SHARES)]
    for f1 in (0.2, 0.4, 0.6, 0.8):
        lowest = f1 / (2 - f1)
        recalls = [lowest + (1 - lowest) * i / 24 for i in range(25)]
        parts.append(frame.curve([(r, f1 * r / (2 * r - f1)) for r in recalls], "contour"))
        parts.append(svg.text(f"{f1:g}", (frame.x(1) + 2, frame.y(lowest) + 3), "contour-name"))
    if known:
        share = numbers.num_positive / known
        parts.append(frame.curve([(0, share), (1, share)], "chance"))
    parts += [
        _ghosts(labels, "pr") if len(labels) <= MOST_GHOSTS else "",
        frame.curve(points, "main blue"),
        _axis_names("recall", "precision"),
    ]
    if numbers.recall.value is not None and numbers.precision.value is not None:
        parts.append(svg.diamond((frame.x(numbers.recall.value), frame.y(numbers.precision.value)), 4.5, "mark"))
    if not points:
        parts.append(_nothing(frame))
    tells = (
        f"Precision against recall of {label}: average precision {fixed(numbers.average_precision.value)}. At the "
        f"threshold in use, precision {fixed(numbers.precision.value)} and recall {fixed(numbers.recall.value)}."
    )
    return Drawing("".join(parts), WIDTH, HEIGHT, tells)


def reliability(label: str, calibration: CalibrationReport) -> Drawing:
    """Return the share of positives against the mean score, before calibration and after it."""
    frame = _unit_frame()
    parts = [frame.rows(_SHARES), frame.columns(_SHARES), frame.curve([(0, 0), (1, 1)], "chance")]
    for quality, style in ((calibration.before, "before"), (calibration.after, "after")):
        parts += _reliability_marks(frame, quality, style)
    parts.append(_axis_names("mean score", "share positive"))
    tells = (
        f"Reliability of {label}: calibration error {fixed(calibration.before.calibration_error)} before calibration, "
        f"{fixed(calibration.after.calibration_error)} after it. On the diagonal, scores mean what they say."
    )
    return Drawing("".join(parts), WIDTH, HEIGHT, tells)


def _reliability_marks(frame: Frame, quality: ScoreQuality, style: str) -> list[str]:
    shown = [
        (part.mean_score, part.share_positive)
        for part in quality.bins
        if part.num_comments and part.share_positive.value is not None
    ]
    points = [(score, share.value or 0.0) for score, share in shown]
    parts = [frame.curve(points, f"thin {style}")]
    for score, share in shown:
        if style == "after" and share.low is not None and share.high is not None:
            parts.append(
                svg.line((frame.x(score), frame.y(share.low)), (frame.x(score), frame.y(share.high)), "whisker")
            )
    parts += [svg.circle((frame.x(x), frame.y(y)), 2.8, f"dot {style}") for x, y in points]
    return parts


def histogram(label: str, numbers: LabelReport) -> Drawing:
    """Return comments by score, positive ones upwards, negative ones downwards; twice: logarithmic and plain.

    The style shows one of the two. Counts share a scale where it is logarithmic; else each side has its own.
    """
    sides = (numbers.histogram.positive, numbers.histogram.negative)
    most = max(10, *sides[0], *sides[1])
    powers = [10**power for power in range(math.ceil(math.log10(most + 1)))]
    top, middle = math.log10(1 + most), (_TOP + _BOTTOM) / 2
    tall = middle - _TOP
    x = svg.linear(0, 1, _LEFT, _RIGHT)

    def ticks(heights: list[tuple[float, int, float]]) -> str:
        return "".join(
            svg.line((_LEFT, middle - way * height), (_RIGHT, middle - way * height), "grid")
            + svg.text(_brief(count), (_LEFT - 5, middle - way * height + 3.5), "tick end")
            for height, count, way in heights
        )

    shown = powers[1 :: 1 + len(powers) // 4]
    logs = [(math.log10(1 + power) / top * tall, power, way) for power in shown for way in (1.0, -1.0)]
    plain = [(tall, max(side), way) for side, way in zip(sides, (1.0, -1.0), strict=True) if max(side)]
    parts = [
        svg.group(
            [ticks(logs), *_bars(sides, lambda count, _: math.log10(1 + count) / top * tall, middle)], style="log"
        ),
        svg.group(
            [ticks(plain), *_bars(sides, lambda count, side: count / max(1, *sides[side]) * tall, middle)],
            style="plain",
        ),
        svg.line((_LEFT, middle), (_RIGHT, middle), "base"),
        "".join(svg.text(words, (x(value), _BOTTOM + 13), "tick middle") for value, words in _SHARES),
        svg.line((x(numbers.threshold), _TOP - 4), (x(numbers.threshold), _BOTTOM + 3), "cut"),
        svg.text("positive", (_RIGHT, _TOP + 6), "end side orange"),
        svg.text("negative", (_RIGHT, _BOTTOM - 3), "end side blue"),
        svg.text("score", ((_LEFT + _RIGHT) / 2, HEIGHT - 2), "axis middle"),
    ]
    tells = (
        f"Scores of {label}: {whole(numbers.num_positive)} positive comments, of which "
        f"{whole(numbers.true_positives)} reach the threshold {cut_point(numbers.threshold)}, and "
        f"{whole(numbers.num_negative)} negative ones, of which {whole(numbers.false_positives)} do."
    )
    return Drawing("".join(parts), WIDTH, HEIGHT, tells)


def _bars(sides: tuple[tuple[int, ...], tuple[int, ...]], height: _Height, middle: float) -> list[str]:
    parts = []
    for side, style in ((0, "fill-orange"), (1, "fill-blue")):
        wide = (_RIGHT - _LEFT) / max(1, len(sides[side]))
        steps = [
            f"M{at(_LEFT + i * wide + 0.4)} {at(middle)}v{at(tall if side else -tall)}h{at(wide - 0.8)}"
            f"v{at(-tall if side else tall)}z"
            for i, count in enumerate(sides[side])
            if (tall := height(count, side)) > 0
        ]
        parts.append(f'<path class="{style}" d="{"".join(steps)}"/>' if steps else "")
    return parts


def _brief(count: int) -> str:
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            return f"{count / size:.3g}{letter}"
    return str(count)


def dot(estimate: Estimate, what: str, low: float = 0.0, high: float = 1.0) -> str:
    """Return a value and its interval as a dot on a line, one line of a table high."""
    if estimate.value is None:
        return ""
    x = svg.linear(low, high, 4, 76)
    parts = [svg.line((4, 7), (76, 7), "rail")]
    parts += [svg.line((x(edge), 4.5), (x(edge), 9.5), "rail") for edge in (low, (low + high) / 2, high)]
    if estimate.low is not None and estimate.high is not None:
        parts.append(svg.line((x(estimate.low), 7), (x(estimate.high), 7), "whisker wide"))
    parts.append(svg.circle((x(estimate.value), 7), 3.2, "dot after"))
    between = f", interval {span(estimate)}" if span(estimate) else ", no interval"
    return svg.picture("".join(parts), (80, 14), f"{what} {fixed(estimate.value)}{between}", "dot-chart")
