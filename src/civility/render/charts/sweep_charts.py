"""Charts of a sweep: history, score by epoch, importance, parallel coordinates."""

import math
from typing import Any

from civility.documents.sweep_result import SweepResult, TrialLine
from civility.render.charts import svg
from civility.render.charts.palette import NUM_STEPS
from civility.render.charts.svg import Drawing, Frame, Scale, Ticks, frame, linear, logarithmic, ticks, with_room
from civility.render.numbers import fixed
from civility.render.sentences.report_sentences import METRIC_WORDS
from civility.render.sentences.sweep_sentences import settings_words, short_names, value_words

_WIDTH, _HEIGHT = 470.0, 250.0
_ROW = 26.0
_FIRST_STEP = 3
"""The first of the eight steps of blue that stands out from the ground."""


def _axes(x_ends: tuple[float, float], y_ends: tuple[float, float]) -> Frame:
    inner = frame((54.0, 14.0), (452.0, 214.0), x_ends, y_ends)
    return Frame(46.0, inner.top, 460.0, inner.bottom, inner.x, inner.y)


def _finished(parts: list[str], description: str) -> Drawing:
    return Drawing("".join(parts), _WIDTH, _HEIGHT, description)


def history(result: SweepResult) -> Drawing:
    """Return the score of each trial in the order of their numbers, and the best so far."""
    scored = [(one, one.best) for one in result.trials if one.best is not None]
    best = [(one, one.best) for one in result.ranked[:1] if one.best is not None]
    interval = [end for one, _ in best for end in (one.low, one.high) if end is not None]
    x_ends, y_ends = (0.0, max(len(result.trials) - 1, 1)), with_room([*(score for _, score in scored), *interval])
    axes = _axes(x_ends, y_ends)
    parts = [
        axes.rows(ticks(*y_ends, 6)),
        axes.columns(ticks(*x_ends, 8, least_step=1), grid=False),
        axes.curve(_best_so_far(result), "main orange"),
    ]
    for trial, score in scored:
        style = "dot after" if trial.state == "finished" else "dot before"
        parts.append(_titled(result, trial, svg.circle(axes.at((trial.number, score)), 3.6, style)))
    for trial in result.trials:
        if trial.state == "failed" and trial.best is None:
            x, y = axes.x(trial.number), axes.bottom - 5
            cross = [svg.line((x - 3, y + way), (x + 3, y - way), "cross") for way in (-3, 3)]
            parts.append(_titled(result, trial, *cross))
    for trial, score in best:
        if trial.low is not None and trial.high is not None:
            ends = axes.at((trial.number, trial.low)), axes.at((trial.number, trial.high))
            parts.append(svg.line(*ends, "whisker orange"))
        parts.append(_titled(result, trial, svg.circle(axes.at((trial.number, score)), 5, "dot orange")))
    parts.append(axes.name_below("trial", 30))
    return _finished(parts, f"{METRIC_WORDS[result.metric]} of {len(scored)} trials by number, and the best so far.")


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
    """Return the score of each trial by epoch; a line ends early if the trial was pruned or is still training."""
    scored = [one for one in result.trials if one.scores]
    x_ends = (1.0, max([2, *(max(one.scores) for one in scored)]))
    y_ends = with_room([score for one in scored for score in one.scores.values()])
    axes = _axes(x_ends, y_ends)
    best = result.ranked[0].number if result.ranked else -1
    parts = [axes.rows(ticks(*y_ends, 6)), axes.columns(ticks(*x_ends, 8, least_step=1), grid=False)]
    for trial in sorted(scored, key=lambda one: one.number == best):
        style = "after" if trial.state == "finished" else "before"
        line, dot = ("main orange", "dot orange") if trial.number == best else (f"thin {style}", f"dot {style}")
        points = sorted((float(epoch), score) for epoch, score in trial.scores.items())
        curve = axes.curve(points, line) if len(points) > 1 else ""
        parts.append(_titled(result, trial, curve, svg.circle(axes.at(points[-1]), 2.6, dot)))
    parts.append(axes.name_below("epoch", 30))
    return _finished(parts, f"{METRIC_WORDS[result.metric]} of {len(scored)} trials after each epoch.")


