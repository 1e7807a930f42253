"""The charts of a report as SVG files for papers: each complete, with its own colours and a title on white ground."""

import re
from importlib.resources import files

from civility.documents.report import Report
from civility.plain_text import as_html, cut
from civility.render.charts import label_charts, overviews, palette, svg
from civility.render.charts.overviews import IntervalRow
from civility.render.charts.svg import Drawing

_TITLE, _CAPTION, _GAP, _EDGE = 48.0, 18.0, 16.0, 14.0
_FEW = 6
"""With at most this many labels, charts are in two columns, so that they stay readable in a column of a paper."""


def plots(report: Report) -> dict[str, str]:
    """Return SVG files by name (without an ending), for everything that the report has numbers for."""
    return _of_labels(report) | _of_the_whole(report)


def _of_labels(report: Report) -> dict[str, str]:
    labels = report.labels
    others = " Grey: the other labels." if label_charts.has_ghosts(labels) else ""
    curves = label_charts.shared_curves(labels)
    found = {
        "roc": _grid(
            {label: label_charts.roc(labels, label) for label in labels},
            "ROC, logarithmic false-positive rate",
            f"Diamond: threshold in use. Dotted: chance.{others}",
            curves["roc"],
        ),
        "precision-recall": _grid(
            {label: label_charts.precision_recall(labels, label) for label in labels},
            "Precision against recall",
            f"Diamond: threshold in use. Faint: equal F1. Dotted: share of positives.{others}",
            curves["pr"],
        ),
        "scores": _grid(
            {label: label_charts.histogram(label, numbers) for label, numbers in labels.items()},
            "Scores by target, logarithmic counts",
            "Positive comments upwards, negative ones downwards. Dashed: threshold in use.",
        ),
    }
    calibrated = {label: numbers.calibration for label, numbers in labels.items() if numbers.calibration}
    if calibrated:
        found["reliability"] = _grid(
            {label: label_charts.reliability(label, part) for label, part in calibrated.items()},
            "Reliability",
            "Rings: before calibration. Dots: after it, with intervals. Dotted: a score is the share of positives.",
        )
    return found


def _of_the_whole(report: Report) -> dict[str, str]:
    found = {"quality": _alone(_quality(report), "Precision, recall and F1 at the thresholds in use")}
    if report.training is not None:
        found["training-loss"] = _alone(overviews.training_loss(report.training), "Loss")
        if report.training.epochs:
            found["training-roc-auc"] = _alone(overviews.training_auc(report.training), "ROC AUC of the epochs")
    names = list(report.labels)
    if len(names) > 1:
        for counts, key in ((report.co_occurrence.targets, "targets"), (report.co_occurrence.decisions, "decisions")):
            title = f"{key.capitalize()}: share of each row's comments that also have the column's label"
            cells = overviews.co_occurrence(report, counts)
            found[f"co-occurrence-{key}"] = _alone(overviews.heat_map(names, names, cells, title), title)
    biases = [("bias", report.bias), *((f"bias-templates-{i + 1}", b) for i, b in enumerate(report.templates.values()))]
    for key, bias in biases:
        if bias is not None and bias.groups:
            found[key] = _alone(overviews.bias_map(bias), f"Bias of {bias.label}: {bias.source}")
    if report.robustness is not None and report.robustness.perturbations:
        title = "Change of macro recall when texts are perturbed"
        found["robustness"] = _alone(overviews.robustness(report.robustness), title)
    for i, (name, suite) in enumerate(report.suites.items()):
        cases = [IntervalRow(f"{part.function} ({part.expected})", part.share_right) for part in suite.functions]
        title = f"{name}: share of cases decided as expected"
        found[f"suite-{i + 1}"] = _alone(overviews.intervals(cases, (0, 1), "share as expected", title), title)
    return found


def _quality(report: Report) -> Drawing:
    rows = [
        row
        for label, numbers in report.labels.items()
        for row in (
            IntervalRow("precision", numbers.precision, label),
            IntervalRow("recall", numbers.recall),
            IntervalRow("F1", numbers.f1),
        )
    ]
    return overviews.intervals(rows, (0, 1), "value and interval", "Precision, recall and F1 of each label")


def _alone(drawing: Drawing, title: str) -> str:
    inside = svg.group([drawing.inside], (_EDGE, _TITLE - 16))
    wide = max(drawing.width, 8.0 * min(len(title), 110))
    return standalone(inside, (wide + 2 * _EDGE, drawing.height + _TITLE - 16 + _EDGE), title, drawing.description)


def _grid(drawings: dict[str, Drawing], title: str, subtitle: str, shapes: str = "") -> str:
    columns = 1 if len(drawings) == 1 else 2 if len(drawings) <= _FEW else 3
    wide, high = label_charts.WIDTH + _GAP, label_charts.HEIGHT + _CAPTION + _GAP
    inside = [f"<defs>{shapes}</defs>" if shapes else "", svg.text(subtitle, (_EDGE, 37), "subtitle", 120)]
    for i, (label, drawing) in enumerate(drawings.items()):
        place = (_EDGE + (i % columns) * wide, _TITLE + (i // columns) * high)
        heading = svg.text(label, (34, 10), "head", 34)
        inside.append(svg.group([heading, svg.group([drawing.inside], (0, _CAPTION))], place))
    lines = -(-len(drawings) // columns)
    size = (columns * wide - _GAP + 2 * _EDGE, lines * high + _TITLE + _EDGE)
    return standalone("".join(inside), size, title, " ".join(one.description for one in drawings.values()))


def standalone(
    inside: str, size: tuple[float, float], title: str, description: str, *, turns_dark: bool = False
) -> str:
    """Return a complete SVG file, with its own colours and a title.

    Parameters
    ----------
    inside : elements, below the title
    size : in pixels
    title : above the drawing; may hold words of the user
    description : a sentence or two for readers who do not see it
    turns_dark : use dark colours where the reader prefers them; papers want white ground
    """
    width, height = svg.at(size[0]), svg.at(size[1])
    style = f".ground {{ fill: #ffffff; }}\n{_style()}"
    if turns_dark:
        ground = f".ground {{ fill: {palette.DARK['page']}; }}"
        style += f"\n@media (prefers-color-scheme: dark) {{\n{ground}\n{_style(dark=True)}\n}}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img">\n<title>{as_html(title)}</title>\n'
        f"<desc>{as_html(description)}</desc>\n<style>{style}</style>\n"
        f'<rect class="ground" x="0" y="0" width="{width}" height="{height}"/>\n'
        f"{svg.text(cut(title, 120), (_EDGE, 21), 'title', 110)}{inside}</svg>\n"
    )


def chart_style() -> str:
    """Return the style of every chart, with colours as custom properties."""
    css = (files("civility.render.charts") / "chart.css").read_text(encoding="utf-8")
    return f"{palette.shades()}\n{css}"


def _style(dark: bool = False) -> str:
    """Return the style with plain colours: few programs other than browsers know custom properties."""
    colours = palette.variables(dark)
    return re.sub(r"var\(--([a-z0-9-]+)\)", lambda found: colours[found[1]], chart_style())
