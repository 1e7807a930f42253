"""Charts of one label: ROC, precision and recall, reliability, scores by target, thresholds; and the dot of a table.

Each is drawn once and used twice: in the page and in the SVG files.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import starmap

from civility.documents.label_report import CalibrationReport, Estimate, LabelReport, ScoreQuality
from civility.render.charts import svg
from civility.render.charts.svg import SHARES, Drawing, Frame, Point, at, frame, linear, logarithmic
from civility.render.numbers import cut_point, fixed, percent, short_number, span, whole

WIDTH, HEIGHT = 260.0, 196.0
_CORNER, _OPPOSITE = (34.0, 10.0), (250.0, 168.0)
_UNIT = frame(_CORNER, _OPPOSITE, (0, 1))
_MOST_GHOSTS = 12
EXPLORER = frame((15.0, 12.0), (285.0, 126.0), (0, 1))
"""From 5 % to 95 % of the width: the style puts the ends of the slider below."""
EXPLORER_WIDTH, _EXPLORER_HEIGHT = 300.0, 148.0


def _axis_names(below: str, beside: str) -> str:
    return _UNIT.name_below(below) + svg.text(beside, (9, _UNIT.middle[1]), "axis middle", turned=-90)


def _finished(parts: Iterable[str], description: str) -> Drawing:
    return Drawing("".join(parts), WIDTH, HEIGHT, description)


def place_in_use(label: LabelReport) -> int:
    """Return the place of the threshold in use among those of the curve."""
    thresholds = label.curve.thresholds
    return min(range(len(thresholds)), key=lambda i: abs(thresholds[i] - label.threshold))


def _curve_or_nothing(axes: Frame, points: list[Point], mark: Point | None) -> str:
    if not points:
        return svg.text("undefined", axes.middle, "axis middle")
    return axes.curve(points, "main blue") + (svg.diamond(axes.at(mark), 4.5, "mark") if mark else "")


def has_ghosts(labels: Mapping[str, LabelReport]) -> bool:
    """Return whether each chart shows the curves of the other labels in grey: not if there are too many."""
    return 1 < len(labels) <= _MOST_GHOSTS


def _ghosts(labels: Mapping[str, LabelReport], key: str) -> str:
    if not has_ghosts(labels):
        return ""
    return "".join(f'<use class="ghost" href="#{key}-{i}"/>' for i in range(len(labels)))


def _roc_points(label: LabelReport) -> list[Point]:
    if not label.num_positive or not label.num_negative:
        return []
    pairs = zip(label.curve.false_positives, label.curve.true_positives, strict=True)
    return [(false / label.num_negative, true / label.num_positive) for false, true in pairs]


def _roc_frame(labels: Mapping[str, LabelReport]) -> tuple[Frame, int]:
    """Return the frame and the power of ten where it starts: the lowest rate that the most negatives can show."""
    most = max((label.num_negative for label in labels.values()), default=1)
    power = -min(5, max(2, math.floor(math.log10(max(most, 10)))))
    left, right = _UNIT.left, _UNIT.right
    x = logarithmic(10.0**power, 1, left, right)
    return Frame(left, _UNIT.top, right, _UNIT.bottom, x, _UNIT.y), power


def shared_curves(labels: Mapping[str, LabelReport]) -> dict[str, str]:
    """Return the curves of all labels by chart, as definitions that the charts point to."""
    if not has_ghosts(labels):
        return {"roc": "", "pr": ""}
    axes, every = _roc_frame(labels)[0], list(enumerate(labels.values()))
    return {
        "roc": "".join(axes.curve(_roc_points(label), "", f"roc-{i}") for i, label in every),
        "pr": "".join(_UNIT.curve(_precision_recall_points(label), "", f"pr-{i}") for i, label in every),
    }


def roc(labels: Mapping[str, LabelReport], label: str) -> Drawing:
    """Return recall against the false-positive rate, on a logarithmic axis since few comments are toxic."""
    numbers = labels[label]
    axes, power = _roc_frame(labels)
    chance = [(10.0 ** (power * (1 - i / 40)),) * 2 for i in range(41)]
    points = _roc_points(numbers)
    parts = [
        axes.rows(SHARES),
        axes.columns([(10.0**one, f"{100 * 10.0**one:g} %") for one in range(power, 1)]),
        axes.curve(chance, "chance"),
        _ghosts(labels, "roc"),
        _curve_or_nothing(axes, points, points[place_in_use(numbers)] if points else None),
        _axis_names("false-positive rate", "recall"),
    ]
    rate, recall = numbers.false_positive_rate.value, numbers.recall.value
    description = f"ROC curve of {label}: area {fixed(numbers.roc_auc.value)}."
    if rate is not None and recall is not None:
        description += f" At the threshold in use, recall {fixed(recall)}, false-positive rate {percent(rate, 2)}."
    return _finished(parts, description)


def _precision_recall_points(label: LabelReport) -> list[Point]:
    if not label.num_positive:
        return []
    pairs = zip(label.curve.true_positives, label.curve.false_positives, strict=True)
    return [(true / label.num_positive, true / (true + false)) for true, false in pairs if true + false]


def precision_recall(labels: Mapping[str, LabelReport], label: str) -> Drawing:
    """Return precision against recall, with lines of equal F1 and the share of positives."""
    numbers = labels[label]
    recall, precision = numbers.recall.value, numbers.precision.value
    known = numbers.num_positive + numbers.num_negative
    parts = [_UNIT.rows(SHARES), _UNIT.columns(SHARES)]
    for f1 in (0.2, 0.4, 0.6, 0.8):
        lowest = f1 / (2 - f1)
        recalls = [lowest + (1 - lowest) * i / 24 for i in range(25)]
        parts.append(_UNIT.curve([(r, f1 * r / (2 * r - f1)) for r in recalls], "contour"))
        parts.append(svg.text(f"{f1:g}", (_UNIT.right + 2, _UNIT.y(lowest) + 3), "contour-name"))
    if known:
        share = numbers.num_positive / known
        parts.append(_UNIT.curve([(0, share), (1, share)], "chance"))
    mark = None if recall is None or precision is None else (recall, precision)
    parts += [
        _ghosts(labels, "pr"),
        _curve_or_nothing(_UNIT, _precision_recall_points(numbers), mark),
        _axis_names("recall", "precision"),
    ]
    return _finished(
        parts,
        f"Precision against recall of {label}: average precision {fixed(numbers.average_precision.value)}. At the "
        f"threshold in use, precision {fixed(precision)} and recall {fixed(recall)}.",
    )


def reliability(label: str, calibration: CalibrationReport) -> Drawing:
    """Return the share of positives against the mean score, before and after calibration."""
    parts = [_UNIT.rows(SHARES), _UNIT.columns(SHARES), _UNIT.curve([(0, 0), (1, 1)], "chance")]
    parts += _reliability_marks(calibration.before, "before")
    parts += _reliability_marks(calibration.after, "after")
    parts.append(_axis_names("mean score", "share positive"))
    return _finished(
        parts,
        f"Reliability of {label}: calibration error {fixed(calibration.before.calibration_error)} before calibration, "
        f"{fixed(calibration.after.calibration_error)} after it. On the diagonal, a score is the share of positives.",
    )


def _reliability_marks(quality: ScoreQuality, style: str) -> list[str]:
    shown = [
        (part.mean_score, value, part.share_positive)
        for part in quality.bins
        if part.num_comments and (value := part.share_positive.value) is not None
    ]
    points = [(score, value) for score, value, _ in shown]
    parts = [_UNIT.curve(points, f"thin {style}")]
    if style == "after":
        parts += [
            svg.line(_UNIT.at((score, share.low)), _UNIT.at((score, share.high)), "whisker")
            for score, _, share in shown
            if share.low is not None and share.high is not None
        ]
    return [*parts, *(svg.circle(_UNIT.at(point), 2.8, f"dot {style}") for point in points)]


def histogram(label: str, numbers: LabelReport) -> Drawing:
    """Return comments by score, positive ones upwards, negative ones downwards; twice: logarithmic and plain.

    The style shows one of the two. Logarithmic counts share a scale; plain ones have a scale for each side.
    """
    sides = (numbers.histogram.positive, numbers.histogram.negative)
    most = max(10, *sides[0], *sides[1])
    middle = _UNIT.middle[1]
    tall = middle - _UNIT.top
    powers = [10**power for power in range(math.ceil(math.log10(most + 1)))][1:]

    def logarithm(count: int, _: int = 0) -> float:
        return math.log10(1 + count) / math.log10(1 + most) * tall

    def plain(count: int, side: int) -> float:
        return count / max(1, *sides[side]) * tall

    log_ticks = [(logarithm(count), count, way) for count in powers[:: 1 + len(powers) // 4] for way in (1, -1)]
    plain_ticks = [(tall, max(side), way) for side, way in zip(sides, (1, -1), strict=True) if max(side)]
    parts = [
        svg.group([*starmap(_count_tick, log_ticks), *_bars(sides, logarithm)], style="log"),
        svg.group([*starmap(_count_tick, plain_ticks), *_bars(sides, plain)], style="plain"),
        svg.line((_UNIT.left, middle), (_UNIT.right, middle), "base"),
        _UNIT.columns(SHARES, grid=False),
        svg.line((_UNIT.x(numbers.threshold), _UNIT.top - 4), (_UNIT.x(numbers.threshold), _UNIT.bottom + 3), "cut"),
        svg.text("positive", (_UNIT.right, _UNIT.top + 6), "end side orange"),
        svg.text("negative", (_UNIT.right, _UNIT.bottom - 3), "end side blue"),
        _UNIT.name_below("score"),
    ]
    return _finished(
        parts,
        f"Scores of {label}: of {whole(numbers.num_positive)} positive comments, {whole(numbers.true_positives)} reach "
        f"the threshold {cut_point(numbers.threshold)}; of {whole(numbers.num_negative)} negative ones, "
        f"{whole(numbers.false_positives)}.",
    )


def _count_tick(height: float, count: int, way: int) -> str:
    y = _UNIT.middle[1] - way * height
    words = f"{count / 1e6:.3g}M" if count >= 1e6 else f"{count / 1e3:.3g}k" if count >= 1e3 else str(count)
    grid = svg.line((_UNIT.left, y), (_UNIT.right, y), "grid")
    return grid + svg.text(words, (_UNIT.left - 5, y + 3.5), "tick end")


def _bars(sides: tuple[tuple[int, ...], tuple[int, ...]], height: Callable[[int, int], float]) -> list[str]:
    parts = []
    for side, style in ((0, "fill-orange"), (1, "fill-blue")):
        wide = (_UNIT.right - _UNIT.left) / max(1, len(sides[side]))
        steps = [
            f"M{at(_UNIT.left + i * wide + 0.4)} {at(_UNIT.middle[1])}v{at(tall if side else -tall)}h{at(wide - 0.8)}"
            f"v{at(-tall if side else tall)}z"
            for i, count in enumerate(sides[side])
            if (tall := height(count, side)) > 0
        ]
        parts.append(f'<path class="{style}" d="{"".join(steps)}"/>' if steps else "")
    return parts


def review_place(numbers: LabelReport) -> int:
    """Return the place of the review threshold among those of the curve, or of the nearest below it."""
    review = numbers.review_threshold or 0.0
    return max(0, sum(threshold <= review for threshold in numbers.curve.thresholds) - 1)


def thresholds(label: str, numbers: LabelReport) -> Drawing:
    """Return precision and recall over the places of the explorer's slider, which is below the chart."""
    curve, last = numbers.curve, len(numbers.curve.thresholds) - 1
    left, right = EXPLORER.left, EXPLORER.right
    axes = Frame(left, EXPLORER.top, right, EXPLORER.bottom, linear(0, max(1, last), left, right), EXPLORER.y)
    start = place_in_use(numbers)
    places = sorted({round(last * i / 4) for i in range(5)})
    counts = list(enumerate(zip(curve.true_positives, curve.false_positives, strict=True)))
    precision = [(float(i), true / (true + false)) for i, (true, false) in counts if true + false]
    recall = [(float(i), true / numbers.num_positive) for i, (true, _) in counts] if numbers.num_positive else []
    parts = [
        axes.rows([(0.0, "0"), (0.5, ""), (1.0, "1")]),
        axes.columns([(i, short_number(curve.thresholds[i])) for i in places], grid=False),
        axes.upright(start, "cut"),
        axes.curve(recall, "main orange dashed"),
        axes.curve(precision, "main blue"),
        svg.text("recall", (left + 6, 24), "side orange") if recall else "",
        svg.text("precision", (left + 6, _beside(axes, precision)), "side blue") if precision else "",
        svg.group([svg.line((0, 8), (0, 130), "now")], (axes.x(start), 0), "here"),
    ]
    description = (
        f"Precision and recall of {label} over its thresholds, from {short_number(curve.thresholds[0])} to "
        f"{short_number(curve.thresholds[-1])}; in use: {cut_point(numbers.threshold)}."
    )
    if numbers.review_threshold is not None:
        description += f" For review from {cut_point(numbers.review_threshold)}."
        first = axes.x(review_place(numbers))
        size = (axes.x(start) - first, axes.bottom - axes.top)
        parts.insert(0, svg.rect((first, axes.top), size, "for-review", "for review"))
    return Drawing("".join(parts), EXPLORER_WIDTH, _EXPLORER_HEIGHT, description)


def _beside(axes: Frame, points: list[Point]) -> float:
    """Return where the name of a line goes: above its first quarter, or below where the name of recall is."""
    height = axes.y(max(value for _, value in points[: max(1, len(points) // 4)]))
    return height - 7 if height > 50 else height + 30


def dot(estimate: Estimate, what: str) -> Drawing | None:
    """Return a share and its interval as a dot on a line from 0 to 1, for a cell of a table."""
    if estimate.value is None:
        return None
    x = linear(0, 1, 4, 76)
    parts = [svg.line((4, 7), (76, 7), "rail")]
    parts += [svg.line((x(edge), 4.5), (x(edge), 9.5), "rail") for edge in (0, 0.5, 1)]
    if estimate.low is not None and estimate.high is not None:
        parts.append(svg.line((x(estimate.low), 7), (x(estimate.high), 7), "whisker wide"))
    parts.append(svg.circle((x(estimate.value), 7), 3.2, "dot after"))
    between = f", interval {span(estimate)}" if span(estimate) else ", no interval"
    return Drawing("".join(parts), 80, 14, f"{what} {fixed(estimate.value)}{between}")