def importance(result: SweepResult) -> Drawing:
    """Return the share of each setting as a bar."""
    rows = list(result.importance.items())
    start = 190.0
    x = linear(0, max(0.5, *result.importance.values()), start, 420)
    parts = []
    for i, (key, share) in enumerate(rows):
        y = 4 + _ROW * i
        parts.append(svg.text(key, (start - 8, y + 16), "ink end", longest=30))
        parts.append(svg.rect((start, y + 4), (max(x(share) - start, 1), _ROW - 10), "fill-blue"))
        parts.append(svg.text(f"{share:.0%}", (x(share) + 6, y + 16)))
    shares = ", ".join(f"{key} {share:.0%}" for key, share in rows)
    return Drawing("".join(parts), _WIDTH, _ROW * len(rows) + 8, f"Importance: {shares}.")


def parallel(result: SweepResult) -> Drawing:
    """Return each trial as a line through its settings and its score; the darker, the better."""
    keys, names = list(result.space), short_names(result.space)
    wide = max(860.0, 130.0 * (len(keys) + 1))
    height, top, bottom = 330.0, 34.0, 300.0
    places = [46 + i * (wide - 110) / len(keys) for i in range(len(keys) + 1)]
    scored = [(one, one.best) for one in result.trials if one.best is not None]
    # From the worst to the best, which is drawn last.
    shown = sorted(
        ((one, best) for one, best in scored if one.settings and one.state != "unfinished"),
        key=lambda pair: pair[1] if result.rises else -pair[1],
    )
    best = result.ranked[0].number if result.ranked else -1
    y_ends = with_room([score for _, score in shown])
    score_scale = linear(*y_ends, bottom, top)
    scales = [_setting_scale(result.space[key], bottom, top) for key in keys]
    drawn: list[tuple[bool, str]] = []
    for rank, (trial, score) in enumerate(shown):
        points = [(place, scale(trial.settings[key])) for key, place, scale in zip(keys, places, scales, strict=False)]
        step = _FIRST_STEP + rank * (NUM_STEPS - _FIRST_STEP) // len(shown)
        style = "main orange" if trial.number == best else f"shade-{step}"
        if trial.state == "pruned":
            style += " dashed"
        path = svg.path([*points, (places[-1], score_scale(score))], style)
        drawn.append((trial.number == best, _titled(result, trial, path)))
    parts = [path for _, path in sorted(drawn, key=lambda pair: pair[0])]
    for place, key, scale in zip(places, keys, scales, strict=False):
        parts.append(_upright(place, (top, bottom), names[key], _setting_marks(result.space[key], scale)))
    marks = [(score_scale(value), words) for value, words in ticks(*y_ends, 6)]
    parts.append(_upright(places[-1], (top, bottom), "score", marks))
    description = f"{len(shown)} trials as lines through {', '.join(names.values())} and the score; the best is orange."
    return Drawing("".join(parts), wide, height, description)


def _upright(x: float, ends: tuple[float, float], name: str, marks: Ticks) -> str:
    head = svg.text(name, (x, ends[0] - 16), "head middle", longest=20)
    parts = [svg.line((x, ends[0]), (x, ends[1]), "axis-line"), head]
    for y, words in marks:
        parts.append(svg.line((x - 3, y), (x, y), "axis-line"))
        parts.append(svg.text(words, (x + 5, y + 3.5), "ink halo", longest=18))
    return "".join(parts)


def _setting_scale(described: Any, bottom: float, top: float) -> Scale:
    """Return the scale of a setting: of its numbers, or of the places of its choices."""
    if isinstance(described, list):
        place = linear(0, max(1, len(described) - 1), bottom, top)
        return lambda value: place(float(described.index(value)))
    scale = logarithmic if described["log"] else linear
    return scale(described["low"], described["high"], bottom, top)


def _setting_marks(described: Any, scale: Scale) -> Ticks:
    if isinstance(described, list):
        return [(scale(value), value_words(value)) for value in described]
    low, high = described["low"], described["high"]
    middle = math.sqrt(low * high) if described["log"] else (low + high) / 2
    values = [low, middle, high] if isinstance(low, float) or high - low > 1 else [low, high]
    return [(scale(value), f"{value:.3g}") for value in values]


def _titled(result: SweepResult, trial: TrialLine, *shapes: str) -> str:
    score = "no score" if trial.best is None else fixed(trial.best, 4)
    settings = settings_words(trial.settings, short_names(result.space))
    return svg.group(shapes, title=f"trial {trial.number:04d}: {trial.state}, {score}; {settings}")
