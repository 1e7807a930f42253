"""Charts of a whole report: training, labels together, bias, robustness."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from civility.documents.behaviour_report import BiasReport, GroupBias, RobustnessReport
from civility.documents.label_report import Estimate
from civility.documents.report import EpochLine, Report, TrainingCurves
from civility.plain_text import count
from civility.render.charts import palette, svg
from civility.render.charts.svg import Drawing, Frame, frame, ticks, with_room
from civility.render.numbers import DASH, fixed, percent, short_number, signed, span, whole
from civility.render.sentences.report_sentences import PERTURBATIONS

_WIDE, _HIGH = 460.0, 220.0
_LETTER = 6.2
"""About the width of a letter, in pixels."""
_ROW_HEIGHT = 20.0
_LONGEST = 28
MOST_COLUMNS = 16
"""With more columns, the cells of a heat map have no numbers."""


def _frame(x: tuple[float, float], y: tuple[float, float]) -> Frame:
    return frame((44.0, 18.0), (_WIDE - 14, _HIGH - 36), x, y)


def training_loss(training: TrainingCurves) -> Drawing:
    """Return the loss of the logged steps, and the validation loss of the epochs."""
    steps = [(float(s), v) for s, v in zip(training.steps, training.losses, strict=True) if v is not None]
    epochs = [(float(e.step), e.validation_loss) for e in training.epochs if e.validation_loss is not None]
    values = sorted(value for _, value in steps + epochs)
    # The first steps may be far above all others: the axis ends where 99 of 100 values do.
    top = 1.05 * (values[int(0.99 * (len(values) - 1))] if values else 1.0) or 1.0
    end = max([x for x, _ in steps + epochs], default=1.0)
    axes = _frame((0, end), (0, top))
    parts = [
        axes.rows(ticks(0, top)),
        axes.columns(ticks(0, end, least_step=1), grid=False),
        axes.curve(steps, "thin before"),
        axes.curve(epochs, "main blue"),
        *(svg.circle(axes.at(point), 3, "dot after") for point in epochs),
        *_best(axes, training, lambda line: float(line.step)),
        axes.name_below("step", 32),
        svg.text("training loss", (axes.right, axes.top + 8), "side muted end") if steps else "",
        svg.text("validation loss", (axes.right, axes.top + 22), "side blue end") if epochs else "",
    ]
    description = f"Loss over {whole(round(end))} steps of training"
    if steps:
        description += f": from {short_number(steps[0][1])} to {short_number(steps[-1][1])}"
    return Drawing("".join(parts), _WIDE, _HIGH, description + ".")


def _best(axes: Frame, training: TrainingCurves, place: Callable[[EpochLine], float]) -> list[str]:
    found = [place(line) for line in training.epochs if line.epoch == training.best_epoch]
    return [
        svg.line((axes.x(x), axes.top - 2), (axes.x(x), axes.bottom), "cut")
        + svg.text("best epoch", (axes.x(x), axes.top - 5), "tick middle")
        for x in found
    ]


def training_auc(training: TrainingCurves) -> Drawing:
    """Return the ROC AUC of each label, and their mean, after each epoch."""
    lines = training.epochs
    labels = list(dict.fromkeys(label for line in lines for label in line.roc_auc))
    series = {
        label: [(float(e.epoch), v) for e in lines if (v := e.roc_auc.get(label)) is not None] for label in labels
    }
    macro = [(float(e.epoch), e.macro_roc_auc) for e in lines if e.macro_roc_auc is not None]
    low = max(0.0, min((y for points in (macro, *series.values()) for _, y in points), default=0.5) - 0.02)
    first, last = lines[0].epoch, lines[-1].epoch
    ends = (first - 0.2, max(last, first + 1) + 0.2)
    axes = _frame(ends, (min(low, 0.98), 1))
    parts = [
        axes.rows(ticks(min(low, 0.98), 1, 6)),
        axes.columns(ticks(*ends, 9, least_step=1), grid=False),
        *_best(axes, training, lambda line: float(line.epoch)),
        *(svg.group([axes.curve(points, "thin before")], title=label) for label, points in series.items()),
        axes.curve(macro, "main blue"),
        *(svg.circle(axes.at(point), 3, "dot after") for point in macro),
        axes.name_below("epoch", 32),
        svg.text("mean of the labels", (axes.left + 6, axes.top + 8), "side blue"),
        svg.text("each label", (axes.left + 6, axes.top + 22), "side muted"),
    ]
    best = next((e.macro_roc_auc for e in lines if e.epoch == training.best_epoch), None)
    kept = f"epoch {training.best_epoch}, which was kept, has {fixed(best, 4)}"
    return Drawing("".join(parts), _WIDE, _HIGH, f"Macro ROC AUC over {len(lines)} epochs; {kept}.")


@dataclass(frozen=True)
class Cell:
    """A cell of a heat map: its words, its class of colour, and what shows when a reader points at it."""

    words: str
    style: str
    title: str = ""

    @property
    def is_pale(self) -> bool:
        """Whether its colour is the palest, as of an empty cell."""
        return self.style.endswith("-0")


def heat_map(rows: Sequence[str], columns: Sequence[str], cells: Sequence[Sequence[Cell]], description: str) -> Drawing:
    """Return a heat map.

    Parameters
    ----------
    rows, columns : their names
    cells : (rows, columns)
    description : for readers who do not see it
    """
    numbers = len(columns) <= MOST_COLUMNS
    size = 46.0 if numbers else max(7.0, 720.0 / len(columns))
    high = 24.0 if numbers else size
    left, top = 150.0, 92.0
    parts = [] if numbers else [svg.rect((left, top), (len(columns) * size, len(rows) * high), "share-0")]
    for i, row in enumerate(rows):
        if high >= 9:
            parts.append(svg.text(row, (left - 6, top + i * high + high / 2 + 3.5), "tick end ink", 22))
        for j, cell in enumerate(cells[i]):
            x, y = left + j * size, top + i * high
            if numbers or not cell.is_pale:
                parts.append(svg.rect((x, y), (size - 1, high - 1), cell.style, cell.title))
            if numbers:
                parts.append(svg.text(cell.words, (x + size / 2, y + high / 2 + 3.5), f"tick middle {cell.style}"))
    if size >= 9:
        for j, column in enumerate(columns):
            place = (left + j * size + size / 2 + (0 if numbers else 3), top - 6)
            parts.append(svg.text(column, place, "tick ink", 17, turned=-40 if numbers else -90))
    return Drawing("".join(parts), left + len(columns) * size + 60, top + len(rows) * high + 8, description)


def co_occurrence(report: Report, counts: Sequence[Sequence[int]]) -> list[list[Cell]]:
    """Return the share of each row's comments that also have the column's label; the diagonal counts the label."""
    labels = list(report.labels)
    return [
        [_together(labels[i], labels[j], both, row[i], is_self=i == j) for j, both in enumerate(row)]
        for i, row in enumerate(counts)
    ]


def _together(label: str, other: str, both: int, every: int, *, is_self: bool) -> Cell:
    if is_self:
        return Cell(whole(both), "share-0", f"{label}: {count(both, 'comment')}")
    title = f"{label} and {other}: {count(both, 'comment')}"
    if not every:
        return Cell(DASH, "share-0", title)
    return Cell(f"{100 * both / every:.0f} %", f"share-{palette.step(both / every)}", title)


def harm_of_auc(auc: float | None) -> str:
    """Return the class of colour of an area: the palest from 0.97 up, the strongest at 0.6."""
    return f"harm-{palette.step(0.0 if auc is None else (0.97 - auc) / 0.37)}"


def harm_of_gap(gap: float | None) -> str:
    """Return the class of colour of a gap: the strongest at 0.3, the palest if it is in the group's favour."""
    return f"harm-{palette.step((gap or 0.0) / 0.3)}"


