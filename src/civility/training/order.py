"""Which comments each optimiser step, process and micro-batch takes: a pure function of the place.

Nothing here has state, so a run can be entered at any step, on any number of processes.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]

_BATCHES_PER_CHUNK = 50
"""Batches sorted by length together: enough for a few per cent of padding, few enough to stay random."""


@dataclass(frozen=True)
class BatchShape:
    """How a global batch is made up. What is trained depends on its size alone; the rest says who computes it.

    Parameters
    ----------
    batch_size : comments a process takes at once at most (a micro-batch, B)
    global_size : comments a full optimiser step takes, over all processes
    num_processes : processes that share the step
    """

    batch_size: int
    global_size: int
    num_processes: int = 1

    @classmethod
    def of(cls, batch_size: int, accumulation: int = 1, num_processes: int = 1) -> "BatchShape":
        """Return the shape in which each process takes ``accumulation`` full micro-batches a step."""
        return cls(batch_size, batch_size * accumulation * num_processes, num_processes)

    def num_steps(self, num_comments: int) -> int:
        """Return the optimiser steps that so many comments of an epoch take; one of them may be smaller."""
        return -(-num_comments // self.global_size)


def step_seed(seed: int, epoch: int, step: int, rank: int) -> int:
    """Fold a place in the run into a 63-bit seed for dropout, independent for every place."""
    folded = hashlib.blake2b(f"{seed}/{epoch}/{step}/{rank}".encode(), digest_size=8).digest()
    return int.from_bytes(folded, "little") >> 1


def epoch_order(
    lengths: npt.NDArray[np.int64], global_size: int, seed: int, epoch: int, group_by_length: bool
) -> list[Rows]:
    """Return the rows of every optimiser step of an epoch: each row exactly once.

    Parameters
    ----------
    lengths : (N,) tokens of each comment
    global_size : comments of an optimiser step; one of them is smaller where they do not divide evenly
    seed, epoch : the order is a function of these two
    group_by_length : sort large shuffled chunks by length and shuffle the batches cut from them, so that
        comments of one step are about equally long and padding is small

    Returns
    -------
    the rows of each step by ascending length, which changes no sum over them
    """
    rng = np.random.default_rng([seed, epoch])
    rows, size = rng.permutation(len(lengths)), global_size
    chunk_size = size * _BATCHES_PER_CHUNK if group_by_length else size
    batches = []
    for start in range(0, len(rows), chunk_size):
        chunk = rows[start : start + chunk_size]
        chunk = chunk[np.argsort(lengths[chunk], kind="stable")]
        batches += [chunk[first : first + size] for first in range(0, len(chunk), size)]
    return [batches[i] for i in rng.permutation(len(batches))] if group_by_length else batches


def micro_batches(rows: Rows, shape: BatchShape, rank: int) -> Sequence[Rows]:
    """Return the micro-batches that one process takes of a step.

    Every process gets the same number of them. Where a step cannot be shared evenly, some are smaller by one
    comment; in a short step they may be empty.

    Rows that come sorted by length are dealt out there and back again, so that all processes get about as many
    tokens and none waits for another.
    """
    num_rounds = -(-len(rows) // (shape.batch_size * shape.num_processes))
    turn, place = np.divmod(np.arange(len(rows)), shape.num_processes)
    dealt_to = np.where(turn % 2 == 0, place, shape.num_processes - 1 - place)
    return np.array_split(rows[dealt_to == rank], num_rounds)
