"""Soup: several fine-tuned runs of one encoder become one encoder with their average weights.

Wortsman et al. 2022, Model soups, section 2: uniform (all runs), or greedy (from the best run down, each is kept if the
average is no worse with it on held-out comments). Scoring takes as long as with one of the runs.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from civility.arrays import Logits
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
from civility.errors import UserError
from civility.evaluation.labelled_comments import Labelled
from civility.metrics.calibration import LabelCalibration
from civility.models.encoder import EncoderScorer, settings_of
from civility.models.model_source import public_name
from civility.recipe import Recipe
from civility.render.markdown.model_card import Makeup
from civility.run import RunDirectory, classifier_folder
from civility.scoring.classifier import Classifier
from civility.storage.parsing import read_json

_ENSEMBLE = "average their scores instead: civility ensemble"
_RECOGNISE = Columns()
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
    columns, command, on_scored : as `ensemble` takes them; what is scored is a member or a soup

    Raises
    ------
    UserError : the runs or comments cannot be used; nothing is written then
    """
    run = RunDirectory(out)
    run.check_free(is_resumable=False)
    check_targets(targets)
    first_recipe, notes = _check_same_start(targets)
    if not files:
        check_one_validation(targets)
    first = _load(targets[0])
    labels = first.labels
    recipe = combined_recipe("soup", targets, labels, files, columns, options.policy)
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
    return write_combined_run(run, recipe, makeup, classifier, labelled, logits, command)


def _unlike(target: str, found: str, remedy: str = _ENSEMBLE) -> UserError:
    return UserError("combine.unlike-runs", found, where=target, remedy=remedy)


def _check_same_start(targets: Sequence[str]) -> tuple[Recipe, list[str]]:
    """Return the recipe of the first run, and notes; a UserError if files show that weights cannot be averaged."""
    recipes = [_recipe(target) for target in targets]
    first = recipes[0]
    starts = [f"{recipe.model.name} {recipe.model.revision}".strip() for recipe in recipes]
    for target, recipe, start in zip(targets, recipes, starts, strict=True):
        if recipe.is_linear or not (Path(classifier_folder(target)) / "config.json").is_file():
            raise _unlike(target, "not an encoder, so its weights cannot be averaged")
        if start != starts[0]:
            raise _unlike(
                target,
                f"was fine-tuned from {start}, {targets[0]} from {starts[0]}: the average of their weights would be "
                "meaningless",
                f"name runs with the same pretrained weights, or {_ENSEMBLE}",
            )
    digests = [_tokenizer_digest(Path(classifier_folder(target))) for target in targets]
    for target, digest in zip(targets, digests, strict=True):
        if digest != digests[0]:
            found = f"its tokenizer or its maximum length differs from that of {targets[0]}"
            raise _unlike(target, found, f"train them with the same data.max_length, or {_ENSEMBLE}")
    if len({recipe.seed for recipe in recipes}) > 1:
        return first, [
            "the runs have different seeds, so their heads started from different random weights and may read the "
            "encoder differently: compare the soup with its members, and with an ensemble of them"
        ]
    return first, []


def _recipe(target: str) -> Recipe:
    run = RunDirectory.find(Path(target))
    if run is None:
        found = "not a run directory, so the weights it was fine-tuned from are unknown"
        raise UserError("combine.not-a-run", found, where=target, remedy=f"name run directories, or {_ENSEMBLE}")
    return run.load_recipe()


def _tokenizer_digest(folder: Path) -> str:
    """Return a sha256 of vocabulary and maximum length.

    The truncation and padding in tokenizer.json are left out: they depend on how the tokenizer was last used.
    """
    remedy = f"restore the file, or {_ENSEMBLE}"
    content = read_json(folder / "tokenizer.json", remedy)
    settings = read_json(folder / "tokenizer_config.json", remedy)
    own = {key: value for key, value in content.items() if key not in ("truncation", "padding")}
    text = json.dumps([own, settings.get("model_max_length")], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _check_same_architecture(first: str, settings: Mapping[str, Any], target: str, own: Mapping[str, Any]) -> None:
    """Raise a UserError unless two models have the same settings, from `civility.models.encoder.settings_of`."""
    for key in sorted({*own, *settings}):
        if own.get(key) != settings.get(key):
            values = f"{key} is {own.get(key)!r} and {settings.get(key)!r}"
            raise _unlike(target, f"its architecture differs from that of {first}: {values}")


def _load(target: str) -> Classifier:
    """Load the classifier of a run, and remove the calibration from its weights."""
    classifier = Classifier.load(target)
    classifier.calibrate(dict.fromkeys(classifier.labels, LabelCalibration()), "")
    return classifier


def _scorer(classifier: Classifier) -> EncoderScorer:
    assert isinstance(classifier.scorer, EncoderScorer), "_check_same_start has looked at the recipes"
    return classifier.scorer


def _score_members(first: Classifier, targets: Sequence[str], labelled: Labelled, on_scored: OnScored) -> list[float]:
    """Return the macro ROC AUC of each run; only one of them is in memory besides the first."""
    scores = []
    for target in targets:
        member = first if target == targets[0] else _load(target)
        check_labels({targets[0]: first, target: member})
        settings, own = (settings_of(_scorer(one).encoder.model.config) for one in (first, member))
        _check_same_architecture(targets[0], settings, target, own)
        scores.append(macro_roc_auc(labelled.dataset, logits_of(member, labelled, target, on_scored)))
    return scores


def _average(
    first: Classifier,
    targets: Sequence[str],
    scores: Sequence[float],
    labelled: Labelled,
    greedy: bool,
    on_scored: OnScored,
) -> tuple[list[int], Logits, Classifier]:
    """Return the positions of the runs that were kept, the logits of the soup, and the soup.

    The soup is the model of the first run with other weights.
    """
    scorer = _scorer(first)
    model = scorer.encoder.model
    weights_of_first = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    def weights_of(position: int) -> Weights:
        return weights_of_first if position == 0 else _scorer(_load(targets[position])).encoder.model.state_dict()

    def scored(weights: Weights, what: str) -> tuple[Logits, Classifier]:
        model.load_state_dict(weights)
        made = Classifier(EncoderScorer(scorer.encoder, scorer.max_length))
        return logits_of(made, labelled, what, on_scored), made

    total = WeightSum()
    kept: list[int] = []
    best = -1.0
    for position in sorted(range(len(targets)), key=lambda position: -scores[position] if greedy else position):
        weights, score = weights_of(position), scores[position]
        if greedy and kept:
            score = macro_roc_auc(labelled.dataset, scored(total.mean(weights), f"soup with {targets[position]}")[0])
        if not greedy or not kept or score >= best:
            total.add(weights)
            kept, best = [*kept, position], score
    return sorted(kept), *scored(total.mean(), "soup")


class WeightSum:
    """The sum of the weights of several models in float64, and their number.

    Integers and booleans (positions, masks) are not averaged: all models must have the same.
    """

    def __init__(self) -> None:
        self._sums: dict[str, torch.Tensor] = {}
        self._types: dict[str, torch.dtype] = {}
        self.num = 0

    def add(self, weights: Weights) -> None:
        """Add a copy of the weights of a model; a ValueError if it has other names, shapes or integers than before."""
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

        A ValueError if no model was added.
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
