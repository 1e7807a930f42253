"""The checks before a run: what would make it learn the wrong thing, fail late, or not at all.

In two stages: what can be told before a model is loaded, and what needs the model and the tokens. Each check is a
function of plain arguments in the modules beside this one; here a run's recipe and pieces become those arguments.
"""

import os
from pathlib import Path
from typing import Any

import torch

from civility.data.prepare import PreparedData
from civility.model.encoder import Encoder, label_names
from civility.model.size import ModelSize
from civility.recipe import Recipe
from civility.train.doctor.check import Check, State, refuse_failed
from civility.train.doctor.data_checks import (
    check_label_counts,
    check_label_order,
    check_measurable,
    check_texts,
    check_unknown_targets,
)
from civility.train.doctor.known_faults import check_versions, own_requirements
from civility.train.doctor.machine_checks import CHECKPOINT_BYTES, check_disk, check_memory, check_precision
from civility.train.doctor.model_checks import (
    check_head,
    check_model_labels,
    check_parameter_type,
    check_problem_type,
    check_special_tokens,
    check_unknown_tokens,
    check_vocabulary,
)
from civility.train.doctor.plan_checks import (
    check_label_weights,
    check_padding,
    check_positive_weights,
    check_schedule,
    check_truncation,
)
from civility.training.devices import has_fast_bf16
from civility.training.environment import library_versions
from civility.training.hardware import device_memory, free_disk
from civility.training.loop import Trainer

__all__ = ["Check", "State", "agreed", "checks_before_loading", "checks_of_the_run", "refuse_failed"]


def checks_before_loading(
    recipe: Recipe, data: PreparedData, out: Path, config: Any, device: str, precision: str, num_processes: int
) -> list[Check]:
    """Return what can be told before the weights are loaded: machine, disk, versions, comments.

    Parameters
    ----------
    out : the run directory to be
    config : of the model, from transformers
    device, precision : as chosen
    num_processes : that train together
    """
    settings = recipe.training
    labels = data.training.labels
    size = ModelSize.of(config, len(labels))
    # Processes on other machines share nothing with us; GPUs are not shared at all.
    num_here = int(os.environ.get("LOCAL_WORLD_SIZE", num_processes)) if device == "cpu" else 1
    traits = {config.model_type, device, *(("rocm",) if torch.version.hip else ())}
    needed = size.training_bytes(
        settings.batch_size, recipe.data.max_length, half=precision in ("bf16", "fp16"), shared=num_processes > 1
    )
    if device == "cpu" and settings.checkpoint_minutes:
        needed += CHECKPOINT_BYTES * size.num_parameters  # the copy that is written beside training
    return [
        check_memory(
            needed, size.state_bytes, device_memory(device), "the GPU" if device == "cuda" else "this machine", num_here
        ),
        check_disk(size, free_disk(out), str(out)),
        check_precision(precision, device, fast_bf16=has_fast_bf16(device), model_type=config.model_type),
        check_versions(library_versions(), traits, needed=own_requirements()),
        check_label_order(recipe.data.labels, labels, data.validation.labels),
        check_label_counts(data.training, data.validation),
        check_measurable(data.validation),
        check_unknown_targets(data.training),
        *check_texts(data.training, data.validation),
        check_head(label_names(recipe.model.name, config), config.problem_type, labels),
    ]


def checks_of_the_run(recipe: Recipe, data: PreparedData, encoder: Encoder, trainer: Trainer) -> list[Check]:
    """Return what can be told once the model is loaded and the training comments are tokenised."""
    settings, plan, shape, loss = recipe.training, trainer.plan, trainer.shape, trainer.loss
    tokens, targets, labels = trainer.data.tokens, trainer.data.targets, data.training.labels
    model, tokenizer = encoder.model, encoder.tokenizer
    if settings.loss == "pos_weight_bce":
        weights = check_positive_weights(loss.positive_weights.double().cpu().numpy(), labels)
    else:
        weights = check_label_weights(loss.label_weights.double().cpu().numpy(), labels)
    return [
        check_parameter_type(model),
        check_problem_type(model.config),
        check_model_labels(model.config, labels),
        check_vocabulary(tokenizer, model.get_input_embeddings().num_embeddings),
        check_special_tokens(tokenizer),
        check_unknown_tokens(tokens, tokenizer.unk_token_id),
        check_truncation(tokens, targets, labels, recipe.data.max_length, encoder.longest_text),
        check_padding(tokens.lengths, shape, plan.seed, plan.group_by_length),
        check_schedule(plan.schedule, shape, len(tokens), plan.epochs, settings.warmup_fraction),
        weights,
    ]


def agreed(checks: list[Check]) -> list[Check]:
    """Return the first process's checks on every process, so that all go on or all stop.

    Free memory and free disk differ from one moment to the next: two processes could judge them differently, and the
    one that goes on would wait for ever.
    """
    from accelerate.utils import broadcast_object_list

    found: list[list[Check]] = broadcast_object_list([checks])
    return found[0]
