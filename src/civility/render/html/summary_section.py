"""The top of the page: what was measured, whether it is good enough, for which labels, and how sure that is."""

from civility.documents.label_verdict import MEANS
from civility.documents.report import AnyLabel, LabelReport, Macro, Report
from civility.metrics.small_samples import FEWEST
from civility.plain_text import count
from civility.render.html.markup import Section, drawn, estimated, number, table, verdict
from civility.render.sentences.page_sentences import DASH, cut_point, fixed, missing, name, percent, reason, said, whole
from civility.render.sentences.report_sentences import MEASURABLE, not_chosen, optimism, too_few

_HEADS = (
    "Label",
    "Positives",
    "Precision",
    "Recall",
    "F1",
    "Flagged per 1,000",
    "Threshold",
    "ROC AUC",
    "Average precision",
)
"""What people meet comes first; ranking, which is high for every system in this field, last."""


def header(report: Report) -> str:
    """Return name, verdict of the whole, facts and warnings."""
    data, classifier = report.data, report.classifier
    files = ", ".join(name(file) for file in data.files) or DASH
    facts = [
        ("Comments", whole(data.num_comments)),
        ("Labels", whole(len(report.labels))),
        (
            "Classifier",
            name(classifier.name),
        ),
        ("Longest comment", count(classifier.max_length, "token") if classifier.max_length else "read whole"),
        ("Files", files),
        ("Digest", f'<code class="digest">{name(data.digest) if data.digest else DASH}</code>'),
    ]
    listed = "".join(f"<div><dt>{term}</dt><dd>{words}</dd></div>" for term, words in facts)
    return (
        f'<header class="top"><p class="kicker">civility · report of an evaluation</p><h1>{name(report.name)}</h1>'
        f'<p class="lead">{verdict(report.verdict.word)} <span dir="auto">{said(report.verdict.why)}</span></p>'
        f'<dl class="facts-of-report">{listed}</dl>{_warnings(report)}</header>'
    )


def _warnings(report: Report) -> str:
    parts = []
    if report.not_chosen_from_data:
        told = said(not_chosen(report.not_chosen_from_data))
        parts.append(f'<p dir="auto"><strong>Not chosen from data.</strong> {told}</p>')
    if report.optimistic:
        parts.append(f"<p><strong>Optimistic.</strong> {optimism(report)}</p>")
    if report.not_measurable:
        parts.append(f'<p dir="auto"><strong>Too few comments.</strong> {said(too_few(report))}</p>')
    parts += [f'<p dir="auto">{said(note)}</p>' for note in report.notes]
    return f'<div class="warning" role="note">{"".join(parts)}</div>' if parts else ""


def summary(report: Report) -> Section:
    """Return the table of all labels, of any label and of their mean."""
    rows = [_label_row(report, label, numbers) for label, numbers in report.labels.items()]
    rows += [_any_row(report, report.any_label), _macro_row(report, report.macro, "macro", _MACRO)]
    if report.measurable is not None:
        rows.append(_macro_row(report, report.measurable, "macro_measurable", _OVER_MEASURABLE))
    level = percent(report.resampling.level, 0)
    body = (
        '<p class="what">Each label at the threshold that is in use. A dot is the number, the line through it the '
        f"interval in which it lies with {level} confidence; the rail goes from 0 to 1.</p>"
    )
    body += table("What each label is worth", _HEADS, rows, "summary stacked")
    return Section("summary", "Is it good enough?", body + _key(report) + _at_low_rates(report))


def _key(report: Report) -> str:
    """Return what the verdicts that appear mean."""
    found = {numbers.verdict.word for numbers in report.labels.values()}
    listed = "".join(f"<li>{verdict(word)} {means}</li>" for word, means in MEANS.items() if word in found)
    return f'<ul class="key">{listed}</ul>'


def _shares(report: Report, numbers: LabelReport | AnyLabel | Macro, path: tuple[str, ...]) -> list[str]:
    return [
        drawn(report, numbers.precision, (*path, "precision"), "precision"),
        drawn(report, numbers.recall, (*path, "recall"), "recall"),
        drawn(report, numbers.f1, (*path, "f1"), "F1"),
    ]


def _ranking(report: Report, numbers: LabelReport | AnyLabel | Macro, path: tuple[str, ...]) -> list[str]:
    return [
        estimated(report, numbers.roc_auc, (*path, "roc_auc")),
        estimated(report, numbers.average_precision, (*path, "average_precision")),
    ]


