"""Ensemble: several classifiers become one that averages them, with a calibration and thresholds of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from civility.combine.combined_run import (
    Combined,
    OnScored,
    check_labels,
    check_one_validation,
    check_targets,
    combined_recipe,
    common_comments,
    logits_of,
    macro_roc_auc,
    not_measurable,
    write_combined_run,
)
from civility.data.dialects import Columns
from civility.documents.classifier_file import By
from civility.errors import UserError
from civility.metrics.ranking import rank_maps
from civility.plain_text import one_line
from civility.render.markdown.model_card import Makeup
from civility.run import RunDirectory, classifier_folder
from civility.scoring.classifier import Classifier
from civility.scoring.ensemble_model import Ensemble
from civility.storage.atomic_files import real_path

_SMALLEST_WEIGHT, _LARGEST_WEIGHT = 1e-9, 1e9
_RECOGNISE = Columns()


@dataclass(frozen=True)
class Averaging:
    """How to average.

    Parameters
    ----------
    by : what is averaged: calibrated scores, logits before calibration, or ranks
    weights : (M,) above 0; empty: equal weights
    link : whether to refer to the members where they are, instead of copying them
    policy : of the thresholds, such as ``threat: recall>=0.9; default: f1``; empty: the first run's
    """

    by: By = "scores"
    weights: tuple[float, ...] = ()
    link: bool = False
    policy: str = ""


def ensemble(
    targets: Sequence[str],
    out: Path,
    averaging: Averaging = Averaging(),
    *,
    files: Sequence[str] = (),
    columns: Columns = _RECOGNISE,
    command: Sequence[str] = (),
    on_scored: OnScored = lambda target, num_comments, total: None,
) -> Combined:
    """Combine classifiers of any kind into one, and write a run directory with its report.

    Parameters
    ----------
    targets : run directories or classifier folders
    out : run directory to write; empty or absent
    averaging : how to average
    files : labelled comments for the calibration and thresholds; none: those that all runs held out, which must be the
        same
    columns : of text and id in the files
    command : what the user typed, for the record
    on_scored : called after each batch with the member, the number of comments in the batch and in total

    Raises
    ------
    UserError : the classifiers or comments cannot be used; nothing is written then

    References
    ----------
    Averaging and stacking of classifiers: Wolpert 1992. Ranks instead of scores, for the ROC AUC of members with
    different scales: van Aken et al. 2018 (ensembles for toxic comments).
    """
    run = RunDirectory(out)
    run.check_free(is_resumable=False)
    check_targets(targets)
    _check_weights(averaging.weights, len(targets))
    if not files:
        check_one_validation(targets)  # before the classifiers load, which takes minutes
    members = {target: Classifier.load(target) for target in targets}
    for target, member in members.items():
        if member.kind == "ensemble":
            found, remedy = "an ensemble", "name its members instead"
            raise UserError("combine.nested-ensemble", found, where=target, remedy=remedy)
    check_labels(members)
    labels = members[targets[0]].labels
    recipe = combined_recipe("ensemble", targets, labels, files, columns, averaging.policy)
    labelled = common_comments(targets, labels, files, columns)
    dataset = labelled.dataset
    logits = []
    for target, member in members.items():
        own = logits_of(member, labelled, target, on_scored)
        logits.append(own[:, [member.labels.index(label) for label in labels]])
    whole = Ensemble(
        list(members.values()),
        averaging.weights,
        averaging.by,
        ranks=[rank_maps(own) for own in logits] if averaging.by == "ranks" else (),
        names=[one_line(real_path(target).name) for target in targets],
        links=[Path(classifier_folder(target)) if averaging.link else None for target in targets],
    )
    average = whole.average(logits)
    makeup = Makeup(
        "ensemble",
        averaging.by,
        tuple(targets),
        whole.weights,
        tuple(macro_roc_auc(dataset, own) for own in logits),
        macro_roc_auc(dataset, average),
        dataset.digest,
        not_measurable(dataset),
    )
    classifier = Classifier(whole)
    if any(member.chosen_on.epoch == dataset.comments_digest for member in members.values()):
        classifier.chosen_on = classifier.chosen_on.model_copy(update={"epoch": dataset.comments_digest})
    return write_combined_run(run, recipe, makeup, classifier, labelled, average, command)


def _check_weights(weights: Sequence[float], num: int) -> None:
    if weights and len(weights) != num:
        found, remedy = (
            f"{len(weights)} for {num} classifiers",
            "give one weight for each classifier, in the same order",
        )
        raise UserError("combine.weights", found, where="--weights", expected=f"{num}", remedy=remedy)
    if not all(_SMALLEST_WEIGHT <= weight <= _LARGEST_WEIGHT for weight in weights):
        raise UserError(
            "combine.weights",
            ", ".join(f"{weight:g}" for weight in weights),
            where="--weights",
            expected="numbers from 1e-9 to 1e9",
            remedy="leave out a classifier that should not count",
        )
