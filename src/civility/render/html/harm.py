"""Sections on labels that go together, and on who is harmed by errors."""

from civility.documents.report import BiasReport, Estimate, GroupBias, Report
from civility.plain_text import count
from civility.render.html import overviews, palette
from civility.render.html.markup import Section, number, table
from civility.render.html.overviews import Cell, shade
from civility.render.sentences.page_sentences import (
    DASH,
    fixed,
    missing,
    name,
    percent,
    reason,
    said,
    signed,
    span,
    whole,
)
from civility.render.sentences.report_sentences import FEW_TEMPLATES, UNKNOWN_GROUPS

_MOST_IN_TABLE = 16
_AUCS = (("subgroup_auc", "Subgroup AUC"), ("bpsn_auc", "BPSN AUC"), ("bnsp_auc", "BNSP AUC"))
_GAPS = (
    ("false_positive_gap", "False-positive gap", "false_positive_rate"),
    ("false_negative_gap", "False-negative gap", "false_negative_rate"),
)


def together_cells(report: Report, counts: tuple[tuple[int, ...], ...]) -> list[list[Cell]]:
    """Return the share of each row's comments that also have the column's label; the diagonal counts the label."""
    labels = list(report.labels)
    rows = []
    for i, row in enumerate(counts):
        cells = []
        for j, both in enumerate(row):
            share = both / row[i] if row[i] else None
            title = f"{labels[i]} and {labels[j]}: {count(both, 'comment')}"
            if i == j:
                cells.append(Cell(whole(both), "share", 0, f"{labels[i]}: {count(both, 'comment')}"))
            elif share is None:
                cells.append(Cell(DASH, "share", 0, title))
            else:
                cells.append(shade(share, "share", f"{100 * share:.0f} %", title))
        rows.append(cells)
    return rows


def together(report: Report) -> Section | None:
    """Return how often labels go together, in targets and in decisions."""
    if len(report.labels) < 2:
        return None
    wide = len(report.labels) > _MOST_IN_TABLE
    counted = ((report.co_occurrence.targets, "Targets"), (report.co_occurrence.decisions, "Decisions"))
    parts = [_together_drawn(report, *part) if wide else _together_table(report, *part) for part in counted]
    body = (
        '<p class="what">Of the comments with the label of a row, how many have the label of the column too; the '
        "diagonal counts comments. Where decisions have much more colour than targets, labels are flagged as one.</p>"
        f'<div class="{"stack" if wide else "pair"}">{"".join(parts)}</div>'
    )
    return Section("together", "Labels together", body)


def _together_table(report: Report, counts: tuple[tuple[int, ...], ...], words: str) -> str:
    cells = together_cells(report, counts)
    rows = [
        [f"<td>{name(label)}</td>", *(_shaded(cell) for cell in row)]
        for label, row in zip(report.labels, cells, strict=True)
    ]
    return table(words, ["Label", *(name(label) for label in report.labels)], rows, "heat square")


def _together_drawn(report: Report, counts: tuple[tuple[int, ...], ...], words: str) -> str:
    labels, cells = list(report.labels), together_cells(report, counts)
    drawing = overviews.heat_map(labels, labels, cells, f"{words}: share of each label's comments with another")
    return (
        f'<figure><figcaption><strong>{words}</strong></figcaption><div class="scroll" tabindex="0" role="group" '
        f'aria-label="{words}">{drawing.in_page("chart wide")}</div></figure>'
    )


def _shaded(cell: Cell) -> str:
    return f'<td class="n {cell.kind}-{cell.step}" title="{said(cell.title)}">{said(cell.words)}</td>'