def worst_first(bias: BiasReport) -> list[tuple[str, GroupBias]]:
    """Return the groups by the lowest of their three areas."""

    def worst(item: tuple[str, GroupBias]) -> float:
        areas = (item[1].subgroup_auc.value, item[1].bpsn_auc.value, item[1].bnsp_auc.value)
        return min((area for area in areas if area is not None), default=2.0)

    return sorted(bias.groups.items(), key=worst)


def bias_map(bias: BiasReport) -> Drawing:
    """Return areas and gaps of each group as a heat map."""
    rows = []
    for _, numbers in worst_first(bias):
        areas = (numbers.subgroup_auc.value, numbers.bpsn_auc.value, numbers.bnsp_auc.value)
        gaps = (numbers.false_positive_gap.value, numbers.false_negative_gap.value)
        cells = [Cell(fixed(auc, 2), harm_of_auc(auc)) for auc in areas]
        rows.append(cells + [Cell(signed(gap, 2), harm_of_gap(gap)) for gap in gaps])
    columns = ("subgroup AUC", "BPSN AUC", "BNSP AUC", "FPR gap", "FNR gap")
    return heat_map([group for group, _ in worst_first(bias)], columns, rows, f"Bias of {bias.label} by group")


@dataclass(frozen=True)
class IntervalRow:
    """A row of a chart of intervals; ``head`` opens a group of rows."""

    name: str
    estimate: Estimate
    head: str = ""
    style: str = "after"


