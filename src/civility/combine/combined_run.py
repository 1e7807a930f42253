"""What ensembles and soups share: checks of their members, the comments to compare on, and the run directory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from civility.arrays import Logits
from civility.data.dataset import Dataset
from civility.data.dialects import Columns
from civility.documents.note import Note
from civility.documents.report import ClassifierFacts
from civility.documents.run_environment import (
    Combination,
    CombinedMember,
    RecordedComments,
    RecordedData,
    RunEnvironment,
)
from civility.errors import UserError
from civility.evaluation import Report
from civility.evaluation.build_report import Aspects, Subject, report_on
from civility.evaluation.labelled_comments import (
    Labelled,
    fit_on,
    notes_on_seen,
    optimistic,
    read_labelled,
    why_no_threshold,
)
from civility.evaluation.report_files import write_report
from civility.evaluation.verdicts import rarer_of
from civility.metrics.policy import parse_policies
from civility.metrics.ranking import macro_mean, roc_auc
from civility.metrics.small_samples import FEWEST
from civility.plain_text import one_line
from civility.recipe import Recipe
from civility.render.markdown.model_card import Makeup, combined_card
from civility.run import OWN_REPORT, RunDirectory, classifier_folder
from civility.run.versions import describe_environment
from civility.scoring.classifier import Classifier
from civility.storage.atomic_files import real_path, write_folder

OnScored = Callable[[str, int, int], None]
"""Called after each batch with what is scored, the number of comments in the batch and in total."""
_OTHER_COMMENTS = "give --data FILE: labelled comments that none of them was trained on"


def check_targets(targets: Sequence[str]) -> None:
    """Raise a UserError for fewer than two classifiers, or one that is named twice."""
    if len(targets) < 2:
        remedy = "name another run or classifier folder"
        raise UserError("combine.members", "only one classifier", expected="two or more", remedy=remedy)
    places = [str(real_path(classifier_folder(target))) for target in targets]
    for position, target in enumerate(targets):
        if places[position] in places[:position]:
            remedy = "name each classifier once; to count one more than the others, use --weights"
            raise UserError("combine.members", "named twice", where=target, remedy=remedy)


def check_labels(members: Mapping[str, Classifier]) -> None:
    """Raise a UserError unless all classifiers, by target, have the same label names, in any order."""
    (first, classifier), *others = members.items()
    expected = set(classifier.labels)
    for target, other in others:
        own = set(other.labels)
        if own != expected:
            only_in = {first: expected - own, target: own - expected}
            parts = [f"{label} only in {name}" for name, labels in only_in.items() for label in sorted(labels)]
            raise UserError(
                "combine.other-labels",
                f"{target} and {first} have different labels: {', '.join(parts)}",
                remedy="train them with the same labels (data.labels)",
            )


def common_comments(
    targets: Sequence[str], labels: tuple[str, ...], files: Sequence[str], columns: Columns
) -> Labelled:
    """Return the comments to calibrate on and to choose thresholds on.

    Parameters
    ----------
    labels : (L,) of all members
    files : labelled comments; none: the validation comments of the runs, of which `check_one_validation` has seen that
        they are the same

    Raises
    ------
    UserError : nothing can be measured on them
    """
    if not files:
        return read_labelled(targets[0], (), labels, columns)
    labelled = read_labelled(targets[0], files, labels, columns)
    if len(why_no_threshold(labelled.dataset)) == len(labels):
        found = "no label has both positive and negative comments, so nothing can be measured"
        remedy = "give other labelled comments (--data)"
        raise UserError("combine.one-class", found, where=", ".join(files), remedy=remedy)
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
        found = "not a run directory, so it has no validation comments"
        raise UserError("combine.not-a-run", found, where=target, remedy=_OTHER_COMMENTS)
    return run.environment(_OTHER_COMMENTS).data


def not_measurable(dataset: Dataset) -> tuple[str, ...]:
    """Return the labels that have positive and negative comments, but too few for a difference to be measurable."""
    rarer = rarer_of(dataset.targets)
    return tuple(label for label, num in zip(dataset.labels, rarer, strict=True) if 0 < num < FEWEST)


def logits_of(classifier: Classifier, labelled: Labelled, what: str, on_scored: OnScored) -> Logits:
    """Return the logits of the comments, (N, L)."""
    texts = labelled.dataset.texts
    return classifier.logits(texts, on_scored=lambda num_comments: on_scored(what, num_comments, len(texts)))


def macro_roc_auc(dataset: Dataset, logits: Logits) -> float:
    """Return the mean ROC AUC of the labels where it is defined; NaN if there is none."""
    return macro_mean(roc_auc(targets, own) for targets, own in zip(dataset.targets.T, logits.T, strict=True))


def combined_recipe(
    kind: str, targets: Sequence[str], labels: Sequence[str], files: Sequence[str], columns: Columns, policy: str
) -> Recipe:
    """Return the recipe of the run directory: the first run's, with the name of the ensemble or soup as its model.

    The validation comments can be split off again with it. If files were given, they are its validation comments, and
    it has no training comments.

    Parameters
    ----------
    kind : ensemble or soup
    labels : (L,) of all members
    policy : of the thresholds; empty: the first run's, or F1. A UserError if it cannot be understood
    """
    run = RunDirectory.find(Path(targets[0]))
    name = one_line(f"{kind} of {', '.join(targets)}")
    changes: dict[str, object] = {"model.name": name, "model.revision": ""}
    if files:
        changes |= {"data.files": [], "data.validation": list(files), "data.labels": list(labels)}
        changes |= {"data.folds": 0, "data.pseudo_labels": [], "data.augmentation": []}
        named = {"data.text_column": columns.text, "data.id_column": columns.id}
        changes |= {key: column for key, column in named.items() if column}
    if policy:
        changes["evaluation.policy"] = policy
    recipe = run.load_recipe(changes) if run else Recipe.load("baseline", changes)
    parse_policies(recipe.evaluation.policy, labels)  # refused before minutes of scoring
    return recipe


@dataclass(frozen=True, eq=False)
class Combined:
    """An ensemble or a soup: its run directory, its members and its report."""

    run: RunDirectory
    makeup: Makeup
    report: Report


def write_combined_run(
    run: RunDirectory,
    recipe: Recipe,
    makeup: Makeup,
    classifier: Classifier,
    labelled: Labelled,
    logits: Logits,
    command: Sequence[str],
) -> Combined:
    """Calibrate the classifier, choose its thresholds, and write the run directory; the classifier is written last.

    Parameters
    ----------
    run : the folder is empty or absent; a UserError if it cannot be written
    recipe : from `combined_recipe`
    classifier : changed in place
    labelled : the comments to calibrate on and to choose thresholds on
    logits : (N, L) of the comments
    command : what the user typed, for the record
    """
    policies = parse_policies(recipe.evaluation.policy, classifier.labels)
    scored = fit_on(classifier, labelled.dataset, logits, policies, recipe.evaluation.calibration)
    facts = ClassifierFacts(name=recipe.model.name, max_length=classifier.max_length)
    outside = classifier.not_in_weights if makeup.base_model is not None else ()
    notes = (
        *makeup.warnings,
        *([Note(code="other_scores_in_pipeline", labels=tuple(outside))] if outside else []),
        *labelled.notes,
    )
    subject = Subject(OWN_REPORT, labelled.files, facts, optimistic(classifier, labelled), notes, None)
    report = report_on(scored, subject, Aspects(with_texts=recipe.evaluation.texts_in_report))
    run.create()
    with run.locked():
        run.check_free(is_resumable=False)
        run.remove_leftovers()
        run.write_first_files(recipe, _environment(makeup, labelled, command))
        data = [] if labelled.is_own else ["--data", *labelled.files]
        write_report(report, scored, run.reports, [str(run.path), *data])
        with write_folder(run.classifier) as folder:
            name = one_line(run.path.name)
            classifier.save(folder, combined_card(name, makeup, classifier.max_length, report, outside))
    return Combined(run, makeup, report)


def _environment(makeup: Makeup, labelled: Labelled, command: Sequence[str]) -> RunEnvironment:
    members = zip(makeup.members, makeup.weights, makeup.scores, strict=True)
    return RunEnvironment(
        **describe_environment(command),
        data=RecordedData(
            training=_training(makeup.members, labelled),
            validation=RecordedComments.of(labelled.dataset, labelled.files),
        ),
        combination=Combination(
            kind=makeup.kind,
            method=makeup.method,
            macro_roc_auc=makeup.score,
            members=tuple(
                CombinedMember(target=target, weight=weight, macro_roc_auc=score) for target, weight, score in members
            ),
        ),
    )


def _training(members: Sequence[str], labelled: Labelled) -> RecordedComments:
    """Return the training comments of all members; without a digest if they were trained on different ones."""
    unknown = RecordedComments(num_comments=0, digest="")
    if not labelled.is_own:
        return unknown
    found = [recorded_data(target).training for target in members]
    return found[0] if all(one.digest == found[0].digest for one in found) else unknown
