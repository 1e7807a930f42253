"""Tokens and trainer of a run: model, forward pass, loss, optimizer and plan, made from the recipe."""

import functools
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from civility.arrays import Targets
from civility.data.prepare import PreparedData
from civility.engine import devices
from civility.engine import loss as losses
from civility.engine.devices import MixedPrecision
from civility.engine.loop import Trainer, TrainingData, TrainingPlan
from civility.engine.step_plan import BatchShape, Schedule
from civility.models.batches import Batch, gather
from civility.models.dropout import override_dropout
from civility.models.encoder import Encoder
from civility.models.forward_paths import EagerForward, ForwardChoice, choose_forward
from civility.models.layers import freeze
from civility.models.packed_forward import PackedForward
from civility.models.token_cache import CacheUse, cached_tokens, default_cache_folder
from civility.models.tokenizer import load_tokenizer
from civility.models.vocabulary import ids_in_use, keep_in_use, why_whole
from civility.recipe import Recipe
from civility.scoring.tokens import Tokens
from civility.training.build_optimizer import average_of, optimizer_of, regularizers_of, why_whole_embedding
from civility.training.events import Speed
from civility.training.resume import EarlierChoices


@dataclass(frozen=True, eq=False)
class RunTokens:
    """The tokens of a run's comments, the tokenizer that made them, and how the cache was used."""

    tokenizer: Any
    training: Tokens
    validation: Tokens
    cache_uses: tuple[CacheUse, ...]

    @functools.cached_property
    def in_use(self) -> npt.NDArray[np.int64]:
        """(U,) ids that the comments use, ascending."""
        return ids_in_use(self.training, self.validation)

    @property
    def cache_note(self) -> str:
        """How the cache was used, in a few words; empty if tokens were made and kept as usual."""
        reasons = [use.reason for use in self.cache_uses if use.reason]
        if reasons:
            return f"tokens not kept in {default_cache_folder(os.environ)}: {reasons[0]}"
        return "tokens from the cache" if any(use.outcome == "read" for use in self.cache_uses) else ""


def tokenise_comments(recipe: Recipe, data: PreparedData, accelerator: Any) -> RunTokens:
    """Tokenise the comments of a run or read their tokens from the cache; one process of a machine does it for all.

    Raises
    ------
    UserError : the tokenizer cannot be loaded
    """
    tokenizer = load_tokenizer(recipe.model.name, recipe.model.revision or None)
    cache = default_cache_folder(os.environ)
    with devices.first_of_machine_first(accelerator):
        if _are_the_comments_of_every_fold(recipe, data):
            training, validation, use = _tokens_of_a_fold(tokenizer, data, recipe.data.max_length, cache)
            return RunTokens(tokenizer, training, validation, (use,))
        training, use = cached_tokens(tokenizer, data.training.texts, recipe.data.max_length, cache)
        validation, other = cached_tokens(tokenizer, data.validation.texts, recipe.scoring_length, cache)
    return RunTokens(tokenizer, training, validation, (use, other))


def _are_the_comments_of_every_fold(recipe: Recipe, data: PreparedData) -> bool:
    """Whether every fold has these comments, in training or validation, truncated at one length."""
    as_read = data.original is None and not recipe.data.pseudo_labels
    return bool(recipe.data.folds) and as_read and recipe.data.max_length == recipe.scoring_length


def _tokens_of_a_fold(
    tokenizer: Any, data: PreparedData, max_length: int, cache: Path | None
) -> tuple[Tokens, Tokens, CacheUse]:
    """Select the tokens of both sides from those of all comments, which all folds share."""
    assert data.held_out is not None
    is_held_out = np.zeros(len(data.training) + len(data.validation), dtype=np.bool_)
    is_held_out[data.held_out] = True
    training, validation = iter(data.training.texts), iter(data.validation.texts)
    texts = [next(validation if held_out else training) for held_out in is_held_out.tolist()]
    tokens, use = cached_tokens(tokenizer, texts, max_length, cache)
    return tokens.select(np.flatnonzero(~is_held_out)), tokens.select(np.flatnonzero(is_held_out)), use