def intervals(rows: Sequence[IntervalRow], ends: tuple[float, float], below: str, description: str) -> Drawing:
    """Return a dot, its interval and its number for each row, with bars from zero where the axis crosses zero.

    Parameters
    ----------
    rows : from top to bottom
    ends : of the axis
    below : name of the axis
    description : for readers who do not see it
    """
    heads = sum(bool(row.head) for row in rows)
    height = 16 + _ROW_HEIGHT * (len(rows) + heads) + 38
    longest = max((len(row.name) for row in rows), default=0)
    axes = frame((20 + _LETTER * min(_LONGEST, longest), 12.0), (_WIDE - 56, height - 36), ends)
    parts = [axes.columns(ticks(*ends, 6))]
    if ends[0] < 0:
        parts.append(axes.upright(0, "base"))
    y = axes.top + _ROW_HEIGHT / 2
    for row in rows:
        if row.head:
            parts.append(svg.text(row.head, (2, y + 3.5), "head", 70))
            y += _ROW_HEIGHT
        parts += _interval(row, axes, y, ends[0] < 0)
        y += _ROW_HEIGHT
    parts.append(axes.name_below(below, 31))
    return Drawing("".join(parts), _WIDE, height, description)


def _interval(row: IntervalRow, axes: Frame, y: float, from_zero: bool) -> list[str]:
    parts = [svg.text(row.name, (axes.left - 10, y + 3.5), "tick end ink", _LONGEST)]
    value, low, high = row.estimate.value, row.estimate.low, row.estimate.high
    if value is None:
        return [*parts, svg.text("undefined", (axes.right + 8, y + 3.5), "tick")]
    if from_zero:
        ends = sorted((axes.x(0), axes.x(value)))
        parts.append(svg.rect((ends[0], y - 5), (ends[1] - ends[0], 10), f"bar {row.style}", span(row.estimate)))
    if low is not None and high is not None:
        parts.append(svg.line((axes.x(low), y), (axes.x(high), y), f"whisker wide {row.style}"))
    parts.append(svg.circle((axes.x(value), y), 3.4, f"dot {row.style}"))
    return [*parts, svg.text(signed(value) if from_zero else fixed(value), (axes.right + 8, y + 3.5), "tick ink")]


def robustness(found: RobustnessReport) -> Drawing:
    """Return the change of macro recall under each perturbation; orange where the whole interval is below zero."""
    rows, last = [], ""
    for part in found.perturbations:
        change = part.macro_recall_change
        head = f"{part.name}: {PERTURBATIONS.get(part.name, '')}" if part.name != last else ""
        words = f"strength {part.strength:g}, {percent(part.share_changed, 0)} changed"
        hurts = change.high is not None and change.high < 0
        rows.append(IntervalRow(words, change, head, "orange" if hurts else "before"))
        last = part.name
    changes = [part.macro_recall_change for part in found.perturbations]
    every = [value for one in changes for value in (one.value, one.low, one.high) if value is not None]
    worst = min((one.value for one in changes if one.value is not None), default=None)
    return intervals(
        rows,
        with_room([*every, -0.1, 0.0]),
        "change of macro recall",
        f"Change of macro recall under {count(len(rows), 'perturbation')}; the worst is "
        f"{'undefined' if worst is None else signed(worst)}.",
    )
