"""Charts of the whole: training, heat maps, and rows of values with intervals. Knows no HTML."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from civility.documents.report import EpochLine, Estimate, TrainingCurves
from civility.render.html import palette, svg
from civility.render.html.charts import Drawing
from civility.render.html.svg import Frame
from civility.render.sentences.page_sentences import MINUS, fixed, said, short_number, signed, span, whole

_Place = Callable[[EpochLine], float]
_WIDE, _HIGH = 460.0, 220.0
_LETTER = 6.2
"""About the width of a letter, in pixels."""
_ROW_HEIGHT = 20.0
_LONGEST = 28


def _frame(x: tuple[float, float], y: tuple[float, float]) -> Frame:
    left, top, right, bottom = 44.0, 18.0, _WIDE - 14, _HIGH - 36
    return Frame(left, top, right, bottom, svg.linear(*x, left, right), svg.linear(*y, bottom, top))


def _ticks(low: float, high: float, steps: int = 4) -> list[tuple[float, str]]:
    return [(low + (high - low) * i / steps, short_number(low + (high - low) * i / steps)) for i in range(steps + 1)]


def _round_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Return multiples of a round step between the ends, six at most."""
    step = next(step for step in (0.05, 0.1, 0.2, 0.25, 0.5, 1.0) if (high - low) / step <= 5.01)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(i * step, short_number(i * step).replace("-", MINUS)) for i in range(first, last + 1)]


def _nice(high: float) -> float:
    """Return the next number that an axis can well end at."""
    size = 10.0 ** math.floor(math.log10(max(high, 1e-6)))
    return next(size * factor for factor in (1, 2, 4, 6, 8, 10) if size * factor >= high * 0.999)


def training_loss(training: TrainingCurves) -> Drawing:
    """Return the loss of the logged steps, and the validation loss of the epochs."""
    steps = [(float(s), v) for s, v in zip(training.steps, training.losses, strict=True) if v is not None]
    epochs = [(float(e.step), e.validation_loss) for e in training.epochs if e.validation_loss is not None]
    values = sorted(value for _, value in steps + epochs)
    # The first steps may be far above all others: the axis ends where 99 of 100 values do.
    top = _nice(values[int(0.99 * (len(values) - 1))]) if values else 1.0
    end = max([x for x, _ in steps + epochs], default=1.0)
    frame = _frame((0, end), (0, top))
    parts = [
        frame.rows(_ticks(0, top)),
        frame.columns([(end * i / 4, whole(round(end * i / 4))) for i in range(5)], grid=False),
        frame.curve(steps, "thin before"),
        frame.curve(epochs, "main blue"),
        "".join(svg.circle((frame.x(x), frame.y(y)), 3, "dot after") for x, y in epochs),
        *_best(frame, training, lambda line: float(line.step)),
        svg.text("step", ((frame.left + frame.right) / 2, _HIGH - 4), "axis middle"),
        svg.text("training loss", (frame.right, frame.top + 8), "side muted end") if steps else "",
        svg.text("validation loss", (frame.right, frame.top + 22), "side blue end") if epochs else "",
    ]
    tells = f"Loss over {whole(round(end))} steps of training"
    if steps:
        tells += f": from {short_number(steps[0][1])} to {short_number(steps[-1][1])}"
    return Drawing("".join(parts), _WIDE, _HIGH, tells + ".")


def _best(frame: Frame, training: TrainingCurves, place: _Place) -> list[str]:
    found = [line for line in training.epochs if line.epoch == training.best_epoch]
    if not found:
        return []
    x = frame.x(place(found[0]))
    return [
        svg.line((x, frame.top - 2), (x, frame.bottom), "cut"),
        svg.text("best epoch", (x, frame.top - 5), "tick middle"),
    ]


