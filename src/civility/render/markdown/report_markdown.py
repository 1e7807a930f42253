"""A report as Markdown, for a review or a model card. Never shows the text of a comment."""

from collections.abc import Iterable, Sequence

from civility.documents.behaviour_report import BiasReport, RobustnessReport, Slice, SuiteReport
from civility.documents.label_report import Estimate, LabelReport
from civility.documents.report import Report
from civility.plain_text import as_code, as_markdown, count
from civility.render.sentences.report_sentences import (
    FEW_TEMPLATES,
    MEASURABLE,
    METRIC_NAMES,
    OF_THE_SAMPLE,
    UNKNOWN_GROUPS,
    group_note,
    labels_by_verdict,
    metric_text,
    not_chosen,
    not_measurable_sentence,
    note_sentence,
    optimism,
    slice_name,
    slice_note,
    undefined_reason,
    verdict_basis,
    with_interval,
)

_COLUMNS = ("roc_auc", "average_precision", "precision", "recall", "f1")
_GROUPS_SHOWN = 60


def grid(header: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """Return a table; the first ``left`` columns are aligned left, the others right."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * left + "---:|" * (len(header) - left)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def table(report: Report) -> str:
    """Return the table of a report: a row for each label, then any label and the macro averages."""
    header = ["label", *(METRIC_NAMES[metric] for metric in _COLUMNS), "threshold", "positive", "negative", "unknown"]
    rows = []
    for label, numbers in report.labels.items():
        values = [with_interval(getattr(numbers, metric)) for metric in _COLUMNS]
        rows.append([as_code(label), *values, f"{numbers.threshold:.3g}", *_counts(numbers)])
    any_label = report.any_label
    values = [with_interval(getattr(any_label, metric)) for metric in _COLUMNS]
    counts = [f"{any_label.num_positive:,}", f"{any_label.num_negative:,}", f"{any_label.num_unknown:,}"]
    rows.append(["any label", *values, "", *counts])
    for name, macro in (("macro", report.macro), (MEASURABLE, report.measurable)):
        if macro is not None:
            values = [f"**{with_interval(getattr(macro, metric))}**" for metric in _COLUMNS]
            rows.append([f"**{name}**", *values, "", "", "", ""])
    return grid(header, rows)


def _counts(numbers: LabelReport) -> list[str]:
    return [f"{numbers.num_positive:,}", f"{numbers.num_negative:,}", f"{numbers.num_unknown:,}"]


def undefined_notes(report: Report) -> str:
    """Return a line for each undefined number; empty if there are none."""
    if not report.undefined:
        return ""
    lines = [f"- {as_code(path)}: {undefined_reason(report, path)}" for path in report.undefined]
    return "Undefined, and left out of every mean:\n\n" + "\n".join(lines)


def to_markdown(report: Report) -> str:
    """Return a whole page."""
    files = ", ".join(as_code(file) for file in report.data.files)
    digest = as_code(report.data.digest[:19])
    num_comments = count(report.data.num_comments, "comment")
    parts = [
        f"# Report: {as_markdown(report.name)}",
        f"{num_comments} from {files} ({digest}), scored by {as_code(report.classifier.name)}",
        "\n".join(
            f"- {as_markdown(note)}" for note in filter(None, (*_warnings(report), *map(note_sentence, report.notes)))
        ),
        _verdicts(report),
        table(report),
        undefined_notes(report),
        "In brackets: 95 % intervals. The macro average is the mean over the labels where a number is defined; "
        "precision, recall and F1 are at the thresholds above.",
        _at_rates(report),
        _calibration(report),
        *(_bias(f"Bias: groups of {bias.source}", bias, UNKNOWN_GROUPS) for bias in (report.bias,) if bias),
        *(_bias(f"Bias: {name}", bias, FEW_TEMPLATES) for name, bias in report.templates.items()),
        *(_suite(name, suite) for name, suite in report.suites.items()),
        _robustness(report.robustness) if report.robustness else "",
        *(_slices(kind, slices) for kind, slices in report.slices.items()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _warnings(report: Report) -> tuple[str, ...]:
    return not_chosen(report.not_chosen_from_data), not_measurable_sentence(report), optimism(report)


def _verdicts(report: Report) -> str:
    rows = [[as_code(label), one.verdict, verdict_basis(one)] for label, one in report.labels.items()]
    return f"**{report.verdict}**: {as_markdown(labels_by_verdict(report))}\n\n" + grid(
        ["label", "verdict", "why"], rows, left=3
    )


def _at_rates(report: Report) -> str:
    rates = list(report.macro.recall_at_fpr)
    rows = [
        [as_code(label), *(with_interval(one.recall_at_fpr[rate]) for rate in rates)]
        for label, one in report.labels.items()
    ]
    rows.append(["any label", *(with_interval(report.any_label.recall_at_fpr[rate]) for rate in rates)])
    header = ["label", *(f"recall at {float(rate):.1%} false positives" for rate in rates)]
    return "## Recall at fixed false-positive rates\n\n" + grid(header, rows)


def _calibration(report: Report) -> str:
    rows = []
    for label, numbers in report.labels.items():
        one = numbers.calibration
        if one is None or one.before.log_loss is None:
            continue
        pairs = [
            (one.before.calibration_error, one.after.calibration_error),
            (one.before.brier, one.after.brier),
            (one.before.log_loss, one.after.log_loss),
        ]
        rows.append([as_code(label), one.method, *(f"{metric_text(was)} → {metric_text(now)}" for was, now in pairs)])
    if not rows:
        return ""
    fitted = any(one.calibration and one.calibration.cross_fitted for one in report.labels.values())
    how = (
        "\n\nThe calibration was fitted on these comments, so the numbers after it are by cross-fitting."
        if fitted
        else ""
    )
    header = ["label", "calibration", "calibration error", "Brier", "log loss"]
    return "## Calibration, before → after\n\n" + grid(header, rows, left=2) + how


def _bias(title: str, bias: BiasReport, caution: str) -> str:
    rows = []
    for name, group in sorted(bias.groups.items(), key=lambda item: _worst(item[1].subgroup_auc))[:_GROUPS_SHOWN]:
        aucs = [metric_text(auc.value, 3) for auc in (group.subgroup_auc, group.bpsn_auc, group.bnsp_auc)]
        gaps = [with_interval(gap, 2) for gap in (group.false_positive_gap, group.false_negative_gap)]
        rows.append(
            [as_code(name), *aucs, *gaps, f"{group.num_positive:,}", f"{group.num_negative:,}", group_note(group)]
        )
    left = len(bias.groups) - _GROUPS_SHOWN
    header = ["group", "subgroup AUC", "BPSN AUC", "BNSP AUC", "FPR gap", "FNR gap", "positive", "negative", ""]
    return (
        f"## {as_markdown(title)}\n\nLabel {as_code(bias.label)}: final {with_interval(bias.final)} "
        f"(overall {with_interval(bias.overall_auc)}; generalised means, power {bias.power:g}: subgroup "
        f"{metric_text(bias.subgroup_auc, 3)}, BPSN {metric_text(bias.bpsn_auc, 3)}, "
        f"BNSP {metric_text(bias.bnsp_auc, 3)}). {caution}\n\n"
        + grid(header, rows)
        + (f"\n\n{left:,} groups with a higher subgroup AUC are only in the JSON." if left > 0 else "")
    )


def _worst(estimate: Estimate) -> float:
    return 2.0 if estimate.value is None else estimate.value


def _suite(name: str, suite: SuiteReport) -> str:
    rows = [
        [as_code(one.function), one.expected, with_interval(one.share_right), f"{one.num_right:,} / {one.num_cases:,}"]
        for one in suite.functions
    ]
    left = f", {suite.num_left_out:,} left out because the classifier lacks their label" if suite.num_left_out else ""
    return (
        f"## Behaviour: {as_markdown(name)}\n\n"
        f"{suite.num_cases:,} cases{left}; as expected: {with_interval(suite.share_right)}.\n\n"
        + grid(["function", "expected", "as expected", "cases"], rows, left=2)
    )


def _robustness(robustness: RobustnessReport) -> str:
    rows = [
        [as_code(one.name), f"{one.strength:g}", f"{one.share_changed:.0%}", with_interval(one.macro_recall_change)]
        for one in robustness.perturbations
    ]
    unmoved = []
    for one_change in robustness.invariances:
        moved = [f"{one_change.largest_difference:.2g}", f"{one_change.share_of_decisions_changed:.2%}"]
        share = one_change.share_changed
        unmoved.append([as_code(one_change.name), f"{share:.0%}", *(moved if share else ["-", "-"])])
    header = ["perturbation", "strength", "texts changed", "change of recall, mean over labels"]
    return (
        f"## Robustness, on {count(robustness.num_comments, 'comment')}\n\n{OF_THE_SAMPLE}\n\n{grid(header, rows)}\n\n"
        "Changes that should not matter, measured on the texts that they change:\n\n"
        + grid(["change", "texts changed", "largest difference of a score", "decisions changed"], unmoved)
    )


def _slices(kind: str, slices: Sequence[Slice]) -> str:
    if not slices:
        return ""
    labels = list(slices[0].labels)
    rows = [
        [
            as_code(slice_name(one)),
            f"{one.num_comments:,}",
            *(metric_text(one.labels[label].roc_auc, 3) for label in labels),
            as_markdown(slice_note(one)),
        ]
        for one in slices
    ]
    header = ["slice", "comments", *(f"{as_code(label)} ROC AUC" for label in labels), ""]
    return f"## Slices by {as_markdown(kind)}\n\n" + grid(header, rows)
