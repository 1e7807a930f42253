"""Whether a label can be used, in a word and a sentence: rules that a person can look up and disagree with.

By the F1 at the threshold in use, and how sure it is. The rules are in docs/how-to/read-a-report.md.
"""

from collections.abc import Mapping

from civility.documents.report import Estimate, Verdict

GOOD_FROM = 0.8
"""The lower end of F1 from which a label is good enough to act on what it flags, with an appeal for people."""
REVIEW_FROM = 0.6
"""F1 from which what is flagged is worth a person's time."""
WIDEST = 0.3
"""Of an interval of F1 that still says something."""
_LEAST_POSITIVES = 20

MEANS = {
    "good": "good enough to act on",
    "review": "worth a person's review",
    "weak": "too weak to use",
    "unsure": "too few positives to tell",
    "undefined": "could not be measured",
}
"""What each word of a verdict says, for every page."""


def judge(num_positive: int, num_negative: int, f1: Estimate, precision: Estimate, recall: Estimate) -> Verdict:
    """Return the verdict on one label."""
    if not num_positive or not num_negative:
        missing = "positive" if not num_positive else "negative"
        return Verdict(word="undefined", why=f"no {missing} comment among {num_positive + num_negative:,} known")
    value, low, high = f1.value or 0.0, f1.low or 0.0, f1.high or 0.0
    found = f"recall {_percent(recall)}"
    right = f"precision {_percent(precision)}" if precision.value is not None else "flags nothing"
    if num_positive < _LEAST_POSITIVES or high - low > WIDEST:
        return Verdict(
            word="unsure",
            why=f"only {num_positive:,} positive: F1 from {low:.2f} to {high:.2f}; {found}, {right}",
        )
    word = "good" if low >= GOOD_FROM else "review" if value >= REVIEW_FROM else "weak"
    return Verdict(word=word, why=f"F1 {value:.2f}, at least {low:.2f}; {found}, {right}")


def _percent(share: Estimate) -> str:
    """Return a share as a percentage; "100 %" and "0 %" of nothing but all and none."""
    value = 100 * (share.value or 0.0)
    if 99.5 <= value < 100:
        return "over 99 %"
    return f"{value:.1g} %" if 0 < value < 0.95 else f"{value:.0f} %"


def judge_all(verdicts: Mapping[str, Verdict]) -> Verdict:
    """Return the verdict on the whole: the lowest word of any label that could be measured, and who has which."""
    parts = []
    for word, said in MEANS.items():
        labels = [label for label, verdict in verdicts.items() if verdict.word == word]
        if labels:
            parts.append(f"{said}: {', '.join(labels)}")
    words = {verdict.word for verdict in verdicts.values()}
    lowest = next((word for word in ("weak", "unsure", "review", "good") if word in words), "undefined")
    return Verdict.model_validate({"word": lowest, "why": "; ".join(parts)})
