"""The plots as SVG files for papers: each whole by itself, with its own colours and a title on white ground."""

import re
from collections.abc import Sequence

from civility.documents.report import BiasReport, Estimate, Report
from civility.render.html import behaviour, charts, harm, overviews, palette, svg
from civility.render.html.charts import Drawing
from civility.render.html.overviews import Cell, Row
from civility.render.html.report_page import resource
from civility.render.sentences.page_sentences import cut, fixed, said, signed

_TITLE, _CAPTION, _GAP, _EDGE = 48.0, 18.0, 16.0, 14.0
_FEW = 6
"""Labels up to which charts stand in two columns, so that their words stay readable in a column of a paper."""


def plots(report: Report) -> dict[str, str]:
    """Return standalone SVG files by name (without an ending): only those that the report has numbers for."""
    labels = report.labels
    others = " Grey: the other labels." if 1 < len(labels) <= charts.MOST_GHOSTS else ""
    found = {
        "quality": _alone(_quality(report), "Precision, recall and F1 at the thresholds in use"),
        "roc": _grid(
            [(label, charts.roc(labels, label)) for label in labels],
            "ROC, logarithmic false-positive rate",
            f"Diamond: threshold in use. Dotted: chance.{others}",
            charts.roc_lines(labels),
        ),
        "precision-recall": _grid(
            [(label, charts.precision_recall(labels, label)) for label in labels],
            "Precision against recall",
            f"Diamond: threshold in use. Faint: equal F1. Dotted: share of positives.{others}",
            charts.precision_recall_lines(labels),
        ),
        "scores": _grid(
            [(label, charts.histogram(label, numbers)) for label, numbers in labels.items()],
            "Scores by target, logarithmic counts",
            "Positive comments upwards, negative ones downwards. Dashed: threshold in use.",
        ),
    }
    calibrated = [
        (label, charts.reliability(label, numbers.calibration))
        for label, numbers in labels.items()
        if numbers.calibration
    ]
    if calibrated:
        found["reliability"] = _grid(
            calibrated,
            "Reliability",
            "Rings: before calibration. Dots: after it, with intervals. Dotted: scores that mean what they say.",
        )
    if report.training is not None:
        found["training-loss"] = _alone(overviews.training_loss(report.training), "Loss")
        if report.training.epochs:
            found["training-roc-auc"] = _alone(overviews.training_auc(report.training), "ROC AUC of the epochs")
    return found | _of_groups(report)


def _of_groups(report: Report) -> dict[str, str]:
    found = {}
    if len(report.labels) > 1:
        for counts, key in ((report.co_occurrence.targets, "targets"), (report.co_occurrence.decisions, "decisions")):
            title = f"{key.capitalize()}: share of a row's comments that have the column's label too"
            drawing = overviews.heat_map(
                list(report.labels), list(report.labels), harm.together_cells(report, counts), title
            )
            found[f"co-occurrence-{key}"] = _alone(drawing, title)
    biases = [("bias", report.bias), *((f"bias-templates-{i + 1}", b) for i, b in enumerate(report.templates.values()))]
    for key, bias in biases:
        if bias is not None and bias.groups:
            found[key] = _alone(_bias(bias), f"Bias of {bias.label}: {bias.source}")
    if report.robustness is not None and report.robustness.perturbations:
        rows = behaviour.robustness_rows(report.robustness)
        title = "Change of macro recall when texts are perturbed"
        ends = behaviour.robustness_ends(rows)
        found["robustness"] = _alone(overviews.intervals(rows, ends, "change of macro recall", title), title)
    for i, (name, suite) in enumerate(report.suites.items()):
        cases = [Row(f"{part.function} ({part.expected})", part.share_right) for part in suite.functions]
        title = f"{name}: share of cases that come out right"
        found[f"suite-{i + 1}"] = _alone(overviews.intervals(cases, (0, 1), "share right", title), title)
    return found


