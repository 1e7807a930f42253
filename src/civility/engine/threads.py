"""How many CPU threads to compute with: as set, as before an interruption, or as a short probe finds fastest.

Another busy process can make two threads on two cores slower than one, since the threads of a matrix product wait for
each other. Only a measurement shows by how much; the decision is a function of its timings.
"""

import contextlib
import os
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from civility.documents.run_environment import WhyThreads

_TOKENS, _WIDTH = 1024, 768
"""Of the product that is timed: a micro-batch of 16 comments of 64 tokens, and the width of a base model."""

_SECONDS, _FEWEST_ROUNDS = 0.25, 3
_ABOUT_EQUAL = 1.05
_CLEARLY_SLOWER = 1.3
"""More threads are slower by this factor only if another process occupies a core that one of them waits for."""

_POOR_GAIN, _MUCH_LOAD = 0.75, 0.5
"""Share of the gain that free cores would give; share of the cores that running processes occupy."""

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Threads:
    """The number of threads that torch computes with."""

    num: int
    why: WhyThreads
    is_busy: bool = False  # whether another process seems to keep this machine's CPU busy
    is_fixed: bool = False  # whether the user has set the number
    text: str = ""  # the variable that sets it
    cores: int = 0  # the most threads that were tried, if not the fastest
    times_slower: float = 0.0  # how many times slower those are


def settle_threads(wanted: int, cores: int, before: int, *, probes: bool, num_processes: int = 1) -> Threads:
    """Return the number of threads for this process, without setting it.

    In this order: the recipe, the user's environment, the run that is resumed, a probe.

    Parameters
    ----------
    wanted : set by the recipe; 0 leaves the choice
    cores : cores that this process has for itself
    before : threads of the run that is resumed, since only the same number repeats its sums to the bit; 0 for none
    probes : whether to measure; otherwise every core gets a thread
    num_processes : that a launcher has started on this machine
    """
    if wanted:
        return Threads(wanted, "recipe", is_fixed=True)
    from_environment = threads_of_environment(os.environ, num_processes)
    if from_environment is not None:
        return from_environment
    if 0 < before <= cores:
        return Threads(before, "resumed")
    if not probes or cores == 1:
        return Threads(cores, "one_per_core")
    load = 0.0
    if num_processes == 1:
        with contextlib.suppress(OSError, AttributeError):  # some systems do not report it
            load = os.getloadavg()[0]
    return decide(probe(counts_to_try(cores)), load)


def threads_of_environment(environment: Mapping[str, str], num_processes: int) -> Threads | None:
    """Return the number of threads that the user's environment sets, or None.

    Launchers set 1 if nothing is set, which would leave all but one core of each process idle: a 1 next to other
    processes, or from `accelerate launch`, is taken to be theirs. A user who wants it sets training.threads.
    """
    by_launcher = num_processes > 1 or "ACCELERATE_MIXED_PRECISION" in environment
    for name in _VARIABLES:
        first = environment.get(name, "").split(",")[0].strip()
        if first.isdigit() and int(first) > 0 and not (by_launcher and int(first) == 1):
            return Threads(int(first), "variable", is_fixed=True, text=name)
    return None


def counts_to_try(cores: int) -> tuple[int, ...]:
    """Return the numbers of threads to time, descending: all cores, all but one, half, a quarter, one."""
    counts = {cores, cores - 1, cores // 2, cores // 4, 1}
    return tuple(sorted((count for count in counts if count > 0), reverse=True))


def probe(counts: Iterable[int]) -> dict[int, list[float]]:
    """Time a matrix product of a training step's shape with each number of threads: seconds by number of threads.

    Takes about a quarter of a second. Restores the number of threads, and draws no random number.
    """
    before = torch.get_num_threads()
    tokens, weights = torch.ones(_TOKENS, _WIDTH), torch.ones(_WIDTH, _WIDTH)
    seconds: dict[int, list[float]] = {count: [] for count in counts}
    started, rounds = time.perf_counter(), 0
    try:
        while rounds < _FEWEST_ROUNDS or time.perf_counter() - started < _SECONDS:
            for count, found in seconds.items():
                torch.set_num_threads(count)
                torch.mm(tokens[:64], weights)  # wakes the threads
                product_started = time.perf_counter()
                torch.mm(tokens, weights)
                found.append(time.perf_counter() - product_started)
            rounds += 1
    finally:
        torch.set_num_threads(before)
    return seconds


def decide(seconds: Mapping[int, Sequence[float]], load: float = 0.0) -> Threads:
    """Return the largest number of threads that is about as fast as the fastest.

    Parameters
    ----------
    seconds : of the same work, by number of threads; medians are compared
    load : mean number of running processes in the last minute
    """
    medians = {count: statistics.median(found) for count, found in seconds.items()}
    fastest, most, fewest = min(medians.values()), max(medians), min(medians)
    num = max(count for count, median in medians.items() if median <= _ABOUT_EQUAL * fastest)
    slower, is_loaded = medians[most] / medians[num], load > _MUCH_LOAD * most
    if num < most and slower < _CLEARLY_SLOWER and not is_loaded:
        return Threads(num, "no_faster", cores=most)
    if num < most:
        return Threads(num, "busy", is_busy=True, cores=most, times_slower=slower)
    gain = medians[fewest] / medians[most]
    if gain < _POOR_GAIN * most / fewest and is_loaded:
        return Threads(num, "one_per_core_busy", is_busy=True)
    return Threads(num, "one_per_core")


def use_threads(threads: Threads, smallest: int) -> Threads:
    """Set the number of threads of torch, at most the ``smallest`` of all processes unless it is fixed; return it.

    Processes wait for the slowest at every step, so one with more threads than the others gains nothing.
    """
    if smallest < threads.num and not threads.is_fixed:
        threads = replace(threads, num=smallest, why="fewest_of_processes")
    torch.set_num_threads(threads.num)
    return threads
