"""The parts of a run, each made from its recipe: devices, a checked and loaded model, the trainer. Writes nothing."""

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from civility.data.prepare import PreparedData
from civility.engine.batch_order import BatchShape
from civility.engine.devices import (
    MixedPrecision,
    choose_device,
    choose_precision,
    first_of_machine_first,
    processes_here,
    same_weights_everywhere,
    smallest_everywhere,
    start_accelerator,
    use_deterministic_kernels,
)
from civility.engine.hardware import num_cores
from civility.engine.loop import Trainer, TrainingData, TrainingPlan
from civility.engine.schedule import Schedule
from civility.engine.threads import Threads, settle_threads, use_threads
from civility.errors import UserError
from civility.models.batches import Batch, gather
from civility.models.encoder import Encoder, load_config, load_encoder
from civility.models.forward_paths import EagerForward, ForwardChoice, choose_forward
from civility.models.layers import freeze
from civility.models.model_size import ModelSize
from civility.models.token_cache import CacheUse, cached_tokens, default_cache_folder
from civility.models.tokenizer import load_tokenizer
from civility.models.vocabulary import EmbeddingInUse, ids_in_use, keep_in_use, why_whole
from civility.recipe import Recipe
from civility.run import RunDirectory
from civility.scoring.tokens import Tokens
from civility.training.build_loss import loss_of
from civility.training.build_optimizer import (
    average_of_optimizer,
    optimizer_of,
    refuse_unfit_optimizer,
    why_whole_embedding,
)
from civility.training.build_regularizers import (
    average_of,
    change_model,
    refuse_unfit,
    regularizers_of,
)
from civility.training.events import Listener, RunChecked, Speed
from civility.training.preflight import Check, agreed, checks_before_loading, checks_of_the_tokens, refuse_failed


def start_devices(
    recipe: Recipe, run: RunDirectory, tracker: str, threads_before: int
) -> tuple[Any, MixedPrecision, Threads | None]:
    """Start accelerate on the recipe's device; choose the precision, and on a processor the number of threads.

    ``threads_before`` is that of a run that is gone on with, 0 for a new one.

    Raises
    ------
    UserError : the hardware has not what is asked for
    """
    settings = recipe.training
    if settings.deterministic:
        use_deterministic_kernels()
    device = choose_device(settings.device)
    precision = MixedPrecision.of(choose_precision(settings.precision, device), device)
    accelerator = start_accelerator(device, [tracker] if tracker else [], str(run.trackers))
    return accelerator, precision, _start_threads(recipe, accelerator, threads_before) if device == "cpu" else None


