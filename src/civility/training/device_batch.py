"""`--fit`: the micro-batch that this machine has the memory for, by trying on a GPU and by an estimate elsewhere."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from civility.arrays import Rows
from civility.engine.devices import processes_here, smallest_everywhere
from civility.engine.hardware import Memory
from civility.engine.loop import Trainer
from civility.engine.memory_fit import (
    Fit,
    Peaks,
    largest_that_fits,
    measured_peaks,
    room_for_activations,
    sizes_that_share,
)
from civility.engine.optimizer import state_bytes
from civility.errors import UserError
from civility.models.forward_paths import EagerForward
from civility.models.model_size import ModelSize
from civility.recipe import Recipe
from civility.training.build_regularizers import costs_of
from civility.training.preflight import Check
from civility.training.preflight.machine_checks import check_fit, gib

_NUMBER = 4
"""Bytes of a float32: of a weight, and of its gradient."""

_ALLOWANCE = 1.35
"""By what the estimate of a micro-batch is multiplied. The estimate was 0.76 of what tensors took for a packed DeBERTa
of 256 tokens, 0.89 to 1.19 for others, and processes with small tensors grew up to 1.31 times as much as these: glibc's
heap keeps holes."""

_REMEDY = (
    "--set training.gradient_checkpointing=true keeps less for the backward pass;\n"
    "training.freeze_embeddings and training.freeze_layers train less; "
    "a smaller data.max_length cuts comments shorter; or choose a smaller model (--model)"
)


def fit_to_memory(recipe: Recipe, trainer: Trainer, memory: Memory | None) -> tuple[Recipe, str, Check]:
    """Choose the largest micro-batch that the memory takes, of those that share a step evenly, for every process.

    A GPU tries them: its allocator refuses what does not fit. On a CPU nobody refuses, the system kills the process, so
    the estimate of the check of memory decides, for the longest comments of the run; no micro-batch is larger than the
    recipe's there, since that gains nothing. Return the recipe with what was chosen written out, the choice in words,
    and what stands for the check of memory. The trainer has the micro-batch afterwards; weights, gradients and random
    draws are what they were.

    Parameters
    ----------
    recipe : whose effective batch is kept
    trainer : as built: its weights are loaded, its first step is to come
    memory : of its device, as it is now; None if nobody tells

    Raises
    ------
    UserError : the memory is too small for a single comment, or nobody tells how much there is
    """
    settings = recipe.training
    asked = settings.batch_size * settings.gradient_accumulation
    on_gpu = trainer.precision.device == "cuda"
    largest = asked if on_gpu else settings.batch_size
    # More than the comments there are would never come.
    largest = max(1, min(largest, -(-len(trainer.data.tokens) // trainer.accelerator.num_processes)))
    sizes = [size for size in sizes_that_share(asked) if size <= largest]
    fit = _fit_here(recipe, trainer, memory, sizes)
    batch_size = smallest_everywhere(fit.batch_size, trainer.accelerator.device)
    if not batch_size:
        raise _too_small(fit, recipe.data.max_length)
    accumulation = asked // batch_size
    trainer.shape = replace(trainer.shape, batch_size=batch_size)
    words = f"{batch_size:,} at once"
    if fit.next_size and fit.batch_size == batch_size:
        words += f", since {fit.next_size:,} do not fit"
    if not on_gpu:
        words += " (estimated)"
    check = check_fit(fit, batch_size, accumulation, estimated=not on_gpu)
    return recipe.with_batch(batch_size, accumulation), words, check


def _too_small(fit: Fit, max_length: int) -> UserError:
    if fit.room <= 0:
        return UserError(
            "training.todo",
            f"the memory is too small for weights and optimiser: {gib(-fit.room)} are missing",
            remedy=_REMEDY,
        )
    if fit.batch_size:
        return UserError(
            "training.todo",
            "another process of this run has not the memory to train on a single comment",
            remedy=_REMEDY,
        )
    takes = f"takes about {gib(fit.peak)}" if np.isfinite(fit.peak) else "takes more"
    return UserError(
        "training.todo",
        f"the memory is too small to train on a single comment: of up to {max_length} "
        f"tokens it {takes}, and beside weights and optimiser there are {gib(fit.room)}",
        remedy=_REMEDY,
    )


def _fit_here(recipe: Recipe, trainer: Trainer, memory: Memory | None, sizes: Sequence[int]) -> Fit:
    """Return what fits into the memory that this process has."""
    if memory is None:
        raise UserError(
            "training.todo",
            "this system does not tell how much memory it has",
            remedy="set training.batch_size without --fit",
        )
    on_gpu = trainer.precision.device == "cuda"
    trained = [parameter for parameter in trainer.model.parameters() if parameter.requires_grad]
    reserved = _reserved_bytes(sum(parameter.numel() for parameter in trained), recipe, trainer)
    available = memory.available / (1 if on_gpu else processes_here(trainer.accelerator.num_processes))
    room = room_for_activations(available, reserved)
    if room <= 0:
        return Fit(0, 0.0, room)
    if not on_gpu:
        return largest_that_fits(sizes, _estimated_peaks(recipe, trainer, trained), room)
    longest = np.argsort(-trainer.data.tokens.lengths, kind="stable")
    was_training = trainer.model.training
    trainer.model.train()
    fit = largest_that_fits(sizes, measured_peaks(partial(_try_longest, trainer, longest), trained), room)
    trainer.model.train(was_training)
    return fit


def _estimated_peaks(recipe: Recipe, trainer: Trainer, trained: Sequence[torch.nn.Parameter]) -> Peaks:
    """Return the peaks by the shapes of the model, with every comment as long as the longest."""
    size = ModelSize.of(trainer.model.config, trainer.data.targets.shape[1])
    length = int(trainer.data.tokens.lengths.max())
    # A gradient that is added to one of an earlier micro-batch is there beside it for a moment.
    added = _NUMBER * max(parameter.numel() for parameter in trained)

    def peak_of(num_comments: int) -> float:
        takes = size.micro_batch_bytes(
            num_comments,
            length,
            half=trainer.precision.name in ("bf16", "fp16"),
            packed=not isinstance(trainer.forward, EagerForward),
            checkpointed=recipe.training.gradient_checkpointing,
            passes=costs_of(recipe).passes,
        )
        return max(_ALLOWANCE * takes, float(added))

    return peak_of


def _reserved_bytes(num_trained: int, recipe: Recipe, trainer: Trainer) -> int:
    """Return what a run takes of memory beside weights and a micro-batch, and has not taken before its first step."""
    costs, moments = costs_of(recipe), state_bytes(trainer.optimizer)
    reserved = (_NUMBER + costs.kept + costs.in_step) * num_trained + moments
    if trainer.accelerator.num_processes > 1:
        reserved += _NUMBER * num_trained  # buffers in which gradients are exchanged
    if trainer.precision.device != "cuda" and recipe.training.checkpoint_minutes:
        reserved += (_NUMBER + costs.kept) * num_trained + moments  # the copy that is written beside training
    return reserved


def _try_longest(trainer: Trainer, longest: Rows, num_comments: int) -> None:
    """Run a micro-batch of the longest comments; some come more than once where there are too few."""
    trainer.try_out(np.resize(longest[:num_comments], num_comments))