def training_auc(training: TrainingCurves) -> Drawing:
    """Return the ROC AUC of each label and of their mean after each epoch."""
    lines = training.epochs
    labels = list(dict.fromkeys(label for line in lines for label in line.roc_auc))
    series = {
        label: [(float(e.epoch), v) for e in lines if (v := e.roc_auc.get(label)) is not None] for label in labels
    }
    macro = [(float(e.epoch), e.macro_roc_auc) for e in lines if e.macro_roc_auc is not None]
    values = [y for points in (macro, *series.values()) for _, y in points]
    low = max(0.0, math.floor(20 * min(values, default=0.5)) / 20)
    first, last = lines[0].epoch, lines[-1].epoch
    frame = _frame((first - 0.2, max(last, first + 1) + 0.2), (low, 1))
    every = max(1, (last - first) // 8 + 1)
    parts = [
        frame.rows(_ticks(low, 1, 5)),
        frame.columns([(e.epoch, str(e.epoch)) for e in lines[::every]], grid=False),
        *_best(frame, training, lambda line: float(line.epoch)),
        *(
            svg.group([f"<title>{said(label)}</title>", frame.curve(points, "thin before")], style="one-label")
            for label, points in series.items()
        ),
        frame.curve(macro, "main blue"),
        "".join(svg.circle((frame.x(x), frame.y(y)), 3, "dot after") for x, y in macro),
        svg.text("epoch", ((frame.left + frame.right) / 2, _HIGH - 4), "axis middle"),
        svg.text("mean of the labels", (frame.left + 6, frame.top + 8), "side blue"),
        svg.text("each label", (frame.left + 6, frame.top + 22), "side muted"),
    ]
    best = next((e.macro_roc_auc for e in lines if e.epoch == training.best_epoch), None)
    kept = f"epoch {training.best_epoch}, which was kept, has {fixed(best, 4)}"
    tells = f"Macro ROC AUC over {len(lines)} epochs; {kept}."
    return Drawing("".join(parts), _WIDE, _HIGH, tells)


@dataclass(frozen=True)
class Cell:
    """A cell of a heat map: what stands in it, its step of colour, and what is told of it."""

    words: str
    kind: str
    step: int
    title: str


def heat_map(rows: Sequence[str], columns: Sequence[str], cells: Sequence[Sequence[Cell]], tells: str) -> Drawing:
    """Return cells in rows and columns. With more than 16 columns, they carry no numbers."""
    numbers = len(columns) <= 16
    size = 46.0 if numbers else max(7.0, 720.0 / len(columns))
    high = 24.0 if numbers else size
    left, top = 150.0, 92.0
    parts = [] if numbers else [svg.rect((left, top), (len(columns) * size, len(rows) * high), "share-0")]
    for i, row in enumerate(rows):
        if high >= 9:
            parts.append(svg.text(row, (left - 6, top + i * high + high / 2 + 3.5), "tick end ink", 22))
        for j, cell in enumerate(cells[i]):
            if not numbers and not cell.step:
                continue
            style = f"{cell.kind}-{cell.step}"
            corner = (left + j * size, top + i * high)
            parts.append(svg.rect(corner, (size - 1, high - 1), style, cell.title))
            if numbers:
                place = (corner[0] + size / 2, corner[1] + high / 2 + 3.5)
                parts.append(svg.text(cell.words, place, f"tick middle {style}"))
    if size >= 9:
        for j, column in enumerate(columns):
            place = (left + j * size + size / 2 + (0 if numbers else 3), top - 6)
            turned = svg.text(column, (0, 0), "tick ink", 17)
            shift = f"translate({svg.at(place[0])} {svg.at(place[1])}) rotate({-40 if numbers else -90})"
            parts.append(f'<g transform="{shift}">{turned}</g>')
    return Drawing("".join(parts), left + len(columns) * size + 60, top + len(rows) * high + 8, tells)


@dataclass(frozen=True)
class Row:
    """A row of a chart of intervals; ``head`` opens a group of rows."""

    name: str
    estimate: Estimate
    head: str = ""
    style: str = "after"


def intervals(rows: Sequence[Row], ends: tuple[float, float], below: str, tells: str) -> Drawing:
    """Return a line for each row: a dot, its interval, its number; bars from zero where the axis crosses it."""
    heads = sum(bool(row.head) for row in rows)
    height = 16 + _ROW_HEIGHT * (len(rows) + heads) + 38
    longest = max((len(row.name) for row in rows), default=0)
    left, right, top = 20 + _LETTER * min(_LONGEST, longest), _WIDE - 56, 12.0
    bottom = height - 36
    frame = Frame(left, top, right, bottom, svg.linear(*ends, left, right), svg.linear(0, 1, bottom, top))
    parts = [frame.columns(_round_ticks(*ends))]
    if ends[0] < 0:
        parts.append(frame.upright(0, "base"))
    y = top + _ROW_HEIGHT / 2
    for row in rows:
        if row.head:
            parts.append(svg.text(row.head, (2, y + 3.5), "head", 70))
            y += _ROW_HEIGHT
        parts += _interval(row, frame, y, ends[0] < 0)
        y += _ROW_HEIGHT
    parts.append(svg.text(below, ((left + right) / 2, height - 5), "axis middle"))
    return Drawing("".join(parts), _WIDE, height, tells)


def _interval(row: Row, frame: Frame, y: float, from_zero: bool) -> list[str]:
    parts = [svg.text(row.name, (frame.left - 10, y + 3.5), "tick end ink", _LONGEST)]
    value, low, high = row.estimate.value, row.estimate.low, row.estimate.high
    if value is None:
        return [*parts, svg.text("undefined", (frame.right + 8, y + 3.5), "tick")]
    if from_zero:
        ends = sorted((frame.x(0), frame.x(value)))
        parts.append(svg.rect((ends[0], y - 5), (ends[1] - ends[0], 10), f"bar {row.style}", span(row.estimate)))
    if low is not None and high is not None:
        parts.append(svg.line((frame.x(low), y), (frame.x(high), y), f"whisker wide {row.style}"))
    written = signed(value) if from_zero else fixed(value)
    parts.append(svg.circle((frame.x(value), y), 3.4, f"dot {row.style}"))
    return [*parts, svg.text(written, (frame.right + 8, y + 3.5), "tick ink")]


def shade(share: float | None, kind: str, words: str, title: str) -> Cell:
    """Return a cell whose colour grows with a number in [0, 1]."""
    return Cell(words, kind, palette.step(share or 0.0), title)
