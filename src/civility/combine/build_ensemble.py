"""Ensemble: several classifiers become one that averages what they say, calibrated and cut on comments of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from civility.arrays import Logits
from civility.combine.combined_run import leave, recipe_of
from civility.combine.members import (
    LoadedMember,
    check_labels,
    check_one_validation,
    check_targets,
    common_comments,
    macro_roc_auc,
)
from civility.data.dialects import Columns
from civility.documents.ensemble_file import By
from civility.errors import UserError
from civility.evaluation import Report
from civility.evaluation.labelled_comments import Labelled, fit_on
from civility.metrics.policy import parse_policies
from civility.metrics.rank_map import rank_maps
from civility.plain_text import one_line
from civility.render.markdown.combined_card import Makeup
from civility.run import RunDirectory
from civility.scoring.classifier import Classifier
from civility.scoring.ensemble_model import Ensemble

_LEAST_WEIGHT, _LARGEST_WEIGHT = 1e-9, 1e9
_RECOGNISE = Columns()
_WHAT = {
    "scores": "The mean of their calibrated scores.",
    "logits": "The mean of their logits before calibration.",
    "ranks": "The mean of the ranks of their scores among those of the comments below.",
}


@dataclass(frozen=True)
class Averaging:
    """How to average.

    Parameters
    ----------
    by : what: calibrated scores, logits before calibration, or ranks
    weights : (M,) above 0; empty: all alike
    link : refer to the members where they are, and copy none
    policy : of the thresholds, as ``threat: recall>=0.9; default: f1``; empty: that of the first run
    """

    by: By = "scores"
    weights: tuple[float, ...] = ()
    link: bool = False
    policy: str = ""


@dataclass(frozen=True, eq=False)
class Combined:
    """What was made, where it is, and its report."""

    run: RunDirectory
    makeup: Makeup
    report: Report


def ensemble(
    targets: Sequence[str],
    out: Path,
    averaging: Averaging = Averaging(),
    *,
    files: Sequence[str] = (),
    columns: Columns = _RECOGNISE,
    command: Sequence[str] = (),
    on_scored: Callable[[str, int, int], None] = lambda what, num_comments, total: None,
) -> Combined:
    """Make one classifier of several, of any kinds, and leave it in a run directory with its report.

    Parameters
    ----------
    targets : run directories or classifier folders
    out : the run directory to be; must be empty or absent
    averaging : how
    files : labelled comments to calibrate and cut on; none: those that all runs held out, which have to be the same
    columns : of text and id in the files
    command : what the user typed, for the record
    on_scored : told, after each batch, the member, the number of comments in it and in all

    Raises
    ------
    UserError : whatever the user can mend; nothing is written then

    References
    ----------
    Averaging and stacking of classifiers: Wolpert 1992; ranks in place of scores, for the area under the ROC curve of
    members with unlike scales: van Aken et al. 2018 (ensembles for toxic comments), and common among competitors.
    """
    run = RunDirectory(out)
    run.check_free(can_go_on=False)
    check_targets(targets)
    _check_weights(averaging.weights, len(targets))
    if not files:
        check_one_validation(targets)  # before minutes of loading, not after
    members = [LoadedMember.load(target) for target in targets]
    for member in members:
        if member.classifier.kind == "ensemble":
            raise UserError(
                "combine.todo", "is an ensemble itself", where=member.target, remedy="name its members instead"
            )
    check_labels(members)
    labels = members[0].classifier.labels
    recipe = recipe_of("ensemble", targets, labels, files, columns, averaging.policy)
    policies = parse_policies(recipe.evaluation.policy, labels)
    labelled = common_comments(targets, labels, files, columns)
    logits = [_logits(member, labels, labelled, on_scored) for member in members]
    whole = Ensemble(
        [member.classifier for member in members],
        averaging.weights,
        averaging.by,
        ranks=[rank_maps(own) for own in logits] if averaging.by == "ranks" else (),
        names=[one_line(member.name) for member in members],
        links=[member.folder if averaging.link else None for member in members],
    )
    combined = whole.average(logits)
    makeup = Makeup(
        "ensemble",
        _WHAT[averaging.by],
        tuple(targets),
        whole.weights,
        tuple(macro_roc_auc(labelled.dataset, own) for own in logits),
        macro_roc_auc(labelled.dataset, combined),
        labelled.dataset.digest,
    )
    classifier = Classifier(whole)
    classifier.chosen_on = classifier.chosen_on.model_copy(update={"epoch": _epoch_digest(members, labelled)})
    scored = fit_on(classifier, labelled.dataset, combined, policies, recipe.evaluation.calibration)
    return Combined(run, makeup, leave(makeup, labelled, classifier, scored, recipe, run, command))


def _check_weights(weights: Sequence[float], num: int) -> None:
    if weights and len(weights) != num:
        raise UserError(
            "combine.todo",
            f"{len(weights)} given for {num} classifiers",
            where="--weights",
            remedy="give one for each, in their order",
        )
    if not all(_LEAST_WEIGHT <= weight <= _LARGEST_WEIGHT for weight in weights):
        shown = ", ".join(f"{weight:g}" for weight in weights)
        raise UserError(
            "combine.todo",
            f"--weights {shown}: expected numbers from 1e-9 to 1e9",
            remedy="leave out a classifier that is not to count",
        )


def _logits(
    member: LoadedMember, labels: tuple[str, ...], labelled: Labelled, on_scored: Callable[[str, int, int], None]
) -> Logits:
    """Return the logits of the comments, (N, L), columns in the order of ``labels``."""
    texts = labelled.dataset.texts
    own = member.classifier.logits(texts, on_scored=lambda number: on_scored(member.target, number, len(texts)))
    return own[:, [member.classifier.labels.index(label) for label in labels]]


def _epoch_digest(members: Sequence[LoadedMember], labelled: Labelled) -> str:
    """Return the digest of the comments if a member's epoch was chosen on them, so that the whole says so too."""
    digest = labelled.dataset.comments_digest
    return digest if any(member.classifier.chosen_on.epoch == digest for member in members) else ""