def build_trainer(
    recipe: Recipe,
    data: PreparedData,
    tokens: RunTokens,
    encoder: Encoder,
    accelerator: Any,
    precision: MixedPrecision,
    earlier: EarlierChoices,
) -> tuple[Trainer, Speed]:
    """Build model, loss, optimizer and plan on the device; return them and how the forward pass is sped up.

    Parameters
    ----------
    encoder : as loaded; its model is changed and moved
    earlier : of the run to resume. It keeps its effective batch size on any number of processes, since schedule and
        order depend on it, and its forward pass, whose dropout would otherwise drop other units

    Raises
    ------
    UserError : the model lacks a part that the recipe freezes or changes
    """
    settings = recipe.training
    shape = BatchShape.of(settings.batch_size, settings.gradient_accumulation, accelerator.num_processes)
    if earlier.global_size is not None:
        shape = replace(shape, global_size=earlier.global_size)
    loss = loss_of(recipe, data.training.targets).to(accelerator.device)
    model, drop = encoder.model, recipe.regularization
    override_dropout(model, hidden=drop.dropout, attention=drop.attention_dropout, head=drop.head_dropout)
    freeze(model, embeddings=settings.freeze_embeddings, num_layers=settings.freeze_layers)
    # Before the model moves: the whole embedding need not fit on the device.
    why = why_whole_embedding(recipe) if settings.vocabulary_in_use else "switched off"
    why = why or why_whole(model)
    vocabulary = None if why else keep_in_use(model, tokens.in_use)
    model.to(accelerator.device)
    devices.same_weights_everywhere(model)
    choice = _choose_forward(recipe, model, tokens.training, accelerator, precision, earlier.forward)
    # After the model has moved to its device, and over the parameters that it has there.
    optimizer = optimizer_of(recipe, model)
    trainer = Trainer(
        accelerator,
        model,
        choice.forward,
        optimizer,
        precision,
        TrainingData(tokens.training, data.training.targets),
        loss,
        plan_of(recipe, shape, len(tokens.training)),
        shape,
        vocabulary=vocabulary,
        regularizers=regularizers_of(recipe, model),
        average=average_of(recipe, model, optimizer),
    )
    speed = Speed(
        attention=choice.forward.name,
        why_not_faster=choice.reason,
        rows_in_use=vocabulary.num_used if vocabulary else None,
        why_whole=why,
        token_cache=tokens.cache_note,
        checkpointing=settings.gradient_checkpointing,
        num_frozen=sum(parameter.numel() for parameter in model.parameters() if not parameter.requires_grad),
    )
    return trainer, speed


_SLOWEST_FIRST = {EagerForward.name: 0, PackedForward.name: 1}  # all others are faster


def _choose_forward(
    recipe: Recipe, model: Any, tokens: Tokens, accelerator: Any, precision: MixedPrecision, before: str
) -> ForwardChoice:
    """Choose a forward pass that every process can use; if only some had a fast one, they would wait for the rest."""
    settings, sample = recipe.training, _sample(tokens).to(accelerator.device)
    checkpointing = settings.gradient_checkpointing
    if settings.deterministic and precision.device != "cpu" and settings.attention == "auto":
        return ForwardChoice(EagerForward(model, checkpointing=checkpointing), "training.deterministic")
    cache = default_cache_folder(os.environ)
    keeps = settings.attention == "auto" and before == PackedForward.name
    choice = choose_forward(
        model,
        "packed" if keeps else settings.attention,
        sample,
        checkpointing=checkpointing,
        autocast=precision.autocast,
        cache=None if cache is None else cache.with_name("kernels"),
    )
    if keeps and not choice.reason:
        choice = replace(choice, reason="as before the interruption")
    own = _SLOWEST_FIRST.get(choice.forward.name, len(_SLOWEST_FIRST))
    slowest = devices.smallest_everywhere(own, accelerator.device)
    if slowest == own:
        return choice
    choice.forward.undo()
    why = "another process of this run has no faster one"
    kind = EagerForward if slowest == _SLOWEST_FIRST[EagerForward.name] else PackedForward
    return ForwardChoice(kind(model, checkpointing=checkpointing), why)


def _sample(tokens: Tokens) -> Batch:
    """Return a few short comments, and one long enough for DeBERTa to put several distances into one bucket."""
    rows = [int(np.abs(tokens.lengths - length).argmin()) for length in (140, 12, 12, 5)]
    return gather(tokens, np.array(rows))


def plan_of(recipe: Recipe, shape: BatchShape, num_comments: int) -> TrainingPlan:
    """Return the plan of the training loop for a number of training comments."""
    settings, more = recipe.training, recipe.schedule
    num_steps = settings.epochs * shape.num_steps(num_comments)
    return TrainingPlan(
        epochs=settings.epochs,
        schedule=Schedule(
            settings.learning_rate,
            settings.warmup_steps or int(settings.warmup_fraction * num_steps),
            num_steps,
            settings.schedule,
            power=more.power,
            final_share=more.final_share,
            start_share=more.start_share,
        ),
        max_gradient_norm=settings.max_gradient_norm,
        seed=recipe.seed,
        group_by_length=settings.group_by_length,
        sampling_power=settings.sampling_power if settings.sampling == "class_aware" else None,
    )


def loss_of(recipe: Recipe, targets: Targets) -> losses.Loss:
    """Return the loss of a recipe for training targets (N, L), NaN where unknown."""
    settings, effective = recipe.loss, None
    if settings.class_weights == "effective_number":
        effective = losses.EffectiveNumber(settings.effective_beta, (~np.isnan(targets)).sum(axis=0))
    return losses.build_loss(
        recipe.training.loss,
        losses.positive_share(targets),
        recipe.training.weight_power,
        elements=_elements(recipe),
        effective=effective,
        weigh_labels=settings.weigh_labels,
        smoothing=settings.label_smoothing,
    )


def _elements(recipe: Recipe) -> losses.ElementLoss:
    settings = recipe.loss
    if recipe.training.loss == "focal":
        return losses.Focal(settings.focal_gamma, None if settings.focal_alpha < 0 else settings.focal_alpha)
    if recipe.training.loss == "asymmetric":
        gammas = settings.asymmetric_gamma_positive, settings.asymmetric_gamma_negative
        return losses.Asymmetric(*gammas, settings.asymmetric_margin)
    return losses.cross_entropy
