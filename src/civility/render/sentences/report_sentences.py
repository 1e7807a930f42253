"""The words of a report: names of metrics, numbers as text, and the sentences of its codes and notes."""

from collections.abc import Sequence

from civility.documents.behaviour_report import FEWEST_OF_SLICE, GroupBias, Slice
from civility.documents.comparison_result import RowDifference
from civility.documents.label_report import AnyLabel, Estimate, LabelReport, VerdictWord
from civility.documents.note import Note
from civility.documents.report import Optimistic, Report, Undefined
from civility.metrics.small_samples import FEWEST
from civility.plain_text import count

METRIC_NAMES = {
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
}
METRIC_WORDS = {
    "macro_roc_auc": "macro ROC AUC",
    "macro_average_precision": "macro average precision",
    "loss": "validation loss",
}
"""The metrics that choose the best epoch and the best trial of a sweep (training.metric)."""
_CHOSEN: dict[Optimistic, str] = {
    "epoch": "the best epoch",
    "calibration": "the calibration",
    "thresholds": "the thresholds",
}

MEASURABLE = "macro, measurable"
"""The mean over the labels with enough comments to be measured."""
_NAMED = 6
OF_THE_SAMPLE = (
    "Recall and ROC AUC before the change are those of the sample, which has a larger share of positives and of rare "
    "labels than the comments, so they differ from the numbers above."
)
"""What the robustness section is measured on."""
UNKNOWN_GROUPS = (
    "Comments that may or may not mention a group are left out for that group; the kernel of Jigsaw 2019 counts them "
    "as background, so its numbers differ unless groups are known for every comment."
)
FEW_TEMPLATES = (
    "The sentences come from few templates and are much alike, so the intervals, which treat them as independent "
    "comments, are too narrow."
)


VERDICT_WORDS: dict[VerdictWord, str] = {
    "good": "good enough to act on",
    "review": "worth a person's review",
    "weak": "too weak to use",
    "unsure": "too few positives to be sure",
    "undefined": "could not be measured",
}
"""What each verdict means."""
PERTURBATIONS = {
    "leetspeak": "digits and signs for the letters they look like: 1d!0t",
    "homoglyphs": "Cyrillic letters for the Latin ones that look the same",
    "zero_width": "invisible characters between the letters of a word",
    "combining": "an accent, a dot or a stroke on every letter",
    "spacing": "spaces between letters: i d i o t",
    "repeats": "a letter of a word three to five times: idiooot",
    "typos": "a wrong key, two letters swapped or one dropped in each word",
    "case": "lower and upper case in turn: iDiOt",
    "harmless_text": "harmless English sentences before and after",
    "emoji": "a friendly emoji after each word",
}
"""What each perturbation does at strength 1."""


def metric_text(value: float | None, digits: int = 4, *, signed: bool = False) -> str:
    """Return a metric with ``digits`` decimals, or a dash if it is undefined; ``signed``: with a plus if positive."""
    return "-" if value is None or value != value else f"{value:{'+' if signed else ''}.{digits}f}"


def with_interval(estimate: Estimate | RowDifference, digits: int = 3, *, signed: bool = False) -> str:
    """Return a number and its interval, as ``0.912 [0.880, 0.941]``; parameters as of `metric_text`.

    Without an interval, the number alone.
    """
    ends = (estimate.value, estimate.low, estimate.high)
    value, low, high = (metric_text(one, digits, signed=signed) for one in ends)
    return value if None in ends else f"{value} [{low}, {high}]"


def not_measurable_sentence(report: Report) -> str:
    """Return which labels make the macro averages unmeasurable; empty if none does."""
    if not report.not_measurable:
        return ""
    names = _listed([f"{label} ({_rarer(report.labels[label])})" for label in report.not_measurable])
    kept = f'"{MEASURABLE}" leaves them out.' if report.measurable else "No label has enough for an average to judge."
    return (
        f"Fewer than {FEWEST} positive or negative comments: {names}. The macro averages rest on them: they have "
        f"wide intervals and are not measurable. {kept}"
    )


def not_chosen(labels: Sequence[str]) -> str:
    """Return which labels have a threshold that was not chosen from data; empty if none has."""
    if not labels:
        return ""
    one = len(labels) == 1
    return (
        f"The {'threshold was' if one else 'thresholds were'} not chosen from data, for lack of "
        f"positive or negative comments: {_listed(labels)}. "
        f"{'It flags' if one else 'They flag'} about as many comments as were positive; "
        "where a class was missing, the threshold is 0.5. To choose from data, run 'civility thresholds' on more "
        "labelled comments."
    )


