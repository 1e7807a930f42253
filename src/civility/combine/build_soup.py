"""Soup: several fine-tuned runs of one encoder become one encoder with their average weights.

Wortsman et al. 2022, Model soups, section 2: uniform (all runs), or greedy (from the best run down, each is kept if the
average is no worse with it on held-out comments). Scoring takes as long as with one of the runs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

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
from civility.combine.same_start import check_same_architecture, check_same_start
from civility.data.dialects import Columns
from civility.evaluation.labelled_comments import Labelled, fit_on
from civility.metrics.calibration import LabelCalibration
from civility.metrics.policy import parse_policies
from civility.models.encoder import settings_of
from civility.models.encoder_scorer import EncoderScorer
from civility.models.model_source import public_name
from civility.render.markdown.combined_card import Makeup
from civility.run import RunDirectory
from civility.scoring.classifier import Classifier

_RECOGNISE = Columns()
OnScored = Callable[[str, int, int], None]
Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class SoupOptions:
    """How to make a soup.

    Parameters
    ----------
    greedy : from the best run down, keep each run that does not make the average worse; False: keep all
    policy : of the thresholds; empty: the first run's
    """

    greedy: bool = False
    policy: str = ""


def soup(
    targets: Sequence[str],
    out: Path,
    options: SoupOptions = SoupOptions(),
    *,
    files: Sequence[str] = (),
    columns: Columns = _RECOGNISE,
    command: Sequence[str] = (),
    on_scored: OnScored = lambda what, num_comments, total: None,
) -> Combined:
    """Average the weights of several runs, and write an ordinary classifier as a run directory with its report.

    Parameters
    ----------
    targets : run directories: encoders of one architecture, with the same labels and tokenizer, fine-tuned from the
        same weights
    out : run directory to write; empty or absent
    options : how to make it
    files : labelled comments to choose runs, calibration and thresholds; none: those that all runs held out
    columns : of text and id in the files
    command : what the user typed, for the record
    on_scored : called after each batch with what is scored, the number of comments in the batch and in total

    Raises
    ------
    UserError : the runs or comments cannot be used; nothing is written then
    """
    run = RunDirectory(out)
    run.check_free(is_resumable=False)
    check_targets(targets)
    first_recipe, notes = check_same_start(targets)
    if not files:
        check_one_validation(targets)
    first = _load(targets[0])
    labels = first.classifier.labels
    recipe = combined_recipe("soup", targets, labels, files, columns, options.policy)
    policies = parse_policies(recipe.evaluation.policy, labels)
    labelled = common_comments(targets, labels, files, columns)
    labelled = replace(labelled, notes=(*notes, *labelled.notes))
    scores = _score_members(first, targets, labelled, on_scored)
    kept, logits, classifier = _average(first, targets, scores, labelled, options.greedy, on_scored)
    makeup = Makeup(
        "soup",
        "greedy" if options.greedy else "uniform",
        tuple(targets),
        tuple(1 / len(kept) if position in kept else 0.0 for position in range(len(targets))),
        tuple(scores),
        macro_roc_auc(labelled.dataset, logits),
        labelled.dataset.digest,
        not_measurable(labelled.dataset),
        base_model=public_name(first_recipe.model.name),
    )
    if labelled.is_own or options.greedy:
        digest = labelled.dataset.comments_digest
        classifier.chosen_on = classifier.chosen_on.model_copy(update={"epoch": digest})
    scored = fit_on(classifier, labelled.dataset, logits, policies, recipe.evaluation.calibration)
    return write_combined_run(run, recipe, makeup, classifier, labelled, scored, command)


def _load(target: str) -> LoadedMember:
    """Load the classifier of a run, and remove the calibration from its weights."""
    member = LoadedMember.load(target)
    classifier = member.classifier
    classifier.calibrate(dict.fromkeys(classifier.labels, LabelCalibration()), "")
    return member


def _model(member: LoadedMember) -> Any:
    scorer = member.classifier.scorer
    assert isinstance(scorer, EncoderScorer), "check_same_start has looked at the recipes"
    return scorer.encoder.model


def _score_members(first: LoadedMember, targets: Sequence[str], labelled: Labelled, on_scored: OnScored) -> list[float]:
    """Return the macro ROC AUC of each run; only one of them is in memory besides the first."""
    scores = []
    for target in targets:
        member = first if target == targets[0] else _load(target)
        check_labels([first, member])
        settings = [settings_of(_model(one).config) for one in (first, member)]
        check_same_architecture(first.target, settings[0], target, settings[1])
        scores.append(macro_roc_auc(labelled.dataset, _logits(member.classifier, labelled, target, on_scored)))
    return scores


def _logits(classifier: Classifier, labelled: Labelled, what: str, on_scored: OnScored) -> Logits:
    texts = labelled.dataset.texts
    return classifier.logits(texts, on_scored=lambda number: on_scored(what, number, len(texts)))


def _average(
    first: LoadedMember,
    targets: Sequence[str],
    scores: Sequence[float],
    labelled: Labelled,
    greedy: bool,
    on_scored: OnScored,
) -> tuple[list[int], Logits, Classifier]:
    """Return the positions of the runs that were kept, the logits of the soup, and the soup.

    The soup is the model of the first run with other weights.
    """
    scorer = first.classifier.scorer
    assert isinstance(scorer, EncoderScorer)
    weights_of_first = {name: tensor.detach().clone() for name, tensor in _model(first).state_dict().items()}

    def weights_of(position: int) -> Weights:
        return weights_of_first if position == 0 else _model(_load(targets[position])).state_dict()

    def scored(weights: Weights, what: str) -> tuple[float, Logits, Classifier]:
        scorer.encoder.model.load_state_dict(weights)
        made = Classifier(EncoderScorer(scorer.encoder, scorer.max_length))
        logits = _logits(made, labelled, what, on_scored)
        return macro_roc_auc(labelled.dataset, logits), logits, made

    total = WeightSum()
    kept: list[int] = []
    best = -1.0
    for position in sorted(range(len(targets)), key=lambda position: -scores[position] if greedy else position):
        weights = weights_of(position)
        if greedy and kept:
            score, _, _ = scored(total.mean(weights), f"soup with {targets[position]}")
        else:
            score = scores[position]
        if not greedy or not kept or score >= best:
            total.add(weights)
            kept, best = [*kept, position], score
    _, logits, made = scored(total.mean(), "soup")
    return sorted(kept), logits, made


class WeightSum:
    """The sum of the weights of several models in float64, and their number.

    Integers and booleans (positions, masks) are not averaged: all models must have the same.
    """

    def __init__(self) -> None:
        self._sums: dict[str, torch.Tensor] = {}
        self._types: dict[str, torch.dtype] = {}
        self.num = 0

    def add(self, weights: Weights) -> None:
        """Add a copy of the weights of one model.

        Raises
        ------
        ValueError : its tensors have other names, shapes or integers than those of the models before
        """
        if self.num and set(weights) != set(self._sums):
            odd = sorted(set(weights) ^ set(self._sums))
            raise ValueError(f"{odd[0]} is not in all models")
        for name, tensor in weights.items():
            if self.num and tensor.shape != self._sums[name].shape:
                raise ValueError(f"{name} has shapes {tuple(tensor.shape)} and {tuple(self._sums[name].shape)}")
            if not tensor.is_floating_point() and self.num and not torch.equal(self._sums[name], tensor.cpu()):
                raise ValueError(f"{name}, which does not hold weights, differs between the models")
        for name, tensor in weights.items():
            own = tensor.detach().cpu()
            if not own.is_floating_point():
                self._sums[name] = own.clone()
            elif self.num:
                self._sums[name] += own
            else:
                self._sums[name] = own.to(torch.float64, copy=True)
            self._types[name] = own.dtype
        self.num += 1

    def mean(self, more: Weights | None = None) -> dict[str, torch.Tensor]:
        """Return the mean, each tensor in its original type; ``more``: as if one more model had been added.

        Raises
        ------
        ValueError : no model was added
        """
        if not self.num:
            raise ValueError("no weights were added")
        num = self.num + (more is not None)
        found = {}
        for name, total in self._sums.items():
            if not total.is_floating_point():
                found[name] = total.clone()
                continue
            whole = total if more is None else total + more[name].detach().cpu()
            found[name] = (whole / num).to(self._types[name])
        return found
