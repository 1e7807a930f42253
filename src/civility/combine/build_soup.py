"""Soup: several fine-tuned runs of one encoder become one encoder, whose weights are the average of theirs.

Wortsman et al. 2022, Model soups, section 2: uniform (all of them), or greedy (from the best down, each kept if the
average is no worse with it on held-out comments). Scoring costs what one model costs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from civility.arrays import Float32s, Logits
from civility.combine.build_ensemble import Combined
from civility.combine.combined_run import leave, recipe_of
from civility.combine.members import (
    LoadedMember,
    check_labels,
    check_one_validation,
    check_targets,
    common_comments,
    macro_roc_auc,
)
from civility.combine.same_start import check_same_architecture, check_same_start
from civility.data.dialects import Columns
from civility.evaluation.labelled_comments import Labelled, fit_on
from civility.metrics.calibration import LabelCalibration
from civility.metrics.policy import parse_policies
from civility.models.encoder import settings_of
from civility.models.encoder_scorer import EncoderScorer
from civility.models.model_source import public_name
from civility.models.weight_mean import Soup
from civility.render.markdown.combined_card import Makeup
from civility.run import RunDirectory
from civility.scoring.classifier import Classifier

_RECOGNISE = Columns()
OnScored = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Cooking:
    """How to make it.

    Parameters
    ----------
    greedy : from the best run down, keep what does not make the average worse; False: all alike
    policy : of the thresholds; empty: that of the first run
    """

    greedy: bool = False
    policy: str = ""


def soup(
    targets: Sequence[str],
    out: Path,
    cooking: Cooking = Cooking(),
    *,
    files: Sequence[str] = (),
    columns: Columns = _RECOGNISE,
    command: Sequence[str] = (),
    on_scored: OnScored = lambda what, num_comments, total: None,
) -> Combined:
    """Average the weights of several runs, and leave an ordinary classifier in a run directory with its report.

    Parameters
    ----------
    targets : run directories: encoders of the same architecture, labels and tokens, fine-tuned from the same weights
    out : the run directory to be; must be empty or absent
    cooking : how
    files : labelled comments to choose, calibrate and cut on; none: those that all runs held out
    columns : of text and id in the files
    command : what the user typed, for the record
    on_scored : told, after each batch, what is scored, the number of comments in it and in all

    Raises
    ------
    UserError : whatever the user can mend; nothing is written then
    """
    run = RunDirectory(out)
    run.check_free(can_go_on=False)
    check_targets(targets)
    first_recipe, notes = check_same_start(targets)
    if not files:
        check_one_validation(targets)
    first = _load(targets[0])
    labels = first.classifier.labels
    recipe = recipe_of("soup", targets, labels, files, columns, cooking.policy)
    policies = parse_policies(recipe.evaluation.policy, labels)
    labelled = common_comments(targets, labels, files, columns)
    labelled = replace(labelled, notes=(*notes, *labelled.notes))
    scores = _score_members(first, targets, labelled, on_scored)
    kept, logits, classifier = _cook(first, targets, scores, labelled, cooking.greedy, on_scored)
    makeup = Makeup(
        "soup",
        _how(cooking.greedy, kept, len(targets)),
        tuple(targets),
        tuple(1 / len(kept) if place in kept else 0.0 for place in range(len(targets))),
        tuple(scores),
        macro_roc_auc(labelled.dataset, logits),
        labelled.dataset.digest,
        base_model=public_name(first_recipe.model.name),
    )
    if labelled.is_own or cooking.greedy:
        classifier.chosen_on = classifier.chosen_on.model_copy(update={"epoch": labelled.dataset.comments_digest})
    scored = fit_on(classifier, labelled.dataset, logits, policies, recipe.evaluation.calibration)
    return Combined(run, makeup, leave(makeup, labelled, classifier, scored, recipe, run, command))


def _how(greedy: bool, kept: Sequence[int], num: int) -> str:
    if greedy:
        return f"The mean of the weights of {len(kept)} of {num} runs, chosen greedily by macro ROC AUC."
    return "The mean of the weights of all runs."


def _load(target: str) -> LoadedMember:
    """Load a run's classifier with its calibration taken out of the weights."""
    member = LoadedMember.load(target)
    classifier = member.classifier
    classifier.calibrate(dict.fromkeys(classifier.labels, LabelCalibration()), "")
    return member


def _scorer(member: LoadedMember) -> EncoderScorer:
    scorer = member.classifier.scorer
    assert isinstance(scorer, EncoderScorer), "checked by its recipe"
    return scorer


def _settings(member: LoadedMember) -> dict[str, Any]:
    return settings_of(_scorer(member).encoder.model.config)


def _score_members(first: LoadedMember, targets: Sequence[str], labelled: Labelled, on_scored: OnScored) -> list[float]:
    """Return the macro ROC AUC of each run; one after the other is in memory, beside the first."""
    scores = []
    for target in targets:
        member = first if target == targets[0] else _load(target)
        check_labels([first, member])
        check_same_architecture(first.target, _settings(first), target, _settings(member))
        logits = _logits(member.classifier, labelled, target, on_scored)
        scores.append(macro_roc_auc(labelled.dataset, logits))
    return scores


def _logits(classifier: Classifier, labelled: Labelled, what: str, on_scored: OnScored) -> Logits:
    texts = labelled.dataset.texts
    return classifier.logits(texts, on_scored=lambda number: on_scored(what, number, len(texts)))


def _cook(
    first: LoadedMember,
    targets: Sequence[str],
    scores: Sequence[float],
    labelled: Labelled,
    greedy: bool,
    on_scored: OnScored,
) -> tuple[list[int], Float32s, Classifier]:
    """Return which runs are in the soup, its logits of the comments, and itself: the first run's model, changed."""
    scorer = _scorer(first)
    weights_of_first = {name: tensor.detach().clone() for name, tensor in scorer.encoder.model.state_dict().items()}

    def weights_of(place: int) -> Mapping[str, torch.Tensor]:
        return weights_of_first if place == 0 else _scorer(_load(targets[place])).encoder.model.state_dict()

    def scored(weights: Mapping[str, Any], what: str) -> tuple[float, Float32s, Classifier]:
        scorer.encoder.model.load_state_dict(weights)
        made = Classifier(EncoderScorer(scorer.encoder, scorer.max_length))
        logits = _logits(made, labelled, what, on_scored)
        return macro_roc_auc(labelled.dataset, logits), logits, made

    total = Soup()
    if not greedy:
        for place in range(len(targets)):
            total.add(weights_of(place))
        _, logits, made = scored(total.weights(), "soup")
        return list(range(len(targets))), logits, made
    order = sorted(range(len(targets)), key=lambda place: -scores[place])
    kept, best = [order[0]], scores[order[0]]
    total.add(weights_of(order[0]))
    for place in order[1:]:
        more = weights_of(place)
        score, _, _ = scored(total.weights(more), f"soup with {targets[place]}")
        if score >= best:
            total.add(more)
            kept, best = [*kept, place], score
    _, logits, made = scored(total.weights(), "soup")
    return sorted(kept), logits, made