def other_scores(labels: Sequence[str]) -> str:
    """Return for which labels `transformers.pipeline` gives other scores than civility."""
    return (
        f"For {', '.join(labels)}, transformers' pipeline gives the scores before calibration: the calibration is not "
        "in the weights, and only civility applies it. The thresholds are for calibrated scores."
    )


def _listed(names: Sequence[str]) -> str:
    """Return the first names and the number of the others."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {count(more, 'more label')}" if more > 0 else "")


def _rarer(numbers: LabelReport) -> str:
    if numbers.num_positive <= numbers.num_negative:
        return f"{numbers.num_positive} positive"
    return f"{numbers.num_negative} negative"


def optimism(report: Report) -> str:
    """Return what was chosen on these very comments; empty if nothing was."""
    return optimism_of(report.optimistic)


def optimism_of(what: Sequence[Optimistic]) -> str:
    """Return that these were chosen on the very comments; empty for none."""
    if not what:
        return ""
    chosen = [_CHOSEN[one] for one in what]
    listed = " and ".join(filter(None, [", ".join(chosen[:-1]), chosen[-1]]))
    verb = "were" if len(chosen) > 1 or what[0] == "thresholds" else "was"
    return (
        f"{listed[0].upper()}{listed[1:]} {verb} chosen on these comments, so the numbers are a little optimistic: "
        "evaluate on comments that took no part for numbers to rely on."
    )


def verdict_basis(numbers: LabelReport) -> str:
    """Return the numbers that a label's verdict rests on."""
    num_known = numbers.num_positive + numbers.num_negative
    if numbers.verdict == "undefined":
        missing = "positive" if not numbers.num_positive else "negative"
        return f"no {missing} comment among {num_known:,} known"
    precision = numbers.precision
    rest = f"recall {_percent(numbers.recall)}, "
    rest += "flags nothing" if precision.value is None else f"precision {_percent(precision)}"
    value, low, high = (end or 0.0 for end in (numbers.f1.value, numbers.f1.low, numbers.f1.high))
    if numbers.verdict == "unsure":
        return f"only {numbers.num_positive:,} positive: F1 from {low:.2f} to {high:.2f}; {rest}"
    return f"F1 {value:.2f}, at least {low:.2f}; {rest}"


def _percent(share: Estimate) -> str:
    """Return a share as a percentage; only all and none are "100 %" and "0 %"."""
    value = 100 * (share.value or 0.0)
    if 99.5 <= value < 100:
        return "over 99 %"
    return f"{value:.1g} %" if 0 < value < 0.95 else f"{value:.0f} %"


def labels_by_verdict(report: Report) -> str:
    """Return which labels have which verdict, as ``good enough to act on: toxic; too weak to use: threat``."""
    labels_of = {
        word: [label for label, numbers in report.labels.items() if numbers.verdict == word] for word in VERDICT_WORDS
    }
    return "; ".join(f"{VERDICT_WORDS[word]}: {', '.join(labels)}" for word, labels in labels_of.items() if labels)


def undefined_reason(report: Report, path: str) -> str:
    """Return why the number at a path is undefined: its own reason, or that of the part that holds it."""
    holding = path
    while holding and holding not in report.undefined:
        holding = holding.rpartition(".")[0]
    if not holding:
        return "undefined on these comments"
    return _reason(report.undefined[holding], _numbers_at(report, holding))


def _numbers_at(report: Report, path: str) -> LabelReport | AnyLabel | None:
    path = f"{path}."
    if path.startswith("any_label."):
        return report.any_label
    return next((one for label, one in report.labels.items() if path.startswith(f"labels.{label}.")), None)


def _reason(code: Undefined, numbers: LabelReport | AnyLabel | None) -> str:
    num_known = numbers.num_positive + numbers.num_negative if numbers else 0
    return {
        "no_known_target": "no known target",
        "no_positive": f"no positive comment among {num_known:,}",
        "no_negative": f"no negative comment among {num_known:,}",
        "nothing_flagged": "nothing is flagged at the threshold",
        "undefined_for_every_label": "undefined for every label",
        "no_measurable_label": f"no label for which it is defined has {FEWEST} positive and {FEWEST} negative comments",
        "unknown": "undefined on these comments",
    }[code]


def group_note(numbers: GroupBias) -> str:
    """Return the note on a group with too few comments; empty for any other."""
    return f"fewer than {FEWEST} positive or negative comments: left out of the means" if numbers.too_few else ""


