"""The largest micro-batch that fits into a memory, and what one takes on a GPU: tried forward and backward.

Knows neither the recipe nor the order of comments.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from civility.engine.devices import give_back_memory, is_out_of_memory

Peaks = Callable[[int], float]
"""Bytes that a micro-batch of so many comments takes at its highest point; infinite where it was refused."""

_MARGIN = 0.1
"""Of the memory, for what is not seen: workspaces inside kernels, other programs that grow."""


@dataclass(frozen=True)
class Fit:
    """What fits into a memory.

    Parameters
    ----------
    batch_size : comments of the largest micro-batch that fits; 0 if not even one does
    peak : bytes that it takes beside weights, gradients and moments; of one comment if none fits
    room : bytes that there are for it
    next_size, next_peak : the next larger one that was considered and does not fit; 0 if there is none
    """

    batch_size: int
    peak: float
    room: float
    next_size: int = 0
    next_peak: float = 0.0


def sizes_that_share(num_comments: int) -> list[int]:
    """Return the micro-batches into which so many comments can be shared evenly, the smallest first."""
    small = [size for size in range(1, math.isqrt(num_comments) + 1) if num_comments % size == 0]
    return sorted({*small, *(num_comments // size for size in small)})


def largest_that_fits(sizes: Sequence[int], peak_of: Peaks, room: float) -> Fit:
    """Return the largest size whose peak the room takes. Sizes are tried from the smallest up, and none beyond need.

    Parameters
    ----------
    sizes : ascending
    peak_of : bytes that a size takes; does not fall with the size
    room : bytes
    """
    fit = Fit(0, 0.0, room)
    for size in sizes:
        peak = peak_of(size)
        if peak > room:
            return Fit(fit.batch_size, fit.peak or peak, room, size, peak)
        fit = Fit(size, peak, room)
    return fit


def room_for_activations(available: float, reserved: float) -> float:
    """Return the bytes that a micro-batch may take, beside a margin and what training takes whatever the batch.

    Negative where these alone are too much.

    Parameters
    ----------
    available : bytes free now, with the weights loaded, for this process
    reserved : bytes that training takes whatever the batch, and has not taken yet
    """
    return (1 - _MARGIN) * available - reserved


def measured_peaks(try_out: Callable[[int], None], parameters: Sequence[torch.nn.Parameter]) -> Peaks:
    """Return the peaks as a GPU's allocator tells them: each is tried when it is asked for.

    Parameters
    ----------
    try_out : runs a micro-batch of so many comments forwards and backwards
    parameters : that are trained
    """

    def peak_of(size: int) -> float:
        with _untouched(parameters):
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            try:
                try_out(size)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                return math.inf
            return float(torch.cuda.max_memory_allocated() - before)

    return peak_of


@contextmanager
def _untouched(parameters: Sequence[torch.nn.Parameter]) -> Iterator[None]:
    """Run a block with gradients in place, as in the middle of a step, and leave neither them nor random draws behind.

    A second micro-batch adds to the gradients of the first, so each new one is for a moment there twice: with the table
    of token embeddings that can be the highest point of all.
    """
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    try:
        with torch.random.fork_rng(sorted({p.device.index for p in parameters if p.is_cuda})):
            yield
    finally:
        for parameter in parameters:
            parameter.grad = None
        give_back_memory()
