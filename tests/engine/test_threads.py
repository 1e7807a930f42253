"""How many threads: decided from made-up timings, and set by recipe, environment and the resumed run in that order."""

from dataclasses import asdict

import pytest
import torch

from civility.documents.run_environment import RecordedThreads
from civility.engine.threads import (
    Threads,
    counts_to_try,
    decide,
    probe,
    settle_threads,
    threads_of_environment,
    use_threads,
)
from civility.render.sentences.plan_sentences import threads_words


def _words(threads: Threads) -> str:
    return threads_words(RecordedThreads(**asdict(threads)))


@pytest.mark.parametrize(
    ("seconds", "load", "num", "why", "is_busy"),
    [
        # A quiet machine: two threads take half the time.
        ({2: [0.5, 0.5, 0.6], 1: [1.0, 1.0, 1.1]}, 0.1, 2, "one thread per core", False),
        # A neighbour on one of the cores: two threads wait for each other.
        (
            {2: [4.0, 0.5, 5.0], 1: [1.0, 1.0, 1.1]},
            1.0,
            1,
            "1 of 2 threads: another process keeps this machine busy (2 are 4.0 times slower)",
            True,
        ),
        # The same without a reported load: the timings are enough.
        (
            {2: [4.0, 4.0, 4.0], 1: [1.0, 1.0, 1.0]},
            0.0,
            1,
            "1 of 2 threads: another process keeps this machine busy (2 are 4.0 times slower)",
            True,
        ),
        # One slow round does not decide.
        ({2: [0.5, 9.0, 0.5], 1: [1.0, 1.0, 1.0]}, 0.0, 2, "one thread per core", False),
        # About equal: more threads help where the product is not all there is.
        ({2: [1.04], 1: [1.0]}, 0.0, 2, "one thread per core", False),
        ({2: [1.04], 1: [1.0]}, 3.0, 2, "one thread per core, though another process keeps this machine busy", True),
        # A little slower: on a quiet machine the hardware's doing, on a loaded one the neighbour's.
        ({2: [1.1], 1: [1.0]}, 0.2, 1, "1 of 2 threads: more would not be faster", False),
        (
            {2: [1.1], 1: [1.0]},
            3.0,
            1,
            "1 of 2 threads: another process keeps this machine busy (2 are 1.1 times slower)",
            True,
        ),
        # One of sixteen cores is taken: all the others are used.
        (
            {16: [2.0], 15: [0.07], 8: [0.13], 4: [0.26], 1: [1.0]},
            1.0,
            15,
            "15 of 16 threads: another process keeps this machine busy (16 are 28.6 times slower)",
            True,
        ),
        # Far from sixteen times as fast, and nobody else there: no neighbour is made up.
        ({16: [0.2], 15: [0.21], 8: [0.25], 1: [1.0]}, 1.0, 16, "one thread per core", False),
    ],
)
def test_the_most_threads_that_are_about_as_fast_as_the_fastest(
    seconds: dict[int, list[float]], load: float, num: int, why: str, is_busy: bool
) -> None:
    found = decide(seconds, load)
    assert (found.num, _words(found), found.is_busy) == (num, why, is_busy)


@pytest.mark.parametrize(
    ("cores", "counts"), [(1, (1,)), (2, (2, 1)), (3, (3, 2, 1)), (4, (4, 3, 2, 1)), (16, (16, 15, 8, 4, 1))]
)
def test_a_neighbours_core_a_half_a_quarter_and_one_are_tried(cores: int, counts: tuple[int, ...]) -> None:
    assert counts_to_try(cores) == counts


def test_a_probe_times_every_count_and_leaves_no_trace() -> None:
    threads, draws = torch.get_num_threads(), torch.get_rng_state()
    seconds = probe((2, 1))
    assert list(seconds) == [2, 1]
    assert len(seconds[1]) == len(seconds[2]) >= 3
    assert min(seconds[1] + seconds[2]) > 0
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), draws)
    torch.rand(1)
    assert not torch.equal(torch.get_rng_state(), draws), "the control: a draw is seen"


@pytest.mark.parametrize(
    ("environment", "num_processes", "num", "why"),
    [
        ({}, 1, None, ""),
        ({"OMP_NUM_THREADS": "3"}, 1, 3, "threads set by OMP_NUM_THREADS"),
        ({"OMP_NUM_THREADS": "3,2"}, 1, 3, "threads set by OMP_NUM_THREADS"),
        ({"MKL_NUM_THREADS": "4"}, 1, 4, "threads set by MKL_NUM_THREADS"),
        ({"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "4"}, 1, 2, "threads set by OMP_NUM_THREADS"),
        ({"OMP_NUM_THREADS": "many"}, 1, None, ""),
        ({"OMP_NUM_THREADS": "0"}, 1, None, ""),
        ({"OMP_NUM_THREADS": "1"}, 1, 1, "threads set by OMP_NUM_THREADS"),
        # torchrun's own 1 beside other processes, and accelerate's.
        ({"OMP_NUM_THREADS": "1"}, 2, None, ""),
        ({"OMP_NUM_THREADS": "1", "ACCELERATE_MIXED_PRECISION": "no"}, 1, None, ""),
        ({"OMP_NUM_THREADS": "2"}, 2, 2, "threads set by OMP_NUM_THREADS"),
    ],
)
def test_what_the_environment_says(environment: dict[str, str], num_processes: int, num: int | None, why: str) -> None:
    found = threads_of_environment(environment, num_processes)
    if found is None:
        assert num is None
    else:
        assert (found.num, _words(found), found.is_fixed) == (num, why, True)


def test_the_recipe_then_the_environment_then_the_former_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert settle_threads(5, 4, 2, probes=True).num == 5
    assert settle_threads(0, 4, 2, probes=True).num == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    assert settle_threads(0, 4, 2, probes=True) == Threads(2, "resumed")
    assert settle_threads(0, 4, 8, probes=False) == Threads(4, "one_per_core"), "there are fewer cores now"
    assert settle_threads(0, 4, 0, probes=False) == Threads(4, "one_per_core")
    assert settle_threads(0, 1, 0, probes=True) == Threads(1, "one_per_core")
    assert settle_threads(0, 2, 0, probes=True).num in (1, 2)


def test_no_process_has_more_threads_than_the_one_with_the_fewest() -> None:
    before = torch.get_num_threads()
    try:
        chosen, fixed = Threads(2, "one_per_core"), Threads(2, "recipe", is_fixed=True)
        assert use_threads(chosen, 2) == chosen
        assert torch.get_num_threads() == 2
        assert use_threads(chosen, 1) == Threads(1, "fewest_of_processes")
        assert torch.get_num_threads() == 1
        assert use_threads(fixed, 1) == fixed
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