def slice_name(part: Slice) -> str:
    """Return what the comments of a slice have in common, as ``11 to 30 words``."""
    match part.code:
        case "value":
            return part.name
        case "empty":
            return "(empty)"
        case "rest":
            return f"other ({part.num_values:,} values)"
        case "words" if part.high is None:
            return f"over {(part.low or 0) - 1:g} words"
        case "words":
            return f"{part.low:g} to {part.high:g} words" if part.low else f"up to {part.high:g} words"
        case "capitals" if part.high == 1:
            return "over half capitals"
        case "capitals":
            return "10 % to half capitals" if part.low else "up to 10 % capitals"
        case "no_cased_letters":
            return "no cased letters"
    return "with a link" if part.code == "with_link" else "without a link"


def slice_note(part: Slice) -> str:
    """Return the note on a slice with too few positives of some labels; empty for any other."""
    if not part.too_few:
        return ""
    which = "every label" if len(part.too_few) == len(part.labels) else ", ".join(part.too_few)
    return f"fewer than {FEWEST_OF_SLICE} positives of {which}: too few to rely on"


ASTERISK = "*"
"""Marks a verdict that holds for these very classifiers, not for their settings."""


def note_sentence(note: Note) -> str:
    """Return the sentence of a note, after the names of the runs that it is about."""
    match note.code:
        case "text" | "seen_in_training" | "seen_in_validation" | "unknown_training" | "other_scores_in_pipeline":
            return f"{', '.join(note.names)}: {_on_comments(note)}" if note.names else _on_comments(note)
        case "chosen_here":
            return _chosen_here(note)
        case "not_measurable" | "not_measurable_in_macro" | "undefined" | "undefined_macro":
            return _too_few(note)
        case _:
            return _on_rows(note)


def _on_comments(note: Note) -> str:
    match note.code:
        case "seen_in_training":
            return (
                f"{note.num:,} of {note.total:,} comments are among those that the run was trained on, up to case and "
                "spaces: it knows their labels, so its numbers on them are too good"
            )
        case "seen_in_validation":
            return (
                f"{note.num:,} of {note.total:,} comments are among those that chose the run's best epoch, its "
                "calibration and its thresholds: its numbers on them are a little optimistic"
            )
        case "unknown_training":
            return "not a run directory, so it may have been trained on some of these comments"
        case "other_scores_in_pipeline":
            return other_scores(note.labels)
    return note.text


def _chosen_here(note: Note) -> str:
    of_names: dict[int, list[str]] = {}
    for name, num in zip(note.names, note.epochs, strict=True):
        of_names.setdefault(num, []).append(name)
    chosen = [
        f"{', '.join(names)} ({f'the best of {num} epochs' if num else 'members, or their epochs'})"
        for num, names in sorted(of_names.items())
    ]
    return (
        f"chosen on these very comments: {'; '.join(chosen)}. Such a choice flatters a run, the more so the more there "
        "was to choose from, and verdicts do not allow for it: --data FILE scores all on comments that took no part"
    )


def _too_few(note: Note) -> str:
    few = f"fewer than {FEWEST} positive or negative comments of {', '.join(note.labels)}"
    metrics = ", ".join(METRIC_NAMES[metric] for metric in note.metrics)
    if note.code in ("undefined", "undefined_macro"):
        rest = (
            "macro averages are over the other labels" if note.code == "undefined" else "the macro average is undefined"
        )
        return f"{few}: {metrics} not defined; {rest}"
    rest = f'; "{MEASURABLE}" is the mean over the other labels' if note.code == "not_measurable_in_macro" else ""
    of = f" ({metrics})" if metrics else ""
    return f"{few}: not measurable{of}, nor are the macro averages, which rest on them{rest}"


def _on_rows(note: Note) -> str:
    names = ", ".join(note.names)
    match note.code:
        case "one_row":
            return "all runs have the same settings: there is nothing to compare, only the standard deviation over runs"
        case "two_runs":
            return (
                f"only two runs of {names}: their standard deviation is so uncertain that only large differences can "
                "be shown; three seeds show more, five much more"
            )
        case "no_seed":
            return (
                f"the runs of {names} are one linear model, which has no seed: their standard deviation says nothing "
                "about how much a result varies; train on folds for that (--folds)"
            )
        case "missing_runs":
            return (
                f"{names} {'is' if len(note.names) == 1 else 'are'} missing: the folder has {note.num} of the "
                f"{note.total} planned seeds; repeat the command that trains them with --resume"
            )
        case "different_training":
            return f"the runs of {names} were trained on different comments: their standard deviation covers these too"
    verdicts = "verdicts" if note.code == "single_runs" else f"verdicts on {'it' if len(note.names) == 1 else 'them'}"
    return (
        f"{ASTERISK} a single run of {names}: {verdicts} hold for these very classifiers on other comments, not for "
        "the settings; another seed may reverse them. To judge settings, train several seeds of both sides"
    )
