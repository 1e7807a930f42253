"""Sections on behaviour: perturbed texts, suites of cases, slices of the comments."""

from civility.documents.report import Estimate, Perturbed, Report, RobustnessReport, Slice, SuiteReport
from civility.plain_text import count
from civility.render.html import overviews
from civility.render.html.markup import Section, choice, drawn, figure, number, table, veiled
from civility.render.html.overviews import Row
from civility.render.sentences.page_sentences import fixed, missing, name, percent, reason, said, signed, span, whole
from civility.render.sentences.report_sentences import OF_THE_SAMPLE


def robustness_rows(found: RobustnessReport) -> list[Row]:
    """Return a row for each perturbation at each strength and the texts it changed, under the perturbation's name."""
    rows, last = [], ""
    for part in found.perturbations:
        head = f"{part.name}: {part.what}" if part.name != last else ""
        words = f"strength {part.strength:g}, {percent(part.share_changed, 0)} changed"
        rows.append(Row(words, part.macro_recall_change, head, "orange" if _hurts(part) else "before"))
        last = part.name
    return rows


def _hurts(part: Perturbed) -> bool:
    """Return whether recall surely falls: the whole interval is below zero."""
    high = part.macro_recall_change.high
    return high is not None and high < 0


def robustness_ends(rows: list[Row]) -> tuple[float, float]:
    """Return the ends of the axis: whole tenths around every interval and zero."""
    values = [v for row in rows for v in (row.estimate.value, row.estimate.low, row.estimate.high) if v is not None]
    low, high = min([*values, -0.1]), max([*values, 0.0])
    return max(-1.0, -0.2 * (-low // 0.2 + 1)), 0.2 * (high // 0.2 + 1) if high > 0.005 else 0.0


def robustness(report: Report) -> Section | None:
    """Return how recall changes when texts are perturbed, and what must not matter."""
    found = report.robustness
    if found is None:
        return None
    rows = robustness_rows(found)
    body = (
        f'<p class="what">On a sample of {count(found.num_comments, "comment")} (seed {found.seed}): how much of the '
        "macro recall at the thresholds in use is lost when texts are written so as to slip through. Orange where the "
        "whole interval is below zero; behind each strength, the share of texts that it changed. "
        f"{said(OF_THE_SAMPLE)}</p>"
    )
    if rows:
        tells = f"Change of macro recall under {len(rows)} perturbations; the worst is {_worst(rows)}."
        drawing = overviews.intervals(rows, robustness_ends(rows), "change of macro recall", tells)
        body += f'<div class="pair">{figure(drawing, "Change of recall")}{_invariances(found)}</div>'
        body += _by_label(report, found)
    else:
        body += _invariances(found)
    return Section("robustness", "How easily it is fooled", body)


def _worst(rows: list[Row]) -> str:
    defined = [row for row in rows if row.estimate.value is not None]
    if not defined:
        return "undefined"
    return signed(min(row.estimate.value or 0.0 for row in defined))


def _invariances(found: RobustnessReport) -> str:
    if not found.invariances:
        return ""
    rows = []
    for part in found.invariances:
        moved = [f"{part.largest_difference:.2g}", percent(part.share_of_decisions_changed, 2)]
        if not part.share_changed:
            moved = [missing("it changed no text")] * 2
        rows.append([f"<td>{name(part.name)}</td>", percent(part.share_changed, 0), *moved])
    heads = ("What must not matter", "Texts changed", "Largest move of a score", "Decisions changed")
    return table("Invariances", heads, rows, "numbers")


def _by_label(report: Report, found: RobustnessReport) -> str:
    labels = list(report.labels)
    heads = ["Perturbation", "Texts changed", *(name(label) for label in labels)]
    rows = []
    for i, part in enumerate(found.perturbations):
        cells = [f"<td>{name(part.name)} {part.strength:g}</td>", f"<td>{percent(part.share_changed, 0)}</td>"]
        for label in labels:
            numbers = part.labels.get(label)
            path = ("robustness", "perturbations", str(i), "labels", label)
            if numbers is None or numbers.recall_after is None:
                cells.append(missing(reason(report, *path, "recall_after")))
                continue
            auc = f"AUC {fixed(numbers.roc_auc_before)} → {fixed(numbers.roc_auc_after)}"
            moved = f"{fixed(numbers.recall_before, 2)} → {fixed(numbers.recall_after, 2)}"
            cells.append(f'<td>{moved}<span class="between">{auc}</span></td>')
        rows.append(cells)
    caption = "Recall and ROC AUC of each label on the sample, before and after"
    return f"<details><summary>{caption}</summary>{table(caption, heads, rows, 'numbers')}</details>"


def suites(report: Report) -> Section | None:
    """Return behaviour suites, function by function."""
    if not report.suites:
        return None
    parts = [_suite(report, i, key, suite) for i, (key, suite) in enumerate(report.suites.items())]
    body = (
        '<p class="what">Cases written to test one behaviour each: what should be flagged, and what should be left '
        "alone although it looks alike. Share of the cases that come out right.</p>"
    )
    return Section("suites", "Behaviour suites", body + "".join(parts))


def _suite(report: Report, i: int, key: str, suite: SuiteReport) -> str:
    path = ("suites", key)
    left = f", {count(suite.num_left_out, 'case')} left out for want of a label" if suite.num_left_out else ""
    between = f" ({span(suite.share_right)})" if span(suite.share_right) else ""
    parts = [
        f"<h3>{name(key)}</h3>",
        f'<p class="what">{count(suite.num_cases, "case")}{left}; right: '
        f"<strong>{number(report, suite.share_right.value, (*path, 'share_right'))}</strong>{between}. "
        f"From {name(suite.source)}.</p>",
    ]
    rows = []
    for j, part in enumerate(suite.functions):
        texts = "".join(veiled(example, f"suite-{i}-{j}-{k}") for k, example in enumerate(part.wrong))
        shown = count(len(part.wrong), "wrong case")
        wrong = f'<details><summary>{shown}</summary><ol class="examples">{texts}</ol></details>' if texts else ""
        rows.append(
            [
                f"<td>{name(part.function)}</td>",
                f"<td>{part.expected}</td>",
                drawn(report, part.share_right, (*path, "functions", part.function, "share_right"), "right"),
                f'<td class="n">{whole(part.num_right)} of {whole(part.num_cases)}</td>',
                f'<td class="cases">{wrong}</td>',
            ]
        )
    parts.append(
        table(f"Functions of {name(key)}", ("Function", "Expected", "Right", "Cases", "Examples"), rows, "suite")
    )
    if suite.groups:
        groups = [
            [f"<td>{name(group)}</td>", drawn(report, share, (*path, "groups", group), "right")]
            for group, share in suite.groups.items()
        ]
        parts.append(table("By group that the case is about", ("Group", "Right"), groups, "suite"))
    return "".join(parts)


def slices(report: Report) -> Section | None:
    """Return some of the comments at a time, label by label."""
    kinds = {kind: found for kind, found in report.slices.items() if found}
    if not kinds:
        return None
    options = (("recall", "recall"), ("precision", "precision"), ("auc", "ROC AUC"))
    body = (
        '<p class="what">The same numbers on parts of the comments. Where a part is too small to tell, it says so.</p>'
    )
    body += choice("slice", "Number shown", options)
    for kind, found in kinds.items():
        heads = ["Slice", "Comments", *(name(label) for label in report.labels)]
        rows = [_slice_row(report, part, ("slices", kind, part.name)) for part in found]
        body += table(f"By {name(kind)}", heads, rows, "slices numbers")
    return Section("slices", "Slices", body)


def _slice_row(report: Report, part: Slice, path: tuple[str, ...]) -> list[str]:
    note = f'<span class="between" dir="auto">{said(part.note)}</span>' if part.note else ""
    cells = [f"<td>{name(part.name)}{note}</td>", f"<td>{whole(part.num_comments)}</td>"]
    for label in report.labels:
        here = (*path, "labels", label)
        numbers = part.labels.get(label)
        if numbers is None:
            cells.append(missing(reason(report, *here)))
            continue
        title = f"{count(numbers.num_positive, 'positive')}, {count(numbers.num_negative, 'negative')}"
        auc = Estimate(value=numbers.roc_auc)
        inside = "".join(
            f'<span class="as-{key}">{number(report, estimate.value, (*here, field))}'
            + (f'<span class="between">{span(estimate, 2)}</span>' if span(estimate) else "")
            + "</span>"
            for key, field, estimate in (
                ("recall", "recall", numbers.recall),
                ("precision", "precision", numbers.precision),
                ("auc", "roc_auc", auc),
            )
        )
        cells.append(f'<td title="{title}">{inside}</td>')
    return cells
