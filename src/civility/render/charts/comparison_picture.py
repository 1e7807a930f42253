"""A comparison as an SVG file: a panel for the macro average and each label, a dot with its interval for each row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from civility.documents.comparison_result import ComparedRow, Comparison, Numbers
from civility.render.charts import svg
from civility.render.charts.svg import Frame, frame, ticks, with_room
from civility.render.charts.svg_files import standalone
from civility.render.sentences import comparison_sentences as words
from civility.render.sentences.report_sentences import METRIC_NAMES

_LETTER, _EDGE, _TOP = 6.0, 14.0, 76.0
_PANEL, _GAP, _IN_A_BAND = 168.0, 22.0, 4
_ROW, _TALL_ROW, _HEAD, _FOOT = 22.0, 34.0, 24.0, 32.0
_LONGEST = 44
_ONE_RUN = "Thin line: one side is a single run, so the result holds for these classifiers, not for the settings."
_STYLES = {"better": "after", "worse": "orange"}


@dataclass(frozen=True)
class _Panel:
    """Numbers of every row, of one label or of the macro average."""

    title: str
    numbers: Sequence[Numbers]


def to_svg(comparison: Comparison) -> str:
    """Return an SVG file that can be read on light and dark ground."""
    first = comparison.rows[0]
    names = [_name(row, first) for row in comparison.rows]
    left = _EDGE + _LETTER * min(_LONGEST, max(len(line) for pair in names for line in pair)) + 20
    high = _TALL_ROW if any(second for _, second in names) else _ROW
    parts, y, columns = [], _TOP, 1
    for metric in comparison.metrics:
        if len(comparison.metrics) > 1:
            y += 14
            parts.append(svg.text(METRIC_NAMES[metric], (_EDGE, y - 8), "head"))
        panels = list(_panels(comparison, metric))
        for start in range(0, len(panels), _IN_A_BAND):
            band = panels[start : start + _IN_A_BAND]
            parts += _names(names, (left, y + _HEAD), high)
            for place, panel in enumerate(band):
                parts += _panel(panel, (left + place * (_PANEL + _GAP), y), high)
            columns = max(columns, len(band))
            y += _HEAD + high * len(names) + _FOOT
    metrics = " and ".join(METRIC_NAMES[metric] for metric in comparison.metrics)
    legend = (
        "Dot and line: mean and 95 % interval. Ticks: single runs. Blue: better, orange: worse, hollow: no difference "
        "shown (corrected for all verdicts)."
    )
    parts.insert(0, svg.text(legend, (_EDGE, 39), "subtitle", 180))
    if any(len(row.runs) == 1 for row in comparison.rows):
        parts.insert(1, svg.text(_ONE_RUN, (_EDGE, 54), "subtitle", 180))
    size = (max(left + columns * (_PANEL + _GAP), 5.6 * len(legend)) + _EDGE, y)
    return standalone(
        "".join(parts), size, f"{metrics}: difference from {first.name}", _description(comparison), turns_dark=True
    )


def _name(row: ComparedRow, baseline: ComparedRow) -> tuple[str, str]:
    """Return the name with the number of runs, and the settings in which the row differs."""
    runs = f" ({len(row.runs)} runs)" if len(row.runs) > 1 else ""
    return f"{row.name}{runs}", words.settings_of(row, baseline, with_sections=False)


def _names(names: Sequence[tuple[str, str]], place: tuple[float, float], high: float) -> Iterator[str]:
    for i, (name, settings) in enumerate(names):
        middle = place[1] + (i + 0.5) * high
        shift = -3.0 if settings else 3.5
        yield svg.text(name, (place[0] - 12, middle + shift), "end ink", _LONGEST)
        if settings:
            yield svg.text(settings, (place[0] - 12, middle + 10), "tick end", _LONGEST + 4)


def _panels(comparison: Comparison, metric: str) -> Iterator[_Panel]:
    for name, numbers in words.macros_of(comparison, metric):
        yield _Panel("macro average" if name == words.MACRO else name, numbers)
    for label, positive in comparison.num_positive.items():
        yield _Panel(f"{label} ({positive:,})", [row.metrics[metric].labels[label] for row in comparison.rows])


def _panel(panel: _Panel, corner: tuple[float, float], high: float) -> Iterator[str]:
    (left, top), right = corner, corner[0] + _PANEL
    top, bottom = top + _HEAD, top + _HEAD + high * len(panel.numbers)
    ends = _ends(panel.numbers)
    axes = frame((left, top), (right, bottom), ends)
    yield svg.text(panel.title, (axes.middle[0], top - 9), "head middle", 28)
    yield axes.columns(ticks(*ends, signed=True))
    yield axes.upright(0, "base")
    for i, numbers in enumerate(panel.numbers):
        yield from _marks(numbers, panel.numbers[0], axes, top + (i + 0.5) * high)


def _marks(numbers: Numbers, first: Numbers, axes: Frame, y: float) -> Iterator[str]:
    if first.mean is None or numbers.mean is None:
        yield svg.text("undefined", (axes.middle[0], y + 3.5), "tick middle")
        return
    each = numbers.difference
    style = _STYLES.get(each.verdict, "before") if each else "before"
    for value in numbers.values:
        if value is not None and len(numbers.values) > 1:
            x = axes.x(value - first.mean)
            yield svg.line((x, y - 5), (x, y + 5), "thin before")
    if each is None:
        yield svg.diamond((axes.x(0), y), 4, "mark")
        return
    wide = "wide " if each.holds_for == "settings" else ""
    if each.low is not None and each.high is not None:
        yield svg.line((axes.x(each.low), y), (axes.x(each.high), y), f"whisker {wide}{style}")
    yield svg.circle((axes.x(each.value or 0.0), y), 3.6, f"dot {style}")


def _ends(every: Sequence[Numbers]) -> tuple[float, float]:
    """Return the ends of an axis that holds all intervals and all runs."""
    first, values = every[0].mean, [0.0]
    for numbers in every:
        each = numbers.difference
        if each is not None:
            values += [value for value in (each.value, each.low, each.high) if value is not None]
        if first is not None and len(numbers.values) > 1:
            values += [value - first for value in numbers.values if value is not None]
    return with_room(values)


def _description(comparison: Comparison) -> str:
    """Return the macro averages in words, for readers who do not see the picture."""
    sentences = []
    for place, row in enumerate(comparison.rows[1:], start=1):
        for metric in comparison.metrics:
            sentences += [
                f"{row.name}, {name} {METRIC_NAMES[metric]} {words.difference_of(numbers[place])}: "
                f"{words.verdict_of(numbers[place])}."
                for name, numbers in words.macros_of(comparison, metric)
            ]
    return " ".join(sentences) or "One setting alone."
