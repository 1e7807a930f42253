"""Ensemble: several classifiers become one that averages them, with a calibration and thresholds of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from civility.arrays import Logits
from civility.combine.combined_run import Combined, combined_recipe, write_combined_run
from civility.combine.members import (
    LoadedMember,
    check_labels,
    check_one_validation,
    check_targets,
    common_comments,
    macro_roc_auc,
    not_measurable,
)
from civility.data.dialects import Columns
from civility.documents.ensemble_file import By
from civility.errors import UserError
from civility.evaluation.labelled_comments import Labelled, fit_on
from civility.metrics.policy import parse_policies
from civility.metrics.ranking import rank_maps
from civility.plain_text import one_line
from civility.render.markdown.combined_card import Makeup
from civility.run import RunDirectory
from civility.scoring.classifier import Classifier
from civility.scoring.ensemble_model import Ensemble

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
    on_scored: Callable[[str, int, int], None] = lambda target, num_comments, total: None,
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
    members = [LoadedMember.load(target) for target in targets]
    for member in members:
        if member.classifier.kind == "ensemble":
            found, remedy = "an ensemble", "name its members instead"
            raise UserError("combine.nested-ensemble", found, where=member.target, remedy=remedy)
    check_labels(members)
    labels = members[0].classifier.labels
    recipe = combined_recipe("ensemble", targets, labels, files, columns, averaging.policy)
    policies = parse_policies(recipe.evaluation.policy, labels)
    labelled = common_comments(targets, labels, files, columns)
    dataset = labelled.dataset
    logits = [_logits(member, labels, labelled, on_scored) for member in members]
    whole = Ensemble(
        [member.classifier for member in members],
        averaging.weights,
        averaging.by,
        ranks=[rank_maps(own) for own in logits] if averaging.by == "ranks" else (),
        names=[one_line(member.name) for member in members],
        links=[member.folder if averaging.link else None for member in members],
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
    if any(member.classifier.chosen_on.epoch == dataset.comments_digest for member in members):
        classifier.chosen_on = classifier.chosen_on.model_copy(update={"epoch": dataset.comments_digest})
    scored = fit_on(classifier, dataset, average, policies, recipe.evaluation.calibration)
    return write_combined_run(run, recipe, makeup, classifier, labelled, scored, command)


def _check_weights(weights: Sequence[float], num: int) -> None:
    if weights and len(weights) != num:
        raise UserError(
            "combine.weights",
            f"{len(weights)} for {num} classifiers",
            where="--weights",
            expected=f"{num}",
            remedy="give one weight for each classifier, in the same order",
        )
    if not all(_SMALLEST_WEIGHT <= weight <= _LARGEST_WEIGHT for weight in weights):
        raise UserError(
            "combine.weights",
            ", ".join(f"{weight:g}" for weight in weights),
            where="--weights",
            expected="numbers from 1e-9 to 1e9",
            remedy="leave out a classifier that should not count",
        )


def _logits(
    member: LoadedMember, labels: tuple[str, ...], labelled: Labelled, on_scored: Callable[[str, int, int], None]
) -> Logits:
    """Return the logits of the comments, (N, L), columns in the order of ``labels``."""
    texts = labelled.dataset.texts
    own = member.classifier.logits(texts, on_scored=lambda number: on_scored(member.target, number, len(texts)))
    return own[:, [member.classifier.labels.index(label) for label in labels]]