def _positives(numbers: LabelReport | AnyLabel) -> str:
    known = numbers.num_positive + numbers.num_negative
    share = percent(numbers.num_positive / known) if known else "none known"
    unknown = f'<span class="between">{whole(numbers.num_unknown)} unknown</span>' if numbers.num_unknown else ""
    return f'<td class="n">{whole(numbers.num_positive)}<span class="between">{share}</span>{unknown}</td>'


def _label_row(report: Report, label: str, numbers: LabelReport) -> list[str]:
    path = ("labels", label)
    written = said(numbers.policy.replace(">=", "\u2265").replace("<=", "\u2264"))
    policy = f'<span class="between asked" dir="auto">{written}</span>' if numbers.policy else ""
    if numbers.review_threshold is not None:
        policy += f'<span class="between">review from {cut_point(numbers.review_threshold)}</span>'
    load = number(report, numbers.flagged_per_1000.value, (*path, "flagged_per_1000"), 1)
    if numbers.review_per_1000 is not None:
        load += f'<span class="between">+ {fixed(numbers.review_per_1000, 1)} review</span>'
    threshold = f'<span title="{numbers.threshold!r}">{cut_point(numbers.threshold)}</span>'
    return [
        f'<td class="why">{name(label)} {verdict(numbers.verdict.word)}'
        f'<span class="between" dir="auto">{said(numbers.verdict.why)}</span></td>',
        _positives(numbers),
        *_shares(report, numbers, path),
        f'<td class="n">{load}</td>',
        f'<td class="n">{threshold}{policy}</td>',
        *_ranking(report, numbers, path),
    ]


def _any_row(report: Report, numbers: AnyLabel) -> list[str]:
    path = ("any_label",)
    return [
        '<td class="why"><span class="whole">any label</span>'
        '<span class="between">A comment counts as flagged if one of its labels is.</span></td>',
        _positives(numbers),
        *_shares(report, numbers, path),
        f'<td class="n">{number(report, numbers.flagged_per_1000.value, (*path, "flagged_per_1000"), 1)}</td>',
        _EMPTY,
        *_ranking(report, numbers, path),
    ]


_MACRO = ("macro", "The mean over the labels where a number is defined.")
_OVER_MEASURABLE = (MEASURABLE, f"The mean over the labels with at least {FEWEST} positive and negative comments.")


def _macro_row(report: Report, numbers: Macro, field: str, words: tuple[str, str]) -> list[str]:
    path = (field,)
    return [
        f'<td class="why"><span class="whole">{words[0]}</span><span class="between">{words[1]}</span></td>',
        _EMPTY,
        *_shares(report, numbers, path),
        _EMPTY,
        _EMPTY,
        *_ranking(report, numbers, path),
    ]


_EMPTY = '<td class="n"></td>'


def _at_low_rates(report: Report) -> str:
    """Return recall at fixed false-positive rates, which the thresholds in use do not touch."""
    parts: list[tuple[str, tuple[str, ...], LabelReport | AnyLabel | Macro]] = [
        (name(label), ("labels", label), numbers) for label, numbers in report.labels.items()
    ]
    parts += [("any label", ("any_label",), report.any_label), ("macro", ("macro",), report.macro)]
    if report.measurable is not None:
        parts.append((MEASURABLE, ("macro_measurable",), report.measurable))
    rates = list(dict.fromkeys(rate for _, _, numbers in parts for rate in numbers.recall_at_fpr))
    if not rates:
        return ""
    rows = []
    for words, path, numbers in parts:
        cells = [f"<td>{words}</td>"]
        for rate in rates:
            here = (*path, "recall_at_fpr", rate)
            found = numbers.recall_at_fpr.get(rate)
            cells.append(
                estimated(report, found, here) if found else f'<td class="n">{missing(reason(report, *here))}</td>'
            )
        rows.append(cells)
    heads = ["Label", *(f"at {_rate(rate)} false positives" for rate in rates)]
    told = "Recall, if so many of the harmless comments may be flagged"
    return f"<details><summary>{told}</summary>{table(told, heads, rows)}</details>"


def _rate(rate: str) -> str:
    try:
        return f"{100 * float(rate):g} %"
    except ValueError:
        return said(rate)
