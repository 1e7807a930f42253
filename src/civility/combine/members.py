"""The classifiers that are combined, and the comments on which all of them can be compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from civility.arrays import Logits
from civility.data.dataset import Dataset
from civility.data.dialects import Columns
from civility.documents.run_environment import RecordedData
from civility.errors import UserError
from civility.evaluation.labelled_comments import Labelled, notes_on_seen, read_labelled, why_no_threshold
from civility.evaluation.verdicts import rarer_of
from civility.metrics.ranking import macro_mean, roc_auc
from civility.metrics.small_samples import FEWEST
from civility.run import RunDirectory, classifier_folder
from civility.scoring.classifier import Classifier
from civility.storage.atomic_files import real_path

_OTHER_COMMENTS = "give --data FILE: labelled comments that none of them was trained on"


@dataclass(frozen=True, eq=False)
class LoadedMember:
    """One of the classifiers.

    Parameters
    ----------
    target : what the user named
    classifier : the loaded classifier
    folder : of the classifier
    """

    target: str
    classifier: Classifier
    folder: Path

    @classmethod
    def load(cls, target: str) -> "LoadedMember":
        """Load the classifier of a run, or a classifier folder."""
        return cls(target, Classifier.load(target), Path(classifier_folder(target)))

    @property
    def name(self) -> str:
        """The last part of its path."""
        return real_path(self.target).name


def check_targets(targets: Sequence[str]) -> None:
    """Raise a UserError for fewer than two classifiers, or one that is named twice."""
    if len(targets) < 2:
        raise UserError(
            "combine.members",
            "only one classifier",
            expected="two or more",
            remedy="name another run or classifier folder",
        )
    places = [str(real_path(classifier_folder(target))) for target in targets]
    twice = [target for position, target in enumerate(targets) if places[position] in places[:position]]
    if twice:
        raise UserError(
            "combine.members",
            "named twice",
            where=twice[0],
            remedy="name each classifier once; to count one more than the others, use --weights",
        )


def check_labels(members: Sequence[LoadedMember]) -> None:
    """Raise a UserError unless all have the same label names, in any order."""
    first = members[0]
    for member in members[1:]:
        own, others = set(member.classifier.labels), set(first.classifier.labels)
        if own != others:
            only_in = {first.target: others - own, member.target: own - others}
            parts = [f"{label} only in {target}" for target, labels in only_in.items() for label in sorted(labels)]
            raise UserError(
                "combine.other-labels",
                f"{member.target} and {first.target} have different labels: {', '.join(parts)}",
                remedy="train them with the same labels (data.labels)",
            )


def common_comments(
    targets: Sequence[str], labels: tuple[str, ...], files: Sequence[str], columns: Columns
) -> Labelled:
    """Return the comments to calibrate on and to choose thresholds on.

    Parameters
    ----------
    targets : of the members
    labels : (L,) of all members
    files : labelled comments; none: the validation comments of the runs, which must be the same
    columns : of text and id in the files

    Raises
    ------
    UserError : no files, and a target is not a run or the validation comments differ; or nothing can be measured
    """
    if not files:
        check_one_validation(targets)
        return read_labelled(targets[0], (), labels, columns)
    labelled = read_labelled(targets[0], files, labels, columns)
    if len(why_no_threshold(labelled.dataset)) == len(labels):
        raise UserError(
            "combine.one-class",
            "no label has both positive and negative comments, so nothing can be measured",
            where=", ".join(files),
            remedy="give other labelled comments (--data)",
        )
    of_first = set(notes_on_seen(targets[0], labelled.dataset))  # they say "the run"; here every note names its run
    notes = [note for note in labelled.notes if note not in of_first]
    for target in targets:
        notes += (note.model_copy(update={"names": (target,)}) for note in notes_on_seen(target, labelled.dataset))
    return Labelled(labelled.dataset, labelled.files, tuple(notes), labelled.origin, is_own=False)


def check_one_validation(targets: Sequence[str]) -> None:
    """Raise a UserError unless all are runs that held out the same comments."""
    first, digest = targets[0], recorded_data(targets[0]).validation.digest
    for target in targets[1:]:
        own = recorded_data(target).validation.digest
        if own != digest:
            raise UserError(
                "combine.other-validation",
                f"{target} and {first} held out different comments ({own[:19]} and {digest[:19]}): each may have "
                "been trained on comments that the other held out",
                remedy=f"train them on one split (data.split_seed, or one file for --validation), or {_OTHER_COMMENTS}",
            )


def recorded_data(target: str) -> RecordedData:
    """Return what a run recorded about its comments; UserError if it is not a run, or the record is damaged."""
    run = RunDirectory.find(Path(target))
    if run is None:
        raise UserError(
            "combine.not-a-run",
            "not a run directory, so it has no validation comments",
            where=target,
            remedy=_OTHER_COMMENTS,
        )
    return run.environment(_OTHER_COMMENTS).data


def not_measurable(dataset: Dataset) -> tuple[str, ...]:
    """Return the labels that have positive and negative comments, but too few for a difference to be measurable."""
    rarer = rarer_of(dataset.targets)
    return tuple(label for label, num in zip(dataset.labels, rarer, strict=True) if 0 < num < FEWEST)


def macro_roc_auc(dataset: Dataset, logits: Logits) -> float:
    """Return the mean ROC AUC of the labels where it is defined; NaN if there is none."""
    return macro_mean(roc_auc(targets, own) for targets, own in zip(dataset.targets.T, logits.T, strict=True))
