"""The last sections: the worst errors, how the numbers were made, and which are undefined."""

from civility.documents.report import Example, Report
from civility.render.html.markup import Section, table, veiled
from civility.render.sentences.page_sentences import name, percent, said, whole

_DEFINITIONS = (
    (
        "Score, decision",
        "A score lies in [0, 1] and is calibrated where a calibration is named. A comment is flagged if "
        "its score reaches the label's threshold.",
    ),
    (
        "Positive",
        "A comment whose target is 0.5 or more. Comments whose target is unknown are left out, label by label.",
    ),
    (
        "Precision, recall, F1",
        "Of the flagged comments, how many are positive; of the positive ones, how many are "
        "flagged; the harmonic mean of the two.",
    ),
    ("False-positive rate", "Of the negative comments, how many are flagged."),
    (
        "ROC AUC",
        "The probability that a positive comment scores higher than a negative one, ties counting half "
        "(Hanley and McNeil, 1982).",
    ),
    ("Average precision", "The mean of precision over the positives, ranked by score, without interpolation."),
    (
        "Calibration error",
        "The mean distance of score and share of positives over bins of comments (Naeini et al., "
        "2015). Brier: mean squared distance of score and target (Brier, 1950).",
    ),
    (
        "Bias",
        "Subgroup, BPSN and BNSP AUC, their generalised mean, and the final metric of Jigsaw 2019 (Borkan et al., "
        "2019).",
    ),
    ("Suites", "Cases by function, after HateCheck (Röttger et al., 2021)."),
)


def errors(report: Report) -> Section | None:
    """Return the worst errors of each label, their texts veiled."""
    parts = []
    for i, (label, found) in enumerate(report.errors.items()):
        columns = _column("Flagged, though the target says no", found.false_positives, f"fp-{i}") + _column(
            "Missed, though the target says yes", found.false_negatives, f"fn-{i}"
        )
        if columns:
            parts.append(f'<h3>{name(label)}</h3><div class="pair">{columns}</div>')
    if not parts:
        return None
    body = (
        '<p class="what">The errors of which the classifier is surest: harmless comments with the highest scores, '
        "toxic ones with the lowest. Equal texts are shown once. Some of them are errors of the annotators. "
        f"{_of_texts(report)}</p>"
    )
    return Section("errors", "The worst errors", body + "".join(parts))


def _of_texts(report: Report) -> str:
    shown = (one for found in report.errors.values() for one in (*found.false_positives, *found.false_negatives))
    if any(example.text for example in shown):
        return "<strong>Texts may be foul; each is hidden until you ask for it.</strong>"
    return "<strong>This report holds no texts: look them up by their ids.</strong>"


def _column(heading: str, examples: tuple[Example, ...], key: str) -> str:
    if not examples:
        return ""
    listed = "".join(veiled(example, f"{key}-{i}") for i, example in enumerate(examples))
    return f'<div><h4>{heading}</h4><ol class="examples">{listed}</ol></div>'


def method(report: Report) -> Section:
    """Return how the numbers were made."""
    how = report.resampling
    listed = "".join(f"<div><dt>{term}</dt><dd>{words}</dd></div>" for term, words in _DEFINITIONS)
    body = (
        f'<p class="what">Intervals hold the true number in about {percent(how.level, 0)} of cases. Those of ROC AUC, '
        f"average precision, F1 and averages come from {whole(how.num_resamples)} bootstrap resamples of the "
        f"comments (Efron, 1979; seed {how.seed}), by strata of each comment&#x2019;s rarest positive label; those of "
        "shares, as precision and recall, are Wilson&#x2019;s (1927), those of gaps Newcombe&#x2019;s (1998). They "
        "tell how much other comments of the same kind would move a number; not how other kinds would.</p>"
        f'<dl class="definitions">{listed}</dl>'
    )
    return Section("method", "How these numbers were made", body)


def undefined(report: Report) -> Section | None:
    """Return the numbers that are undefined, and why."""
    if not report.undefined:
        return None
    rows = [
        [f"<td>{name(path)}</td>", f'<span dir="auto">{said(why)}</span>'] for path, why in report.undefined.items()
    ]
    told = '<p class="what">A dash in this page stands for a number that these comments cannot give.</p>'
    return Section(
        "undefined", "Undefined numbers", told + table("Undefined numbers", ("Number", "Reason"), rows, "plain")
    )
