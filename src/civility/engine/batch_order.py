"""The order of comments: which ones each optimizer step, process and micro-batch takes.

A pure function of the place in the run, so that a run can resume at any step, on any number of processes.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from civility.arrays import POSITIVE_FROM, Floats, Ints, Rows, Targets

_BATCHES_PER_CHUNK = 50
"""Batches sorted by length together: enough for only a few per cent of padding, few enough to stay random."""


@dataclass(frozen=True)
class BatchShape:
    """How a global batch is divided. Only its size changes what is trained.

    Parameters
    ----------
    batch_size : most comments that a process takes at once (a micro-batch, B)
    global_size : comments of a full optimizer step, over all processes
    num_processes : processes that share the step
    """

    batch_size: int
    global_size: int
    num_processes: int = 1

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

    Parameters
    ----------
    targets : (N, L); unknown ones are not positive
    power : in [0, 1]; 0 draws all comments alike, 1 about equally many of each label
    """
    positive = targets >= POSITIVE_FROM
    kinds = np.concatenate([positive, ~positive.any(axis=1, keepdims=True)], axis=1)
    frequency = kinds.mean(axis=0, dtype=np.float64)
    rarest = np.where(kinds, frequency, np.inf).min(axis=1)
    weights = rarest**-power
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def epoch_order(
    lengths: Ints,
    global_size: int,
    seed: int,
    epoch: int,
    group_by_length: bool,
    weights: Floats | None = None,
) -> list[Rows]:
    """Return the rows of every optimizer step of an epoch: each row exactly once, or N rows drawn by weight.

    Parameters
    ----------
    lengths : (N,) tokens of each comment
    global_size : comments of an optimizer step; one step is smaller if N is not a multiple of it
    seed, epoch : determine the order
    group_by_length : sort large shuffled chunks by length, divide them into batches and shuffle these, so that the
        comments of a step are about equally long and padding is small
    weights : (N,) probabilities by which N rows are drawn with replacement; None: each row once

    Returns
    -------
    the rows of each step by ascending length, which changes no sum over them
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

    Parameters
    ----------
    rows : of the step, by ascending length
    shape : how the step is divided
    rank : index of the process
    """
    num_rounds = -(-len(rows) // (shape.batch_size * shape.num_processes))
    turn, place = np.divmod(np.arange(len(rows)), shape.num_processes)
    dealt_to = np.where(turn % 2 == 0, place, shape.num_processes - 1 - place)
    return np.array_split(rows[dealt_to == rank], num_rounds)
