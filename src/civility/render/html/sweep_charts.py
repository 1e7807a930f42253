"""Charts of a sweep: history, score by epoch, importance, parallel coordinates. Each tells what it shows."""

import math
from collections.abc import Sequence
from typing import Any

from civility.documents.sweep_result import METRIC_WORDS, SweepResult, TrialLine
from civility.render.html import svg
from civility.render.html.charts import Drawing
from civility.render.html.svg import Frame, Scale
from civility.render.sentences.page_sentences import fixed, said
from civility.render.sentences.sweep_sentences import settings_words, short_names, value_words

_WIDTH, _HEIGHT = 470.0, 250.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 460.0, 14.0, 214.0
_ROW = 26.0
_NUM_SHADES = 5
_FIRST_SHADE = 3
"""Of the eight steps of blue: the paler ones cannot be told from the ground."""
_MOST_NAMES = 8


def history(result: SweepResult) -> Drawing:
    """Return the score of each trial in the order of their numbers, and the best so far."""
    scored = [one for one in result.trials if one.best is not None]
    failed = [one for one in result.trials if one.state == "failed" and one.best is None]
    of_best = [end for one in result.ranked[:1] for end in (one.low, one.high) if end is not None]
    ends = frame_ends([*(one.best or 0.0 for one in scored), *of_best])
    frame = _frame(ends, max(len(result.trials) - 1, 1))
    parts = [frame.rows(_ticks(ends))]
    parts.append(frame.columns(_numbers(len(result.trials)), grid=False))
    steps = _best_so_far(result)
    parts.append(frame.curve(steps, "main orange"))
    for trial in scored:
        place = (frame.x(trial.number), frame.y(trial.best or 0.0))
        style = "dot after" if trial.state == "finished" else "dot before"
        parts.append(_titled(svg.circle(place, 3.6, style), _title(result, trial)))
    for trial in failed:
        x, y = frame.x(trial.number), _BOTTOM - 5
        cross = svg.line((x - 3, y - 3), (x + 3, y + 3), "cross") + svg.line((x - 3, y + 3), (x + 3, y - 3), "cross")
        parts.append(_titled(cross, _title(result, trial)))
    if result.ranked:
        best = result.ranked[0]
        place = (frame.x(best.number), frame.y(best.best or 0.0))
        if best.low is not None and best.high is not None:
            parts.append(svg.line((place[0], frame.y(best.low)), (place[0], frame.y(best.high)), "whisker orange"))
        parts.append(_titled(svg.circle(place, 5, "dot orange"), _title(result, best)))
    parts.append(svg.text("trial", ((_LEFT + _RIGHT) / 2, _HEIGHT - 6), "axis middle"))
    tells = f"{METRIC_WORDS[result.metric]} of {len(scored)} trials by number, and the best so far."
    return Drawing("".join(parts), _WIDTH, _HEIGHT, tells)


def _best_so_far(result: SweepResult) -> list[tuple[float, float]]:
    points: list[tuple[float, float]] = []
    better = max if result.rises else min
    for trial in result.trials:
        if trial.state == "finished" and trial.best is not None:
            best = trial.best if not points else better(points[-1][1], trial.best)
            if points and best != points[-1][1]:
                points.append((trial.number, points[-1][1]))
            points.append((trial.number, best))
    if points:
        points.append((max(len(result.trials) - 1, 1), points[-1][1]))
    return points


