"""What a finding of an audit is, and what to do about it."""

from collections.abc import Mapping

from civility.audit.signs import LONG_COMMENT, LONG_WORD
from civility.documents.audit_result import Audit, Finding, FindingName, NotMeasured, Suspicion, short_names
from civility.plain_text import count

_PAIRS_SHOWN = 2
_FINDINGS: dict[FindingName, tuple[str, str]] = {
    "leak_equal": (
        "comments in more than one file",
        "Remove them from one of the files: a test set that shares comments with training scores too high.",
    ),
    "leak_near": (
        "nearly equal comments in more than one file",
        "Look at the pairs, and remove copies with small changes from one of the files.",
    ),
    "contradicting_labels": (
        "equal comments, contradicting labels",
        "Decide each text by hand, or empty the contradicting cells: unknown targets train nothing.",
    ),
    "near_contradicting_labels": (
        "nearly equal comments, contradicting labels",
        "Look at the pairs: one word can change a label, but often one of the two is a mistake.",
    ),
    "label_errors": (
        "likely label errors",
        "Look at the most likely first; correct the cell, or empty it if you are not sure.",
    ),
    "few_positives": (
        "labels with few positives",
        "Collect more, or drop the label: with so little data, training and measuring are mostly chance.",
    ),
    "no_negatives": (
        "labels without a negative",
        "Add comments without the label: nothing can be learned or measured without them.",
    ),
    "no_labels": (
        "no labels found",
        "Name the label columns (--labels NAME …), if there are any: only the texts were looked at.",
    ),
    "no_known_label": (
        "comments without any known label",
        "They train nothing: leave them out, or label them.",
    ),
    "truncated": (
        "comments longer than the maximum length",
        "Raise data.max_length if a label loses much; text beyond it is neither learned nor scored.",
    ),
    "equal_copies": (
        "copies of an earlier comment",
        "Keep one of each, unless frequency matters to you; 'civility train' keeps copies on one side of its split.",
    ),
    "near_copies": (
        "comments with a nearly equal one",
        "Look for templates and spam: near copies may end up on both sides of a split and flatter the result.",
    ),
    "blank": ("comments without text", "Leave them out: 'civility train' does."),
    "mojibake": (
        "garbled characters, such as 'Ã©' for 'é'",
        "Read the source again as UTF-8, or repair the text (the library ftfy does): it was decoded wrongly once.",
    ),
    "replacement_character": (
        "U+FFFD, where a character was lost",
        "Read the source again: the character cannot be recovered.",
    ),
    "lone_surrogates": (
        "lone surrogates, half a character each",
        "Read the source again; they are read as U+FFFD.",
    ),
    "nul_characters": ("NUL characters", "Find what wrote them; they are read as spaces."),
    "control_characters": ("control characters", "Remove them: nobody typed them."),
    "invisible_characters": (
        "invisible characters, such as zero-width ones",
        "Look at a few: some scripts need them; elsewhere they hide words from filters.",
    ),
    "html_entities": (
        "HTML entities, such as '&quot;'",
        "Unescape them, unless the comments to be scored later have them too.",
    ),
    "byte_order_mark": (
        "files that begin with a byte order mark",
        "Nothing to do for civility; other programs may stumble.",
    ),
    "mixed_scripts": (
        "Latin next to Cyrillic or Greek in one word",
        "Look at a few: letters that look alike hide words from filters.",
    ),
    "repeats_itself": (
        "one word or phrase over and over",
        "Look at a few: they fill the maximum length, and teach one phrase.",
    ),
    "only_url": ("only web addresses", "Leave them out, unless the classifier should judge addresses."),
    "no_letters": ("no letters at all", "Leave them out, unless digits and symbols alone can carry a label."),
    "long_word": (f"a word of {LONG_WORD} characters or more", "Look at a few: encoded data, or letters held down."),
    "very_long": (f"{LONG_COMMENT:,} characters or more", "Check whether several comments were joined."),
}

TITLES: Mapping[FindingName, str] = {name: title for name, (title, _) in _FINDINGS.items()}
ADVICE: Mapping[FindingName, str] = {name: advice for name, (_, advice) in _FINDINGS.items()}


def details(finding: Finding, audit: Audit) -> str:
    """Return the numbers behind a finding in words; empty if its count says it all."""
    match finding.name:
        case "leak_equal" | "leak_near":
            return _leaks(finding.name, audit)
        case "truncated":
            return _truncated(audit)
        case "contradicting_labels":
            return f"texts by label: {_counts(finding.by_label)}"
        case "near_contradicting_labels":
            return f"pairs by label, at least: {_counts(finding.by_label)}"
        case "label_errors":
            return f"by label: {_counts(finding.by_label)}"
        case "equal_copies" if finding.num:
            return (
                f"{finding.num:,} texts occur more than once" if finding.num > 1 else "one text occurs more than once"
            )
        case "near_copies" if finding.num:
            return f"at least {count(finding.num, 'pair')}"
    return finding.text or ", ".join(finding.names) or _counts(finding.by_label)


def _counts(by_label: Mapping[str, int]) -> str:
    return ", ".join(f"{label} {num:,}" for label, num in by_label.items())


def _leaks(name: FindingName, audit: Audit) -> str:
    files = [file.name for file in audit.data.files]
    short = dict(zip(files, short_names(files), strict=True))
    counts = [(one.num_equal if name == "leak_equal" else one.num_near, one) for one in audit.leaks]
    pairs = [f"{num:,} of {short[one.file]} in {short[one.other]}" for num, one in counts if num]
    return "; ".join(pairs[:_PAIRS_SHOWN]) + ("; …" if len(pairs) > _PAIRS_SHOWN else "")


def _truncated(audit: Audit) -> str:
    if audit.tokens is None:
        return ""
    by_label = audit.tokens.truncated_by_label
    shares = [f"{label} {percent(one.num_truncated, one.num_measured)}" for label, one in by_label.items() if one.share]
    what = "a random sample of the comments" if audit.tokens.is_sample else ""
    return "; ".join(filter(None, (what, f"of the positives: {', '.join(shares)}" if shares else "")))


def percent(num: int, total: int) -> str:
    """Return a share with three significant digits; ``-`` of nothing."""
    if not total:
        return "-"
    share = 100 * num / total
    return "< 0.01 %" if 0 < share < 0.01 else f"{share:.2f} %" if share < 10 else f"{share:.1f} %"


def not_measured(reason: NotMeasured) -> str:
    """Return why a part of an audit is missing."""
    match reason.code:
        case "no_classifier":
            return "no classifier was given (--with TARGET)"
        case "not_installed":
            extra = "languages" if reason.text == "py3langid" else "train"
            return f"{reason.text} is not installed (pip install 'civility[{extra}]')"
    return reason.text


def unknown_training(suspicion: Suspicion) -> str:
    """Return why it is unknown whether a classifier was trained on the comments; empty if it is known."""
    why, target = suspicion.why_unknown, suspicion.classifier
    if why is None:
        return ""
    return {
        "text": why.text,
        "not_a_run": f"{target} is not a run directory, so its training comments are unknown",
        "combined": f"{target} combines classifiers that were trained on different comments",
        "unreadable": f"the training comments of {target} cannot be read again ({why.text})",
        "files_changed": f"the files that {target} was trained on have changed since",
    }[why.code]
