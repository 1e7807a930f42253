"""The trainer of a run: model, forward pass, loss, optimizer and plan, made from the recipe."""

from dataclasses import replace
from typing import Any

import numpy as np

from civility.arrays import Targets
from civility.data.prepare import PreparedData
from civility.engine.devices import MixedPrecision, same_weights_everywhere, smallest_everywhere
from civility.engine.loop import Trainer, TrainingData, TrainingPlan
from civility.engine.loss import (
    Asymmetric,
    EffectiveNumber,
    ElementLoss,
    Focal,
    Loss,
    build_loss,
    cross_entropy,
    positive_share,
)
from civility.engine.step_plan import BatchShape, Schedule
from civility.models.batches import Batch, gather
from civility.models.encoder import Encoder
from civility.models.forward_paths import EagerForward, ForwardChoice, choose_forward
from civility.models.layers import freeze
from civility.models.vocabulary import keep_in_use, why_whole
from civility.recipe import Recipe
from civility.scoring.tokens import Tokens
from civility.training.build_optimizer import average_of_optimizer, optimizer_of, why_whole_embedding
from civility.training.build_regularizers import average_of, change_model, regularizers_of
from civility.training.build_tokens import RunTokens
from civility.training.events import Speed


def build_trainer(
    recipe: Recipe,
    data: PreparedData,
    tokens: RunTokens,
    encoder: Encoder,
    accelerator: Any,
    precision: MixedPrecision,
    global_size: int | None,
) -> tuple[Trainer, Speed]:
    """Build model, loss, optimizer and plan on the device; return them and how the forward pass is sped up.

    Parameters
    ----------
    recipe, data, tokens : of the run
    encoder : as loaded; its model is changed and moved
    accelerator, precision : from `civility.training.build.start_devices`
    global_size : effective batch size of the run to resume, which keeps it on any number of processes, since
        schedule and order depend on it; None for a new run

    Raises
    ------
    UserError : the model lacks a part that the recipe freezes or changes
    """
    settings = recipe.training
    shape = BatchShape.of(settings.batch_size, settings.gradient_accumulation, accelerator.num_processes)
    if global_size is not None:
        shape = replace(shape, global_size=global_size)
    loss = loss_of(recipe, data.training.targets).to(accelerator.device)
    model = encoder.model
    change_model(recipe, model)
    freeze(model, embeddings=settings.freeze_embeddings, num_layers=settings.freeze_layers)
    # Before the model moves: the whole embedding need not fit on the device.
    why = why_whole_embedding(recipe) if settings.vocabulary_in_use else "switched off"
    why = why or why_whole(model)
    vocabulary = None if why else keep_in_use(model, tokens.in_use)
    model.to(accelerator.device)
    same_weights_everywhere(model)
    choice = _choose_forward(recipe, model, tokens.training, accelerator, precision)
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
        average=average_of(recipe, model) or average_of_optimizer(recipe, model, optimizer),
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


def _choose_forward(
    recipe: Recipe, model: Any, tokens: Tokens, accelerator: Any, precision: MixedPrecision
) -> ForwardChoice:
    """Choose a forward pass that every process can use; if only some had a fast one, they would wait for the rest."""
    settings, sample = recipe.training, _sample(tokens).to(accelerator.device)
    checkpointing = settings.gradient_checkpointing
    if settings.deterministic and precision.device != "cpu" and settings.attention == "auto":
        return ForwardChoice(EagerForward(model, checkpointing=checkpointing), "training.deterministic")
    choice = choose_forward(model, settings.attention, sample, checkpointing=checkpointing, autocast=precision.autocast)
    is_fast = not isinstance(choice.forward, EagerForward)
    if smallest_everywhere(is_fast, accelerator.device) == is_fast:
        return choice
    choice.forward.undo()
    return ForwardChoice(
        EagerForward(model, checkpointing=checkpointing), "another process of this run has no faster one"
    )


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


def loss_of(recipe: Recipe, targets: Targets) -> Loss:
    """Return the loss of a recipe for training targets (N, L), NaN where unknown."""
    settings, effective = recipe.loss, None
    if settings.class_weights == "effective_number":
        effective = EffectiveNumber(settings.effective_beta, (~np.isnan(targets)).sum(axis=0))
    return build_loss(
        recipe.training.loss,
        positive_share(targets),
        recipe.training.weight_power,
        elements=_elements(recipe),
        effective=effective,
        weigh_labels=settings.weigh_labels,
        smoothing=settings.label_smoothing,
    )


def _elements(recipe: Recipe) -> ElementLoss:
    settings = recipe.loss
    if recipe.training.loss == "focal":
        return Focal(settings.focal_gamma, None if settings.focal_alpha < 0 else settings.focal_alpha)
    if recipe.training.loss == "asymmetric":
        return Asymmetric(
            settings.asymmetric_gamma_positive, settings.asymmetric_gamma_negative, settings.asymmetric_margin
        )
    return cross_entropy