def by_epoch(result: SweepResult) -> Drawing:
    """Return the score of each trial epoch by epoch; where a line ends early the trial was pruned, or is under way."""
    scored = [one for one in result.trials if one.scores]
    values = [score for one in scored for score in one.scores.values()]
    last = max((max(one.scores) for one in scored), default=1)
    ends = frame_ends(values)
    frame = Frame(
        *(_LEFT, _TOP, _RIGHT, _BOTTOM),
        svg.linear(1, max(last, 2), _LEFT + 8, _RIGHT - 8),
        svg.linear(*ends, _BOTTOM, _TOP),
    )
    parts = [frame.rows(_ticks(ends)), frame.columns([(i, str(i)) for i in _spread(1, last)], grid=False)]
    best = result.ranked[0].number if result.ranked else -1
    for trial in sorted(scored, key=lambda one: (one.number == best, one.state == "finished")):
        points = list(trial.scores.items())
        style = "main orange" if trial.number == best else "thin after" if trial.state == "finished" else "thin before"
        dots = "dot orange" if trial.number == best else "dot after" if trial.state == "finished" else "dot before"
        line = frame.curve(points, style) if len(points) > 1 else ""
        marks = [svg.circle((frame.x(x), frame.y(y)), 2.6, dots) for x, y in points[-1:]]
        parts.append(_titled(line + "".join(marks), _title(result, trial)))
    parts.append(svg.text("epoch", ((_LEFT + _RIGHT) / 2, _HEIGHT - 6), "axis middle"))
    tells = f"{METRIC_WORDS[result.metric]} of {len(scored)} trials after each epoch."
    return Drawing("".join(parts), _WIDTH, _HEIGHT, tells)


def importance(result: SweepResult) -> Drawing:
    """Return the share of each setting as a bar."""
    rows = list(result.importance.items())
    height = _ROW * len(rows) + 8
    start = 190.0
    x = svg.linear(0, max(0.5, *result.importance.values()), start, 420)
    parts = []
    for i, (key, share) in enumerate(rows):
        y = 4 + _ROW * i
        parts.append(svg.text(key, (start - 8, y + 16), "ink end", longest=30))
        parts.append(svg.rect((start, y + 4), (max(x(share) - start, 1), _ROW - 10), "fill-blue"))
        parts.append(svg.text(f"{share:.0%}", (x(share) + 6, y + 16)))
    told = ", ".join(f"{key} {share:.0%}" for key, share in rows)
    return Drawing("".join(parts), _WIDTH, height, f"Importance: {told}.")


def parallel(result: SweepResult) -> Drawing:
    """Return each trial as a line through its settings and its score; the darker, the better."""
    keys = list(result.space)
    names = short_names(keys)
    wide = max(860.0, 130.0 * (len(keys) + 1))
    height, top, bottom = 330.0, 34.0, 300.0
    places = [46 + i * (wide - 110) / len(keys) for i in range(len(keys) + 1)]
    shown = [one for one in result.trials if one.settings and one.best is not None and one.state != "unfinished"]
    ends = frame_ends([one.best or 0.0 for one in shown])
    score = svg.linear(*ends, bottom, top)
    scales = [_axis(result.space[key], bottom, top) for key in keys]
    parts = []
    best = result.ranked[0].number if result.ranked else -1
    worst_first = sorted(shown, key=lambda one: (one.number == best, (one.best or 0.0) * (1 if result.rises else -1)))
    for trial in worst_first:
        points = [(place, scale(trial.settings[key])) for key, place, scale in zip(keys, places, scales, strict=False)]
        points.append((places[-1], score(trial.best or 0.0)))
        style = "main orange" if trial.number == best else f"shade-{_shade(trial, shown, result.rises)}"
        if trial.state == "pruned":
            style += " dashed"
        parts.append(_titled(svg.path(points, style), _title(result, trial)))
    for i, key in enumerate(keys):
        parts.append(_upright(places[i], top, bottom, names[key], _marks(result.space[key], scales[i])))
    marks = [(score(value), words) for value, words in _ticks(ends)]
    parts.append(_upright(places[-1], top, bottom, "score", marks))
    tells = f"{len(shown)} trials as lines through {', '.join(names.values())} and the score; the best is orange."
    return Drawing("".join(parts), wide, height, tells)


def _upright(x: float, top: float, bottom: float, name: str, marks: Sequence[tuple[float, str]]) -> str:
    parts = [svg.line((x, top), (x, bottom), "axis-line"), svg.text(name, (x, top - 16), "head middle", longest=20)]
    for y, words in marks:
        parts.append(svg.line((x - 3, y), (x, y), "axis-line"))
        parts.append(svg.text(words, (x + 5, y + 3.5), "ink halo", longest=18))
    return "".join(parts)


