"""How many threads a processor computes with: as told, as the run had before, or as a short probe finds fastest.

A busy neighbour makes two threads on two cores slower than one, since the threads of a product wait for each other:
by how much, and for how many threads, only a measurement tells. The decision is a function of its timings.
"""

import os
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

_TOKENS, _WIDTH = 1024, 768
"""Of the product that is timed: a micro-batch of 16 comments of 64 tokens, and the width of a base model."""

_SECONDS, _FEWEST_ROUNDS = 0.25, 3
_ABOUT_EQUAL = 1.05
_CLEARLY_SLOWER = 1.3
"""By so much, more threads lose to fewer only where somebody else holds a core that one of them waits for."""

_POOR_GAIN, _MUCH_LOAD = 0.75, 0.5
"""Of what as many cores would give if all were free, and of a process a core."""

_ONE_A_CORE, _BUSY = "a thread a core", "another process keeps this machine busy"
_TOLD_BY = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Threads:
    """How many threads torch computes with.

    Parameters
    ----------
    num : threads
    why : in a few words, for a person who reads the number beside it
    is_busy : something else seems to keep this machine's processor busy
    is_told : a person has said so: not to be changed
    """

    num: int
    why: str
    is_busy: bool = False
    is_told: bool = False


def settle_threads(wanted: int, cores: int, before: int, *, probes: bool, num_processes: int = 1) -> Threads:
    """Return how many threads this process is to compute with; set nothing for good.

    In this order: the recipe, the user's environment, the run that is gone on with, a probe.

    Parameters
    ----------
    wanted : by the recipe; 0 leaves the choice
    cores : that this process has for itself
    before : threads of the run that is gone on with, whose sums only as many threads repeat to the bit; 0 for none
    probes : whether to measure; else every core gets a thread
    num_processes : that a launcher has started on this machine
    """
    if wanted:
        return Threads(wanted, "threads as training.threads says", is_told=True)
    told = told_by_environment(os.environ, num_processes)
    if told is not None:
        return told
    if 0 < before <= cores:
        return Threads(before, "threads as the run had before")
    if not probes or cores == 1:
        return Threads(cores, _ONE_A_CORE)
    return decide(probe(counts_to_try(cores)), _load() if num_processes == 1 else 0.0)


def _load() -> float:
    """Return how many processes wanted a processor in the last minute; 0 where the system does not tell."""
    try:
        return os.getloadavg()[0]
    except (OSError, AttributeError):
        return 0.0


def told_by_environment(environment: Mapping[str, str], num_processes: int) -> Threads | None:
    """Return the number that the user's environment names, None if it names none.

    Launchers set 1 where nothing is set, which would leave all but one core of each process idle: a 1 beside other
    processes, or from `accelerate launch`, is taken for theirs. A user who means it has training.threads.
    """
    by_launcher = num_processes > 1 or "ACCELERATE_MIXED_PRECISION" in environment
    for name in _TOLD_BY:
        first = environment.get(name, "").split(",")[0].strip()
        if first.isdigit() and int(first) > 0 and not (by_launcher and int(first) == 1):
            return Threads(int(first), f"threads as {name} says", is_told=True)
    return None


def counts_to_try(cores: int) -> tuple[int, ...]:
    """Return the numbers of threads worth timing, the most first: all, all but a neighbour's, half, a quarter, one."""
    counts = {cores, cores - 1, cores // 2, cores // 4, 1}
    return tuple(sorted((count for count in counts if count > 0), reverse=True))


def probe(counts: Iterable[int]) -> dict[int, list[float]]:
    """Time a product of a training step's shape with so many threads in turn: seconds by number of threads.

    Takes about a quarter of a second. The number of threads is afterwards what it was, and no random number is drawn.
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
                found.append(_seconds_of(tokens, weights))
            rounds += 1
    finally:
        torch.set_num_threads(before)
    return seconds


def _seconds_of(tokens: torch.Tensor, weights: torch.Tensor) -> float:
    started = time.perf_counter()
    torch.mm(tokens, weights)
    return time.perf_counter() - started


def decide(seconds: Mapping[int, Sequence[float]], load: float = 0.0) -> Threads:
    """Return the most threads that are about as fast as the fastest.

    Parameters
    ----------
    seconds : of one and the same work, by number of threads; medians are compared
    load : processes that wanted a processor in the last minute
    """
    medians = {count: statistics.median(found) for count, found in seconds.items()}
    fastest, most, fewest = min(medians.values()), max(medians), min(medians)
    num = max(count for count, median in medians.items() if median <= _ABOUT_EQUAL * fastest)
    slower, is_loaded = medians[most] / medians[num], load > _MUCH_LOAD * most
    if num < most and slower < _CLEARLY_SLOWER and not is_loaded:
        return Threads(num, f"{num} of {most} threads: more are no faster here")
    if num < most:
        return Threads(num, f"{num} of {most} threads: {_BUSY} ({most} are {slower:.1f} times slower)", is_busy=True)
    gain = medians[fewest] / medians[most]
    if gain < _POOR_GAIN * most / fewest and is_loaded:
        return Threads(num, f"{_ONE_A_CORE}, though {_BUSY}", is_busy=True)
    return Threads(num, _ONE_A_CORE)


def use_threads(threads: Threads, smallest: int) -> Threads:
    """Let torch compute with so many threads, or with the fewest that any process has settled on; return which.

    Processes wait for the slowest at every step, so one with more threads than the others gains nothing.
    """
    if smallest < threads.num and not threads.is_told:
        threads = replace(threads, num=smallest, why="threads as the process with the fewest")
    torch.set_num_threads(threads.num)
    return threads
