"""`--fit`: the largest micro-batch that fits into memory, tried on a GPU and estimated elsewhere."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from civility.engine.devices import processes_here, smallest_everywhere
from civility.engine.hardware import (
    Fit,
    Memory,
    Peaks,
    largest_that_fits,
    measured_peaks,
    room_for_activations,
    sizes_that_share,
)
from civility.engine.loop import Trainer
from civility.engine.optimizer import state_bytes
from civility.errors import UserError
from civility.models.forward_paths import EagerForward
from civility.models.model_size import ModelSize
from civility.plain_text import gib
from civility.recipe import Recipe
from civility.training.build_optimizer import FLOAT_BYTES
from civility.training.preflight import Check
from civility.training.preflight.machine_checks import fit_outcome, further_bytes, micro_batch_bytes

_ALLOWANCE = 1.35
"""Factor on the estimate of a micro-batch. Measured: the estimate was 0.76 of the tensors of a packed DeBERTa with 256
tokens, 0.89 to 1.19 of others, and processes with small tensors grew by up to 1.31 times their tensors, since the heap
of glibc is fragmented. The memory check does without it: there, too low an estimate costs a warning; here, the system
would kill the process."""

_REMEDY = (
    "--set training.gradient_checkpointing=true keeps less for the backward pass;\n"
    "training.freeze_embeddings and training.freeze_layers train less; "
    "a smaller data.max_length truncates comments earlier; or choose a smaller model (--model)"
)


def fit_to_memory(recipe: Recipe, trainer: Trainer, memory: Memory | None) -> tuple[Recipe, str, Check]:
    """Choose the largest micro-batch that fits into the memory of every process and divides the step evenly.

    On a GPU sizes are tried, since its allocator refuses what does not fit. On a CPU the system would kill the process,
    so the estimate of the memory check decides, for the longest comments; there the micro-batch is at most the
    recipe's, since a larger one is not faster. Weights, gradients and random numbers do not change.

    The trainer, before its first step, gets the micro-batch. Return the recipe with it, the choice in words, and the
    outcome that replaces the memory check.

    Raises
    ------
    UserError : the memory is unknown, or too small for a single comment
    """
    settings = recipe.training
    asked = settings.batch_size * settings.gradient_accumulation
    on_gpu = trainer.precision.device == "cuda"
    largest = asked if on_gpu else settings.batch_size
    # A micro-batch never has more comments than there are.
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
    check = fit_outcome(fit, batch_size, accumulation, estimated=not on_gpu)
    return recipe.with_batch(batch_size, accumulation), words, check


def _too_small(fit: Fit, max_length: int) -> UserError:
    if fit.room <= 0:
        found = f"the memory is too small for weights and optimizer: {gib(-fit.room)} more are needed"
    elif fit.batch_size:
        found = "another process of this run has too little memory to train on a single comment"
    else:
        takes = f"takes about {gib(fit.peak)}" if np.isfinite(fit.peak) else "takes more"
        found = (
            f"the memory is too small to train on a single comment: with up to {max_length} tokens it {takes}, "
            f"and weights and optimizer leave {gib(fit.room)}"
        )
    return UserError("training.too-little-memory", found, remedy=_REMEDY)


def _fit_here(recipe: Recipe, trainer: Trainer, memory: Memory | None, sizes: Sequence[int]) -> Fit:
    """Return what fits into the memory of this process."""
    if memory is None:
        found = "the system does not report how much memory it has"
        raise UserError("training.unknown-memory", found, remedy="set training.batch_size without --fit")
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

    def try_longest(num_comments: int) -> None:
        """Run a micro-batch of the longest comments, some of them repeatedly if there are too few."""
        trainer.try_out(np.resize(longest[:num_comments], num_comments))

    was_training = trainer.model.training
    trainer.model.train()
    fit = largest_that_fits(sizes, measured_peaks(try_longest, trained), room)
    trainer.model.train(was_training)
    return fit


def _estimated_peaks(recipe: Recipe, trainer: Trainer, trained: Sequence[torch.nn.Parameter]) -> Peaks:
    """Return peaks that are estimated from the shapes of the model, with every comment as long as the longest."""
    size = ModelSize.of(trainer.model.config, trainer.data.targets.shape[1])
    length = int(trainer.data.tokens.lengths.max())
    # For a moment, a gradient exists beside the sum of those of earlier micro-batches.
    added = FLOAT_BYTES * max(parameter.numel() for parameter in trained)

    def peak_of(num_comments: int) -> float:
        packed = not isinstance(trainer.forward, EagerForward)
        takes = micro_batch_bytes(recipe, size, trainer.precision, num_comments, length, packed=packed)
        return max(_ALLOWANCE * takes, float(added))

    return peak_of


def _reserved_bytes(num_trained: int, recipe: Recipe, trainer: Trainer) -> int:
    """Return the bytes that a run will need besides weights and micro-batches, and has not allocated so far."""
    moments = state_bytes(trainer.optimizer)
    reserved = FLOAT_BYTES * num_trained + moments
    if trainer.accelerator.num_processes > 1:
        reserved += FLOAT_BYTES * num_trained  # buffers in which gradients are exchanged
    return reserved + further_bytes(recipe, trainer.precision.device, num_trained, moments)
