"""What each optimizer step takes: its comments, their micro-batches, its seed and its learning rate.

Pure functions of the place in the run, so that a run can resume at any step, on any number of processes.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from civility.arrays import POSITIVE_FROM, Floats, Ints, Rows, Targets

ScheduleName = Literal["linear", "cosine", "constant", "polynomial", "one_cycle"]
_BATCHES_PER_CHUNK = 50
"""Batches sorted by length together: enough for only a few per cent of padding, few enough to stay random."""


@dataclass(frozen=True)
class BatchShape:
    """How a global batch is divided. Only its size changes what is trained."""

    batch_size: int  # most comments that a process takes at once (a micro-batch, B)
    global_size: int  # comments of a full optimizer step, over all processes
    num_processes: int = 1  # processes that share the step

    @classmethod
    def of(cls, batch_size: int, accumulation: int = 1, num_processes: int = 1) -> "BatchShape":
        """Return the shape with ``accumulation`` full micro-batches per process and step."""
        return cls(batch_size, batch_size * accumulation * num_processes, num_processes)

    def num_steps(self, num_comments: int) -> int:
        """Return the optimizer steps for a number of comments; one of the steps may be smaller."""
        return -(-num_comments // self.global_size)


def step_seed(seed: int, epoch: int, step: int, rank: int) -> int:
    """Return a 63-bit seed for dropout that is independent for every place in the run."""
    folded = hashlib.blake2b(f"{seed}/{epoch}/{step}/{rank}".encode(), digest_size=8).digest()
    return int.from_bytes(folded, "little") >> 1


def class_aware_weights(targets: Targets, power: float) -> Floats:
    """Return the probability with which each comment is drawn, (N,); higher for rarer labels.

    A comment's probability is proportional to ``(1 / frequency) ** power``, with the frequency of its rarest positive
    label, or of comments without a positive label if it has none. The largest factor of a comment's labels is that of
    repeat factor sampling (Gupta, Dollár and Girshick, LVIS, 2019, with power 0.5); class-aware sampling is by Shen,
    Lin and Huang, Relay Backpropagation, 2016.

    Unknown targets (N, L) are not positive; the power 0 draws all comments alike, 1 about equally many of each label.
    """
    positive = targets >= POSITIVE_FROM
    kinds = np.concatenate([positive, ~positive.any(axis=1, keepdims=True)], axis=1)
    frequency = kinds.mean(axis=0, dtype=np.float64)
    rarest = np.where(kinds, frequency, np.inf).min(axis=1)
    weights = rarest**-power
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def epoch_order(
    lengths: Ints, global_size: int, seed: int, epoch: int, group_by_length: bool, weights: Floats | None = None
) -> list[Rows]:
    """Return the rows of every optimizer step of an epoch, in each by ascending length, which changes no sum over them.

    Parameters
    ----------
    lengths : (N,) tokens of each comment
    global_size : comments of an optimizer step; one step is smaller if N is not a multiple of it
    seed, epoch : determine the order
    group_by_length : sort large shuffled chunks by length, divide them into batches and shuffle these, so that the
        comments of a step are about equally long and padding is small
    weights : (N,) probabilities by which N rows are drawn with replacement; None: each row exactly once
    """
    rng = np.random.default_rng([seed, epoch])
    rows, size = _drawn(rng, len(lengths), weights), global_size
    chunk_size = size * _BATCHES_PER_CHUNK if group_by_length else size
    batches = []
    for start in range(0, len(rows), chunk_size):
        chunk = rows[start : start + chunk_size]
        chunk = chunk[np.argsort(lengths[chunk], kind="stable")]
        batches += [chunk[first : first + size] for first in range(0, len(chunk), size)]
    return [batches[i] for i in rng.permutation(len(batches))] if group_by_length else batches


def _drawn(rng: np.random.Generator, num: int, weights: Floats | None) -> Rows:
    """Return ``num`` rows in a random order: each once, or drawn with replacement by weight."""
    if weights is None:
        return rng.permutation(num)
    reached = np.cumsum(weights)
    # Scale by the sum itself, so that rounding leaves no gap at the end.
    return np.asarray(np.searchsorted(reached, rng.random(num) * reached[-1], side="right"), dtype=np.int64)


def micro_batches(rows: Rows, shape: BatchShape, rank: int) -> Sequence[Rows]:
    """Return the micro-batches of one process in a step.

    Every process gets the same number of micro-batches. If a step cannot be divided evenly, some are smaller by one
    comment; in a short step they may be empty. Rows sorted by length are dealt out back and forth, so that all
    processes get about as many tokens and none waits for another.
    """
    num_rounds = -(-len(rows) // (shape.batch_size * shape.num_processes))
    turn, place = np.divmod(np.arange(len(rows)), shape.num_processes)
    dealt_to = np.where(turn % 2 == 0, place, shape.num_processes - 1 - place)
    return np.array_split(rows[dealt_to == rank], num_rounds)


@dataclass(frozen=True)
class Schedule:
    """A warm-up to the peak, then a decay that ends at ``num_steps``.

    The factors are those of transformers' ``get_linear_schedule_with_warmup`` and its relatives: with a warm-up, the
    first step has learning rate 0. A function of our own step counter, since accelerate's schedulers step once per
    *process* and only when gradients are synchronised (huggingface/accelerate#963).

    - "linear": to 0.
    - "cosine": half a wave (Loshchilov & Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts",
      equation 5, without a restart).
    - "constant": stays at the peak.
    - "polynomial": the remaining share of the steps to a power (Devlin et al.'s code for BERT has power 1).
    - "one_cycle": rises from a share of the peak instead of from 0, along half a wave, and falls along another
      (Smith & Topin 2018, "Super-Convergence", in the form of torch's ``OneCycleLR``).
    """

    peak: float  # highest learning rate
    num_warmup_steps: int
    num_steps: int  # optimizer steps in all planned epochs
    name: ScheduleName = "linear"  # of the decay
    power: float = 1.0  # of "polynomial"
    final_share: float = 0.0  # of the peak, at the end of "cosine", "polynomial" and "one_cycle"
    start_share: float = 0.0  # of the peak, at the first step of "one_cycle"

    @property
    def final(self) -> float:
        """The learning rate at the end of all steps."""
        share = {"linear": 0.0, "constant": 1.0}.get(self.name, self.final_share)
        return self.peak * share

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of the optimizer step with this 0-based number."""
        if step < self.num_warmup_steps:
            done = step / self.num_warmup_steps
            if self.name == "one_cycle":
                return self.peak * (1 - (1 - self.start_share) * _half_wave(done))
            return self.peak * done
        remaining = max(0, self.num_steps - step)
        return self.peak * self._factor(remaining / max(1, self.num_steps - self.num_warmup_steps))

    def _factor(self, remaining: float) -> float:
        """Return the share of the peak if this share of the decay remains."""
        if self.name == "linear":
            return remaining
        if self.name == "constant":
            return 1.0
        shape = remaining**self.power if self.name == "polynomial" else _half_wave(1 - remaining)
        return shape * (1 - self.final_share) + self.final_share


def _half_wave(done: float) -> float:
    """Return the value of half a cosine wave that falls from 1 to 0."""
    return 0.5 * (1 + math.cos(math.pi * done))