def _axis(described: Any, bottom: float, top: float) -> Any:
    """Return the scale of a setting: of numbers, or of places of choices."""
    if isinstance(described, list):
        place = svg.linear(0, max(1, len(described) - 1), bottom, top)
        return lambda value: place(float(described.index(value)))
    scale = svg.logarithmic if described["log"] else svg.linear
    return scale(described["low"], described["high"], bottom, top)


def _marks(described: Any, scale: Any) -> list[tuple[float, str]]:
    if isinstance(described, list):
        return [(scale(value), value_words(value)) for value in described]
    low, high = described["low"], described["high"]
    middle = math.sqrt(low * high) if described["log"] else (low + high) / 2
    values = [low, middle, high] if isinstance(low, float) or high - low > 1 else [low, high]
    return [(scale(value), f"{value:.3g}") for value in values]


def _shade(trial: TrialLine, every: Sequence[TrialLine], rises: bool) -> int:
    """Return the step of blue of a trial, by its rank: the better, the stronger."""
    ranked = sorted(every, key=lambda one: (one.best or 0.0) * (1 if rises else -1))
    place = next(i for i, one in enumerate(ranked) if one.number == trial.number)
    return _FIRST_SHADE + min(_NUM_SHADES - 1, place * _NUM_SHADES // len(ranked))


def style() -> str:
    """Return the CSS that these charts need beside that of the page."""
    shades = "\n".join(
        f".shade-{i} {{ stroke: var(--share-{i}); stroke-width: 1.6; stroke-linejoin: round; }}"
        for i in range(_FIRST_SHADE, _FIRST_SHADE + _NUM_SHADES)
    )
    return (
        f"{shades}\n.axis-line {{ stroke: var(--muted); stroke-width: 1; }}\n"
        ".cross { stroke: var(--orange); stroke-width: 1.8; stroke-linecap: round; }\n"
        ".chart .halo { font-size: 10px; paint-order: stroke; stroke: var(--page); stroke-width: 3.5px; "
        "stroke-linejoin: round; }\n"
        "figure.wide-chart { overflow-x: auto; }\nfigure.narrow-chart { max-width: 40rem; }\n"
        ".numbers td.state { text-align: left; white-space: normal; min-width: 11rem; }\n"
        ".trials td.state .between { white-space: normal; max-width: 17rem; }\n"
        ".trials thead th:last-child { text-align: left; }\n"
        "g:hover > path { stroke-width: 3.4; }\n"
    )


def _title(result: SweepResult, trial: TrialLine) -> str:
    score = "no score" if trial.best is None else fixed(trial.best, 4)
    settings = settings_words(trial.settings, short_names(result.space))
    return f"trial {trial.number:04d}: {trial.state}, {score}; {settings}"


def _titled(shapes: str, title: str) -> str:
    return f"<g><title>{said(title)}</title>{shapes}</g>" if shapes else ""


def frame_ends(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis that holds the values with a little room, and is never without width."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    room = (high - low or 0.01) * 0.08
    return low - room, high + room


def _frame(ends: tuple[float, float], last: float) -> Frame:
    x: Scale = svg.linear(0, last, _LEFT + 8, _RIGHT - 8)
    return Frame(_LEFT, _TOP, _RIGHT, _BOTTOM, x, svg.linear(*ends, _BOTTOM, _TOP))


def _ticks(ends: tuple[float, float]) -> list[tuple[float, str]]:
    """Return round numbers between the ends, four or so."""
    low, high = ends
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    digits = max(0, -math.floor(math.log10(step)))
    first = math.ceil(low / step)
    return [(i * step, f"{i * step:.{digits}f}") for i in range(first, math.floor(high / step) + 1)]


def _spread(first: int, last: int) -> list[int]:
    step = max(1, math.ceil((last - first + 1) / _MOST_NAMES))
    return list(range(first, last + 1, step))


def _numbers(num: int) -> list[tuple[float, str]]:
    return [(float(i), str(i)) for i in _spread(0, num - 1)]
