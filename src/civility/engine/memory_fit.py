"""The largest micro-batch that a device's memory takes, found by trying: forwards and backwards, and no step.

On a GPU the allocator tells the highest point of each try, and refuses what does not fit. On a processor nobody
refuses: the system kills. There small tries are enough: they run the same operations, so what is alive after each
operation lies on a line over the number of comments, and the highest line at a size is what that size takes.

Knows neither the recipe nor the order of comments.
"""

import math
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from civility.engine.devices import give_back_memory, is_out_of_memory

Peaks = Callable[[int], float]
"""Bytes that a micro-batch of so many comments takes at its highest point; infinite where it was refused."""

_MARGIN = 0.1
"""Of the memory, for what is not seen: workspaces inside kernels, other programs that grow."""

HEAP_SPREAD = 1.35
"""By so much a process grows more than its tensors, since glibc's heap keeps holes between them: measured 1.23 for a
small DeBERTa and 1.31 for a small BERT, and 1.00 for both where every tensor was mapped by itself."""


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


def room_for_activations(available: float, reserved: float, spread: float = 1.0) -> float:
    """Return the bytes of tensors that a micro-batch may have, beside a margin and what a run adds on its way.

    Negative where these alone are too much.

    Parameters
    ----------
    available : free now, with the weights loaded, for this process
    reserved : bytes that training takes whatever the batch, and has not taken yet
    spread : bytes that a byte of tensors takes: `HEAP_SPREAD` in main memory
    """
    left = (1 - _MARGIN) * available - reserved
    return left / spread if left > 0 else left


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


def predicted_peaks(try_out: Callable[[int], None], parameters: Sequence[torch.nn.Parameter], room: float) -> Peaks:
    """Return the peaks as tries of one, two and three comments predict them.

    Three are only tried where three times one fits: each part of a peak grows with the comments, or stays.

    Parameters
    ----------
    try_out : runs a micro-batch of so many comments forwards and backwards
    parameters : that are trained
    room : bytes that there are
    """
    one = float(_alive_in(try_out, 1, parameters).max())
    if 3 * one > room:
        return lambda size: size * one
    # A batch of one comment takes shorter ways through some operations: the line is that of two and three.
    two, three = (_alive_in(try_out, size, parameters) for size in (2, 3))
    if len(two) != len(three):
        return lambda size: size * one
    return lambda size: one if size == 1 else float((two + (size - 2) * (three - two)).max())


def _alive_in(try_out: Callable[[int], None], size: int, parameters: Sequence[torch.nn.Parameter]) -> Any:
    """Return the bytes alive after each operation of a try, (operations,), without what was alive before it."""
    with _untouched(parameters), _LiveBytes() as live:
        try_out(size)
    return np.asarray(live.after_each, dtype=np.float64)


@contextmanager
def _untouched(parameters: Sequence[torch.nn.Parameter]) -> Iterator[None]:
    """Run a block with gradients in place, as in the middle of a step, and leave neither them nor random draws behind.

    A second micro-batch adds to gradients that are there, so each new one is for a moment there twice: with the table
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


class _LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of tensors that come to life while it is active, after each operation, until they die.

    ``after_each`` has a number an operation. Memory inside a kernel is not seen.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.after_each: list[int] = []
        self._alive = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._see((args, kwargs), counts=False)  # was there before, or is counted already
        made = func(*args, **(kwargs or {}))
        self._see(made, counts=True)
        self.after_each.append(self._alive)
        return made

    def _see(self, tensors: Any, *, counts: bool) -> None:
        for tensor in tree_iter(tensors):
            if not isinstance(tensor, torch.Tensor):
                continue
            storage = tensor.untyped_storage()
            key, size = storage._cdata, storage.nbytes() if counts else 0
            if key not in self._known:
                self._known.add(key)
                self._alive += size
                # An address is given to another storage when its own has died.
                weakref.finalize(storage, self._forget, key, size).atexit = False

    def _forget(self, key: int, size: int) -> None:
        self._alive -= size
        self._known.discard(key)
