"""The largest micro-batch that fits into memory, and the memory that one takes on a GPU, measured."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from civility.engine.devices import give_back_memory, is_out_of_memory

Peaks = Callable[[int], float]
"""Peak bytes of a micro-batch with this number of comments; infinite if memory ran out."""

_MARGIN = 0.1
"""Share of the memory kept free for workspaces inside kernels and for other programs."""


@dataclass(frozen=True)
class Fit:
    """The largest micro-batch that fits.

    Parameters
    ----------
    batch_size : its comments; 0 if not even one fits
    peak : bytes that it takes besides weights, gradients and moments; of one comment if none fits
    room : bytes available for it
    next_size, next_peak : the next larger size that was considered, which does not fit; 0 if there is none
    """

    batch_size: int
    peak: float
    room: float
    next_size: int = 0
    next_peak: float = 0.0


def sizes_that_share(num_comments: int) -> list[int]:
    """Return the divisors of a number of comments, ascending: the sizes of equal micro-batches."""
    small = [size for size in range(1, math.isqrt(num_comments) + 1) if num_comments % size == 0]
    return sorted({*small, *(num_comments // size for size in small)})


def largest_that_fits(sizes: Sequence[int], peak_of: Peaks, room: float) -> Fit:
    """Return the largest size that fits. Sizes are tried in order, up to the first that does not fit.

    Parameters
    ----------
    sizes : ascending
    peak_of : bytes that a size takes, ascending
    room : bytes available
    """
    fit = Fit(0, 0.0, room)
    for size in sizes:
        peak = peak_of(size)
        if peak > room:
            return Fit(fit.batch_size, fit.peak or peak, room, size, peak)
        fit = Fit(size, peak, room)
    return fit


def room_for_activations(available: float, reserved: float) -> float:
    """Return the bytes that a micro-batch may take; negative if the rest does not fit.

    Parameters
    ----------
    available : bytes free for this process now, with the weights loaded
    reserved : bytes that training will take with any batch
    """
    return (1 - _MARGIN) * available - reserved


def measured_peaks(try_out: Callable[[int], None], parameters: Sequence[torch.nn.Parameter]) -> Peaks:
    """Return a function that measures peaks with the GPU's allocator.

    Parameters
    ----------
    try_out : runs a micro-batch of the given number of comments forwards and backwards
    parameters : all that are trained
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
    """Run a block with gradients allocated, as in the middle of a step; remove them and restore random numbers.

    The second micro-batch of a step adds to the gradients of the first, so that each exists twice for a moment. For the
    token embedding this can be the peak of the whole step.
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
