"""The classifiers that are combined, and the comments that they have in common: held out by all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from civility.arrays import Logits
from civility.data.dataset import Dataset
from civility.data.dialects import Columns
from civility.errors import UserError
from civility.evaluation.labelled_comments import Labelled, notes_on_seen, read_labelled, why_no_threshold
from civility.metrics.ranking import macro_mean, roc_auc
from civility.run import RunDirectory, classifier_folder
from civility.scoring.classifier import Classifier
from civility.storage.atomic_files import real_path

_ONE_SPLIT = "train them on one split (data.split_seed, or one file for --validation)"
_OTHER_COMMENTS = "give --data FILE: labelled comments that none of them was trained on"


@dataclass(frozen=True, eq=False)
class LoadedMember:
    """One of the classifiers.

    Parameters
    ----------
    target : as it was named
    classifier : loaded
    folder : of the classifier
    run : where it comes from; None if that is not known
    """

    target: str
    classifier: Classifier
    folder: Path
    run: RunDirectory | None

    @classmethod
    def load(cls, target: str) -> "LoadedMember":
        """Load a run's classifier or a classifier folder; UserError if there is none."""
        folder = Path(classifier_folder(target))
        return cls(target, Classifier.load(target), folder, RunDirectory.find(Path(target)))

    @property
    def name(self) -> str:
        """The last part of where it is."""
        return real_path(self.target).name


def check_targets(targets: Sequence[str]) -> None:
    """Raise a UserError for fewer than two classifiers, or one named twice."""
    if len(targets) < 2:
        raise UserError("combine.todo", "one classifier is nothing to combine", remedy="name two or more")
    places = [str(real_path(classifier_folder(target))) for target in targets]
    twice = [target for place, target in enumerate(targets) if places.index(places[place]) < place]
    if twice:
        raise UserError(
            "combine.todo",
            "named twice",
            where=f"{twice[0]}",
            remedy="name each classifier once; --weights can make one count more",
        )


def check_labels(members: Sequence[LoadedMember]) -> None:
    """Raise a UserError unless all have the same label names, in any order."""
    first = members[0]
    for member in members[1:]:
        own, others = set(member.classifier.labels), set(first.classifier.labels)
        if own != others:
            parts = [
                f"{label} only in {name}"
                for labels, name in ((others - own, first.target), (own - others, member.target))
                for label in sorted(labels)
            ]
            raise UserError(
                "combine.todo",
                f"{member.target} has other labels than {first.target}: {', '.join(parts)}",
                remedy="only classifiers of the same labels can be combined: train them on one label axis "
                "(data.labels)",
            )


def common_comments(
    targets: Sequence[str], labels: tuple[str, ...], files: Sequence[str], columns: Columns
) -> Labelled:
    """Return the comments to choose by: those of the files, or else those that all runs held out.

    Parameters
    ----------
    targets : of the members
    labels : (L,) the label axis
    files : labelled comments; none: the validation comments of the runs, which have to be the same
    columns : of text and id in the files

    Raises
    ------
    UserError : without files: one is no run, or they were validated on different comments; with them: they tell nothing
    """
    if not files:
        check_one_validation(targets)
        return read_labelled(targets[0], (), labels, columns)
    labelled = read_labelled(targets[0], files, labels, columns)
    if len(why_no_threshold(labelled.dataset)) == len(labels):
        raise UserError(
            "combine.todo",
            "no label has both a positive and a negative comment: nothing can be measured",
            where=f"{', '.join(files)}",
            remedy="give other labelled comments (--data)",
        )
    of_first = set(notes_on_seen(targets[0], labelled.dataset))  # in which it is "the run": here there are several
    notes = [note for note in labelled.notes if note not in of_first]
    for target in targets:
        notes += (f"{target}: {note}" for note in notes_on_seen(target, labelled.dataset))
    return Labelled(labelled.dataset, labelled.files, tuple(notes), labelled.origin, is_own=False)


def check_one_validation(targets: Sequence[str]) -> None:
    """Raise a UserError unless all are runs that held out the same comments."""
    first, digest = targets[0], recorded_data(targets[0])["validation"]["digest"]
    for target in targets[1:]:
        own = recorded_data(target)["validation"]["digest"]
        if own != digest:
            raise UserError(
                "combine.todo",
                f"{target} was validated on other comments than {first} ({own[:19]} and "
                f"{digest[:19]}): what one held out, another may have been trained on",
                remedy=f"{_ONE_SPLIT}, or {_OTHER_COMMENTS}",
            )


def recorded_data(target: str) -> dict[str, Any]:
    """Return what a run has recorded of its comments; UserError if it is no run, or the record is damaged."""
    run = RunDirectory.find(Path(target))
    if run is None:
        raise UserError(
            "combine.todo",
            "is no run directory, which would have validation comments",
            where=target,
            remedy=_OTHER_COMMENTS,
        )
    try:
        data: dict[str, Any] = run.read_environment(_OTHER_COMMENTS)["data"]
        if not all(isinstance(data[part]["digest"], str) for part in ("training", "validation")):
            raise TypeError
    except (KeyError, TypeError) as error:
        raise UserError("combine.todo", "damaged", where=run.environment, remedy=_OTHER_COMMENTS) from error
    return data


def macro_roc_auc(dataset: Dataset, logits: Logits) -> float:
    """Return the mean ROC AUC over the labels where it is defined; NaN if it is nowhere."""
    return macro_mean(roc_auc(targets, own) for targets, own in zip(dataset.targets.T, logits.T, strict=True))
