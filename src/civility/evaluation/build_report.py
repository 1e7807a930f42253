"""Measure scored comments: numbers, bias, slices and the worst errors in one report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from civility.documents.behaviour_report import BiasReport
from civility.documents.note import Note, as_note
from civility.documents.report import ClassifierFacts, Optimistic, Report, TrainingCurves
from civility.evaluation.group_bias import Grouped, bias_of
from civility.evaluation.label_measures import NUM_RESAMPLES, measure
from civility.evaluation.scored_comments import Scored
from civility.evaluation.slices import slices_of
from civility.evaluation.worst_errors import worst_errors


@dataclass(frozen=True)
class Subject:
    """What a report describes.

    Parameters
    ----------
    name : of the report
    files : the files of the comments
    classifier : what scored them
    optimistic : what was chosen on these very comments
    notes : what a reader should know of them
    training : how the classifier was trained, if known
    """

    name: str
    files: tuple[str, ...]
    classifier: ClassifierFacts
    optimistic: tuple[Optimistic, ...] = ()
    notes: tuple[Note | str, ...] = ()
    training: TrainingCurves | None = None


@dataclass(frozen=True)
class Aspects:
    """What to measure, and how.

    Parameters
    ----------
    label : the label whose bias is measured, if the comments have groups; empty: see `main_label`
    columns : by name: the (N,) cells of a column to slice by
    num_resamples, seed : of the bootstrap
    with_texts : show the worst errors with their texts
    """

    label: str = ""
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    num_resamples: int = NUM_RESAMPLES
    seed: int = 0
    with_texts: bool = True


def report_on(scored: Scored, subject: Subject, aspects: Aspects) -> Report:
    """Measure scored comments.

    Parameters
    ----------
    scored : N comments with their scores
    subject : what the report describes
    aspects : what to measure, and how
    """
    report = measure(
        scored,
        subject.files,
        name=subject.name,
        classifier=subject.classifier,
        num_resamples=aspects.num_resamples,
        seed=aspects.seed,
    )
    return report.model_copy(
        update={
            "optimistic": subject.optimistic,
            "notes": tuple(map(as_note, subject.notes)),
            "training": subject.training,
            "bias": _bias(scored, subject, aspects) if scored.dataset.group_names else None,
            "slices": slices_of(scored, aspects.columns),
            "errors": worst_errors(scored, with_texts=aspects.with_texts),
        }
    )


def main_label(labels: Sequence[str]) -> str:
    """Return the label whose bias is measured if none is named: ``toxic`` if it exists, else the first."""
    return "toxic" if "toxic" in labels else labels[0]


def _bias(scored: Scored, subject: Subject, aspects: Aspects) -> BiasReport:
    dataset = scored.dataset
    label = aspects.label or main_label(dataset.labels)
    column = dataset.labels.index(label)
    grouped = Grouped(
        dataset.targets[:, column],
        scored.scores[:, column],
        scored.flagged[:, column],
        dataset.groups,
        dataset.group_names,
    )
    source = ", ".join(subject.files)
    return bias_of(grouped, source, label, num_resamples=aspects.num_resamples, seed=aspects.seed)
