"""Sections on scores: training, ROC, precision and recall, reliability, histograms."""

from civility.documents.report import CalibrationReport, Report
from civility.plain_text import count
from civility.render.html import charts, overviews
from civility.render.html.markup import Section, choice, defined_once, figure, multiples, table
from civility.render.sentences.page_sentences import fixed, missing, name, reason, span, whole


def training(report: Report) -> Section | None:
    """Return loss and ROC AUC while it was trained."""
    if report.training is None:
        return None
    drawn = [figure(overviews.training_loss(report.training), "Loss", "lower is better")]
    if report.training.epochs:
        drawn.append(figure(overviews.training_auc(report.training), "ROC AUC on the validation comments"))
    heads = ("Epoch", "Step", "Training loss", "Validation loss", "Macro ROC AUC")
    rows = [
        [
            f"<td>{line.epoch}{' (best)' if line.epoch == report.training.best_epoch else ''}</td>",
            whole(line.step),
            fixed(line.training_loss, 4),
            fixed(line.validation_loss, 4),
            fixed(line.macro_roc_auc, 4),
        ]
        for line in report.training.epochs
    ]
    more = table("Epochs", heads, rows, "numbers") if rows else ""
    details = f"<details><summary>The epochs in numbers</summary>{more}</details>" if more else ""
    return Section("training", "Training", f'<div class="pair">{"".join(drawn)}</div>{details}')


def ranking(report: Report) -> Section:
    """Return ROC and precision-recall of each label."""
    labels = report.labels
    ghosts = "; the other labels stand grey behind it" if 1 < len(labels) <= charts.MOST_GHOSTS else ""
    lines = charts.roc_lines(labels) + charts.precision_recall_lines(labels) if ghosts else ""
    body = (
        f'<p class="what">How well scores put toxic comments before harmless ones, whatever the threshold{ghosts}. '
        "The diamond is the threshold in use; dotted is what chance would do.</p>"
        f"{defined_once(lines)}<h3>Recall against false positives</h3>"
        '<p class="what">The axis below is logarithmic: most comments are harmless, so one false positive in a hundred '
        "may be more than all the toxic ones.</p>"
    )
    body += multiples(
        figure(charts.roc(labels, label), name(label), _told(report, "ROC AUC", label, "roc_auc")) for label in labels
    )
    body += (
        "<h3>Precision against recall</h3>"
        '<p class="what">What a person sees who reads the flagged comments. Faint lines join points of equal F1.</p>'
    )
    body += multiples(
        figure(
            charts.precision_recall(labels, label),
            name(label),
            _told(report, "average precision", label, "average_precision"),
        )
        for label in labels
    )
    return Section("ranking", "Ranking", body)


def _told(report: Report, words: str, label: str, key: str) -> str:
    estimate = getattr(report.labels[label], key)
    if estimate.value is None:
        return f"{words} {missing(reason(report, 'labels', label, key))}"
    between = f" ({span(estimate)})" if span(estimate) else ""
    return f"{words} {fixed(estimate.value)}{between}"


def reliability(report: Report) -> Section | None:
    """Return whether scores mean what they say, before calibration and after it."""
    found = {label: part for label, numbers in report.labels.items() if (part := numbers.calibration)}
    if not found:
        return None
    crossed = any(part.cross_fitted for part in found.values())
    honest = (
        " The calibration was fitted on these comments, so each is judged by one fitted on the other folds."
        if crossed
        else ""
    )
    body = (
        '<p class="what">Of the comments with a score near 0.7, are 7 of 10 toxic? On the diagonal they are. '
        f"<strong>Blue</strong> is after calibration, with intervals; grey rings are before it.{honest}</p>"
    )
    body += multiples(
        figure(
            charts.reliability(label, part),
            name(label),
            f"{name(part.method)}, calibration error {fixed(part.before.calibration_error)} → "
            f"{fixed(part.after.calibration_error)}",
        )
        for label, part in found.items()
    )
    heads = ("Label", "Error before", "after", "Brier before", "after", "Log loss before", "after")
    rows = [[f"<td>{name(label)}</td>", *_quality(report, label, part)] for label, part in found.items()]
    caption = "Calibration in numbers; lower is better"
    body += f"<details><summary>{caption}</summary>{table(caption, heads, rows, 'numbers')}</details>"
    return Section("reliability", "Reliability", body)


def _quality(report: Report, label: str, part: CalibrationReport) -> list[str]:
    cells = []
    for key in ("calibration_error", "brier", "log_loss"):
        for when in ("before", "after"):
            value = getattr(getattr(part, when), key)
            why = reason(report, "labels", label, "calibration", when, key)
            cells.append(missing(why) if value is None else fixed(value, 4))
    return cells


def histograms(report: Report) -> Section:
    """Return the scores of positive and negative comments."""
    body = (
        '<p class="what">Positive comments upwards, negative ones downwards. What stands right of the dashed line is '
        "flagged.</p>"
        + choice("scale", "Scale of the counts", (("log", "logarithmic"), ("plain", "plain, each side its own")))
        + multiples(
            figure(
                charts.histogram(label, numbers),
                name(label),
                f"{count(numbers.num_positive, 'positive')}, {count(numbers.num_negative, 'negative')}",
            )
            for label, numbers in report.labels.items()
        )
    )
    return Section("scores", "Scores by target", body)