def _quality(report: Report) -> Drawing:
    rows = []
    for label, numbers in report.labels.items():
        rows += [
            Row("precision", numbers.precision, label),
            Row("recall", numbers.recall),
            Row("F1", numbers.f1),
        ]
    return overviews.intervals(rows, (0, 1), "value and interval", "Precision, recall and F1 of each label")


def _bias(bias: BiasReport) -> Drawing:
    groups = sorted(bias.groups.items(), key=lambda item: harm.worst_auc(item[1]))
    rows = []
    for _, numbers in groups:
        areas = (numbers.subgroup_auc, numbers.bpsn_auc, numbers.bnsp_auc)
        gaps = (numbers.false_positive_gap, numbers.false_negative_gap)
        rows.append([_area(auc) for auc in areas] + [_gap(gap) for gap in gaps])
    columns = ("subgroup AUC", "BPSN AUC", "BNSP AUC", "FPR gap", "FNR gap")
    return overviews.heat_map([group for group, _ in groups], columns, rows, f"Bias of {bias.label} by group")


def _area(auc: Estimate) -> Cell:
    step = 0 if auc.value is None else harm.harm_of_auc(auc.value)
    return Cell(fixed(auc.value, 2), "harm", step, "")


def _gap(gap: Estimate) -> Cell:
    step = 0 if gap.value is None else harm.harm_of_gap(gap.value)
    return Cell(signed(gap.value, 2), "harm", step, "")


def _alone(drawing: Drawing, title: str) -> str:
    inside = svg.group([drawing.inside], (_EDGE, _TITLE - 16))
    wide = max(drawing.width, 8.0 * min(len(title), 110))
    return standalone(inside, (wide + 2 * _EDGE, drawing.height + _TITLE - 16 + _EDGE), title, drawing.tells)


def _grid(parts: Sequence[tuple[str, Drawing]], title: str, told: str, shapes: str = "") -> str:
    columns = 1 if len(parts) == 1 else 2 if len(parts) <= _FEW else 3
    wide, high = charts.WIDTH + _GAP, charts.HEIGHT + _CAPTION + _GAP
    inside = [f"<defs>{shapes}</defs>" if shapes else "", svg.text(told, (_EDGE, 37), "subtitle", 120)]
    for i, (label, drawing) in enumerate(parts):
        place = (_EDGE + (i % columns) * wide, _TITLE + (i // columns) * high)
        heading = svg.text(label, (34, 10), "head", 34)
        inside.append(svg.group([heading, svg.group([drawing.inside], (0, _CAPTION))], place))
    lines = -(-len(parts) // columns)
    size = (columns * wide - _GAP + 2 * _EDGE, lines * high + _TITLE + _EDGE)
    return standalone("".join(inside), size, title, " ".join(drawing.tells for _, drawing in parts))


def standalone(inside: str, size: tuple[float, float], title: str, tells: str, *, turns_dark: bool = False) -> str:
    """Return an SVG file: whole by itself, with its own colours and a title.

    Parameters
    ----------
    inside : elements, below the title
    size : in pixels
    title : above the drawing; the user's words may be in it
    tells : a sentence or two for whoever does not see it
    turns_dark : where a dark screen is preferred; papers want white ground
    """
    width, height = svg.at(size[0]), svg.at(size[1])
    style = f".ground {{ fill: #ffffff; }}\n{_style()}"
    if turns_dark:
        ground = f".ground {{ fill: {palette.DARK['page']}; }}"
        style += f"\n@media (prefers-color-scheme: dark) {{\n{ground}\n{_style(dark=True)}\n}}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img">\n<title>{said(title)}</title>\n<desc>{said(tells)}</desc>\n'
        f"<style>{style}</style>\n"
        f'<rect class="ground" x="0" y="0" width="{width}" height="{height}"/>\n'
        f"{svg.text(cut(title, 120), (_EDGE, 21), 'title', 110)}{inside}</svg>\n"
    )


def _style(dark: bool = False) -> str:
    """Return the style with plain colours: few programs other than browsers know custom properties."""
    colours = palette.variables(dark)
    return re.sub(r"var\(--([a-z0-9-]+)\)", lambda found: colours[found[1]], palette.shades() + resource("plot.css"))