def bias(report: Report) -> Section | None:
    """Return the groups of the data, and those of each file of templates."""
    parts = []
    if report.bias is not None:
        parts.append(_one(report, report.bias, ("bias",), UNKNOWN_GROUPS, headed=len(report.templates) > 0))
    for key, found in report.templates.items():
        parts.append(_one(report, found, ("templates", key), FEW_TEMPLATES, headed=True))
    if not parts:
        return None
    body = (
        '<p class="what">A group is the comments that mention it; the background mentions it not. '
        "<b>Subgroup AUC</b>: are toxic and harmless comments told apart within the group? <b>BPSN</b> is low where "
        "harmless comments that mention the group are taken for toxic ones; <b>BNSP</b> where toxic ones that mention "
        "it are missed. Gaps are the group's error rate less the background's: above zero, the group bears more "
        "errors. The stronger the colour, the worse; the worst group comes first.</p>"
    )
    return Section("bias", "Who is harmed by errors", body + "".join(parts))


def _one(report: Report, found: BiasReport, path: tuple[str, ...], caution: str, *, headed: bool) -> str:
    heads = ["Group", "Positive, negative", *(words for _, words in _AUCS), *(words for _, words, _ in _GAPS)]
    groups = sorted(found.groups.items(), key=lambda item: worst_auc(item[1]))
    rows = [_group_row(report, group, numbers, (*path, "groups", group)) for group, numbers in groups]
    title = f"<h3>{name(found.source)}</h3>" if headed else ""
    means = ", ".join(f"{words} {number(report, getattr(found, key), (*path, key))}" for key, words in _AUCS)
    told = (
        f'<p class="what">Label {name(found.label)}, ROC AUC of all comments '
        f"{number(report, found.overall_auc.value, (*path, 'overall_auc'))}. <strong>Final metric "
        f"{number(report, found.final.value, (*path, 'final'))}</strong>"
        f"{f' ({span(found.final)})' if span(found.final) else ''}, of which the generalised means over groups "
        f"(power {found.power:g}): {means}. {said(caution)}</p>"
    )
    return title + told + table(f"Groups of {name(found.source)}", heads, rows, "heat bias")


def worst_auc(group: GroupBias) -> float:
    """Return the lowest of a group's three areas; 2 where none is defined."""
    return min((auc for key, _ in _AUCS if (auc := getattr(group, key).value) is not None), default=2.0)


def _group_row(report: Report, group: str, numbers: GroupBias, path: tuple[str, ...]) -> list[str]:
    note = f'<span class="between" dir="auto">{said(numbers.note)}</span>' if numbers.note else ""
    cells = [
        f"<td>{name(group)}{note}</td>",
        f'<td class="n">{whole(numbers.num_positive)}, {whole(numbers.num_negative)}</td>',
    ]
    cells += [_auc_cell(report, getattr(numbers, key), (*path, key)) for key, _ in _AUCS]
    for key, _, rate in _GAPS:
        cells.append(_gap_cell(report, getattr(numbers, key), getattr(numbers, rate), (*path, key)))
    return cells


def harm_of_auc(auc: float) -> int:
    """Return the step of colour of an area: none from 0.97 up, the last at 0.6."""
    return palette.step((0.97 - auc) / 0.37)


def harm_of_gap(gap: float) -> int:
    """Return the step of colour of a gap: the last at 0.3; a gap in the group's favour has none."""
    return palette.step(gap / 0.3)


def _auc_cell(report: Report, auc: Estimate, path: tuple[str, ...]) -> str:
    if auc.value is None:
        return f'<td class="n">{missing(reason(report, *path))}</td>'
    between = f'<span class="between">{span(auc)}</span>' if span(auc) else ""
    return f'<td class="n harm-{harm_of_auc(auc.value)}">{fixed(auc.value)}{between}</td>'


def _gap_cell(report: Report, gap: Estimate, rate: Estimate, path: tuple[str, ...]) -> str:
    if gap.value is None:
        return f'<td class="n">{missing(reason(report, *path))}</td>'
    between = f'<span class="between">{span(gap)}</span>' if span(gap) else ""
    title = f"rate in the group {percent(rate.value)}" if rate.value is not None else ""
    return f'<td class="n harm-{harm_of_gap(gap.value)}" title="{title}">{signed(gap.value)}{between}</td>'
