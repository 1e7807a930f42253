"""The preflight checks: what would make a run learn the wrong thing, fail late, or not start.

This module runs them, in stages: before the model is loaded, with the tokens of the comments, with the model. The
sentence and the remedy of each check stand in its function: `data_checks` has those of the comments, `machine_checks`
of memory, disk, precision and versions, `model_checks` of model and tokenizer, `plan_checks` of the training plan.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from civility.data.dataset import Dataset
from civility.data.prepare import PreparedData
from civility.engine.devices import MixedPrecision, has_fast_bf16, processes_here
from civility.engine.hardware import device_memory, free_disk
from civility.engine.loop import Trainer
from civility.engine.trial_step import try_padding, try_step
from civility.models.dropout import has_dropout
from civility.models.encoder import Encoder, label_names
from civility.models.forward_paths import EagerForward
from civility.models.model_size import ModelSize
from civility.models.packed_forward import FAMILIES
from civility.models.tokenizer import tokenise
from civility.recipe import Recipe
from civility.run.versions import library_versions
from civility.scoring.tokens import Tokens
from civility.training.build_regularizers import costs_of
from civility.training.preflight.check import Check, State, refuse_failed
from civility.training.preflight.data_checks import (
    check_label_counts,
    check_label_order,
    check_measurable,
    check_texts,
    check_unknown_targets,
)
from civility.training.preflight.machine_checks import (
    check_disk,
    check_memory,
    check_precision,
    check_versions,
    own_requirements,
)
from civility.training.preflight.model_checks import (
    check_head,
    check_model_labels,
    check_padded_scores,
    check_parameter_type,
    check_problem_type,
    check_special_tokens,
    check_trial,
    check_unknown_tokens,
    check_vocabulary,
)
from civility.training.preflight.plan_checks import (
    check_effect,
    check_label_weights,
    check_optimizer,
    check_padding,
    check_positive_weights,
    check_regularization,
    check_schedule,
    check_truncation,
)

__all__ = [
    "Check",
    "State",
    "agreed",
    "checks_before_loading",
    "checks_by_trying",
    "checks_of_the_comments",
    "checks_of_the_run",
    "checks_of_the_tokens",
    "refuse_failed",
]


def checks_before_loading(
    recipe: Recipe,
    data: PreparedData,
    out: Path,
    size: ModelSize,
    config: Any,
    precision: MixedPrecision,
    num_processes: int,
) -> list[Check]:
    """Check machine, disk, versions and comments, before the weights are loaded.

    Parameters
    ----------
    recipe, data : of the run
    out : path of the run directory
    size : of the model, and of its trained part
    config : of the model, from transformers
    precision : as chosen, with its device
    num_processes : that train together
    """
    settings, device = recipe.training, precision.device
    labels = data.training.labels
    # Processes share the memory of a CPU only, and only those on this machine.
    num_here = processes_here(num_processes) if device == "cpu" else 1
    traits = {config.model_type, device, *(("rocm",) if torch.version.hip else ())}
    costs = costs_of(recipe)
    micro_batch = size.micro_batch_bytes(
        min(settings.batch_size, len(data.training)),
        recipe.data.max_length,
        half=precision.name in ("bf16", "fp16"),
        packed=device == "cpu" and settings.attention != "eager" and config.model_type in FAMILIES,
        checkpointed=settings.gradient_checkpointing,
        passes=costs.passes,
    )
    needed = size.training_bytes(micro_batch, shared=num_processes > 1)
    needed += (costs.kept + costs.in_step) * size.num_trained
    if device == "cpu" and settings.checkpoint_minutes:
        needed += size.checkpoint_bytes + costs.kept * size.num_trained  # the copy that a thread writes
    return [
        check_memory(
            needed,
            size.state_bytes + costs.kept * size.num_trained,
            device_memory(device),
            "the GPU" if device == "cuda" else "this machine",
            num_here,
        ),
        check_disk(size, free_disk(out), str(out), averaged=costs.kept),
        check_precision(precision.name, device, fast_bf16=has_fast_bf16(device), model_type=config.model_type),
        check_versions(library_versions(), traits, needed=own_requirements()),
        *checks_of_the_comments(recipe.data.labels, data.training, data.validation),
        check_head(label_names(recipe.model.name, config), config.problem_type, labels),
        *check_effect(recipe),
    ]


def checks_of_the_comments(asked: Sequence[str], training: Dataset, validation: Dataset) -> list[Check]:
    """Check the comments; ``asked`` are the labels of the recipe."""
    return [
        check_label_order(asked, training.labels, validation.labels),
        check_label_counts(training, validation),
        check_measurable(validation),
        check_unknown_targets(training),
        *check_texts(training, validation),
    ]


def checks_of_the_tokens(tokenizer: Any, tokens: Tokens, num_rows: int) -> list[Check]:
    """Check whether tokenizer and model belong together.

    Parameters
    ----------
    tokenizer : of the model
    tokens : of the training comments
    num_rows : rows of the model's token embedding
    """
    return [
        check_vocabulary(tokenizer, num_rows),
        check_special_tokens(tokenizer),
        check_unknown_tokens(tokens, tokenizer.unk_token_id),
    ]


def checks_by_trying(tokenizer: Any, trainer: Trainer) -> list[Check]:
    """Try one step and two short texts on the device; the model is left unchanged."""
    step = check_trial(try_step(trainer), trainer.precision.name)
    if step.state == "failed":
        return [step]
    padding = try_padding(trainer, tokenise(tokenizer, [""], int(trainer.data.tokens.lengths.max())))
    return [step, check_padded_scores(padding, trainer.model.config.model_type)]


def checks_of_the_run(recipe: Recipe, data: PreparedData, encoder: Encoder, trainer: Trainer) -> list[Check]:
    """Check the loaded model and the training plan."""
    settings, plan, shape, loss = recipe.training, trainer.plan, trainer.shape, trainer.loss
    tokens, targets, labels = trainer.data.tokens, trainer.data.targets, data.training.labels
    model = encoder.model
    if settings.loss == "pos_weight_bce":
        weights = check_positive_weights(loss.positive_weights.double().cpu().numpy(), labels)
    else:
        weights = check_label_weights(loss.label_weights.double().cpu().numpy(), labels)
    return [
        check_parameter_type(model),
        check_problem_type(model.config),
        check_model_labels(model.config, labels),
        check_truncation(tokens, targets, labels, recipe.data.max_length, encoder.longest_text),
        check_padding(
            tokens.lengths,
            shape,
            plan.seed,
            group_by_length=plan.group_by_length,
            packed=not isinstance(trainer.forward, EagerForward),
        ),
        check_schedule(plan.schedule, shape, len(tokens), plan.epochs, settings.warmup_fraction),
        *check_optimizer(settings.optimizer, plan.schedule),
        weights,
        *check_regularization(
            recipe.regularization,
            sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
            drops=has_dropout(model),
        ),
    ]


def agreed(checks: list[Check]) -> list[Check]:
    """Return the first process's checks on every process, so that all continue or all stop.

    Free memory and free disk differ from one moment to the next: two processes could judge them differently, and
    the one that continues would wait forever.
    """
    from accelerate.utils import broadcast_object_list

    found: list[list[Check]] = broadcast_object_list([checks])
    return found[0]