def _start_threads(recipe: Recipe, accelerator: Any, before: int) -> Threads:
    num_here = processes_here(accelerator.num_processes)
    threads = settle_threads(
        recipe.training.threads,
        max(1, num_cores() // num_here),
        before,
        # What a probe finds is another number at another time: such a run would not be the same every time.
        probes=not recipe.training.deterministic,
        num_processes=num_here,
    )
    return use_threads(threads, smallest_everywhere(threads.num, accelerator.device))


@dataclass(frozen=True, eq=False)
class RunTokens:
    """The tokens of a run's comments, the tokenizer that made them, and how the cache of tokens took part."""

    tokenizer: Any
    training: Tokens
    validation: Tokens
    cache_uses: tuple[CacheUse, ...]

    @functools.cached_property
    def in_use(self) -> npt.NDArray[np.int64]:
        """(U,) ids that the comments use, ascending."""
        return ids_in_use(self.training, self.validation)


def tokenise_comments(recipe: Recipe, data: PreparedData, accelerator: Any) -> RunTokens:
    """Tokenise the comments of a run, or read their tokens from the cache; one process a machine does it for all.

    Raises
    ------
    UserError : the tokenizer cannot be loaded
    """
    tokenizer = load_tokenizer(recipe.model.name, recipe.model.revision or None)
    cache = default_cache_folder(os.environ)
    with first_of_machine_first(accelerator):
        if _are_the_comments_of_every_fold(recipe, data):
            training, validation, use = _tokens_of_a_fold(tokenizer, data, recipe.data.max_length, cache)
            return RunTokens(tokenizer, training, validation, (use,))
        training, use = cached_tokens(tokenizer, data.training.texts, recipe.data.max_length, cache)
        validation, other = cached_tokens(tokenizer, data.validation.texts, recipe.scoring_length, cache)
    return RunTokens(tokenizer, training, validation, (use, other))


def _are_the_comments_of_every_fold(recipe: Recipe, data: PreparedData) -> bool:
    """Whether training and validation together are what the other folds have, cut at one length."""
    as_read = data.original is None and not recipe.data.pseudo_labels
    return bool(recipe.data.folds) and as_read and recipe.data.max_length == recipe.scoring_length


def _tokens_of_a_fold(
    tokenizer: Any, data: PreparedData, max_length: int, cache: Path | None
) -> tuple[Tokens, Tokens, CacheUse]:
    """Return the tokens of training and of validation, taken from those of all comments: made once for all folds."""
    assert data.held_out is not None
    is_held_out = np.zeros(len(data.training) + len(data.validation), dtype=np.bool_)
    is_held_out[data.held_out] = True
    training, validation = iter(data.training.texts), iter(data.validation.texts)
    texts = [next(validation if held_out else training) for held_out in is_held_out.tolist()]
    tokens, use = cached_tokens(tokenizer, texts, max_length, cache)
    return tokens.select(np.flatnonzero(~is_held_out)), tokens.select(np.flatnonzero(is_held_out)), use


def check_and_load(
    recipe: Recipe,
    data: PreparedData,
    run: RunDirectory,
    tokens: RunTokens,
    accelerator: Any,
    precision: MixedPrecision,
    tell: Listener,
) -> tuple[Encoder, list[Check]]:
    """Make the checks that need no weights, then load the model; return it and what was found.

    Raises
    ------
    UserError : a check failed: a machine too small is told, not killed while the weights are loaded
    """
    name, revision, settings = recipe.model.name, recipe.model.revision or None, recipe.training
    refuse_unfit(recipe)
    refuse_unfit_optimizer(recipe)
    config = load_config(name, revision)
    size = ModelSize.of(config, len(data.training.labels)).training(
        rows_in_use=len(tokens.in_use) if settings.vocabulary_in_use and not why_whole_embedding(recipe) else None,
        freezes_embeddings=settings.freeze_embeddings,
        num_frozen_layers=settings.freeze_layers,
        optimizer=settings.optimizer,
    )
    found = checks_before_loading(recipe, data, run.path, size, config, precision, accelerator.num_processes)
    found += checks_of_the_tokens(tokens.tokenizer, tokens.training, size.vocabulary)
    checks = agreed(found)
    refuse_at_once(checks, tell)
    encoder = load_encoder(name, data.training.labels, revision=revision, seed=recipe.seed, tokenizer=tokens.tokenizer)
    for setting, length in (("data", recipe.data.max_length), ("evaluation", recipe.evaluation.max_length)):
        if length > encoder.longest_text:
            raise UserError(
                "training.todo",
                f"{setting}.max_length = {length}: {name} takes at most {encoder.longest_text} tokens",
                remedy=f"--set {setting}.max_length={encoder.longest_text}",
            )
    return encoder, checks


def refuse_at_once(checks: Sequence[Check], tell: Listener) -> None:
    """Show all checks so far and raise a UserError if one failed; else return, and they are shown with the rest."""
    if any(check.state == "failed" for check in checks):
        tell(RunChecked(tuple(checks), in_full=True))
    refuse_failed(checks)


def build_trainer(
    recipe: Recipe,
    data: PreparedData,
    tokens: RunTokens,
    encoder: Encoder,
    accelerator: Any,
    precision: MixedPrecision,
    global_size: int | None,
) -> tuple[Trainer, Speed]:
    """Put model, loss, optimiser and plan together on the device; return them and how the model is sped up.

    ``global_size`` is the effective batch of a run that is gone on with: it is the run's, on whatever number of
    processes, since the schedule and the order hang on it.

    Raises
    ------
    UserError : what shall be frozen, or changed, is not there
    """
    settings = recipe.training
    shape = BatchShape.of(settings.batch_size, settings.gradient_accumulation, accelerator.num_processes)
    if global_size is not None:
        shape = replace(shape, global_size=global_size)
    loss = loss_of(recipe, data.training.targets).to(accelerator.device)
    model = encoder.model
    change_model(recipe, model)
    freeze(model, embeddings=settings.freeze_embeddings, num_layers=settings.freeze_layers)
    # Cut down before it moves: the whole matrix need not fit on the device.
    why = why_whole_embedding(recipe) if settings.vocabulary_in_use else "switched off"
    vocabulary, why = (None, why) if why else _vocabulary(model, tokens)
    model.to(accelerator.device)
    same_weights_everywhere(model)
    choice = _choose_together(recipe, model, tokens.training, accelerator, precision)
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
        token_cache=_told_of_cache(tokens.cache_uses),
        checkpointing=settings.gradient_checkpointing,
        num_frozen=sum(parameter.numel() for parameter in model.parameters() if not parameter.requires_grad),
    )
    return trainer, speed


def _told_of_cache(uses: Sequence[CacheUse]) -> str:
    reasons = [use.reason for use in uses if use.reason]
    if reasons:
        return f"tokens not kept in {default_cache_folder(os.environ)}: {reasons[0]}"
    return "tokens from the cache" if any(use.outcome == "read" for use in uses) else ""


def _vocabulary(model: Any, tokens: RunTokens) -> tuple[EmbeddingInUse | None, str]:
    """Cut the token embedding down to the rows in use; return it, or why it has to stay whole."""
    reason = why_whole(model)
    if reason:
        return None, reason
    return keep_in_use(model, tokens.in_use), ""


def _choose_together(
    recipe: Recipe, model: Any, tokens: Tokens, accelerator: Any, precision: MixedPrecision
) -> ForwardChoice:
    """Choose a way through the model that every process can take: where one cannot, the others would wait for it."""
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
    """Return a few of the comments: short, and one so long that DeBERTa's distances share buckets, if there is one."""
    rows = [int(np.abs(tokens.lengths - length).argmin()) for length in (140, 12, 12, 5)]
    return gather(tokens, np.array(rows))


def plan_of(recipe: Recipe, shape: BatchShape, num_comments: int) -> TrainingPlan:
    """Return what the loop is asked to do with so many training comments."""
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
