"""Schedules against those of transformers and torch, step by step."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from civility.engine.step_plan import Schedule, ScheduleName

from ..schedules import linear_schedule

PEAK = 2e-5


def _used(make: Callable[[torch.optim.Optimizer], Any], num_steps: int) -> list[float]:
    """Return the learning rate that each optimizer step uses under somebody else's schedule."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    scheduler = make(optimizer)
    used = []
    for _ in range(num_steps + 1):
        used.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return used


@pytest.mark.parametrize(
    ("num_warmup_steps", "num_steps"), [(0, 1), (0, 10), (1, 1), (1, 2), (3, 30), (7, 61), (30, 300), (9, 10), (10, 10)]
)
def test_the_schedule_of_the_baseline_is_that_of_transformers_to_the_bit(num_warmup_steps: int, num_steps: int) -> None:
    from transformers import get_linear_schedule_with_warmup

    schedule = Schedule(PEAK, num_warmup_steps, num_steps)
    ours = [schedule.learning_rate(step) for step in range(num_steps + 1)]
    theirs = _used(lambda one: get_linear_schedule_with_warmup(one, num_warmup_steps, num_steps), num_steps)
    assert ours == theirs
    if num_steps > 2:
        late = [schedule.learning_rate(step + 1) for step in range(num_steps + 1)]
        assert late != pytest.approx(theirs, rel=1e-3), "the control: a step off is seen"


def test_with_a_warm_up_the_first_step_does_not_learn() -> None:
    schedule = Schedule(PEAK, 4, 20)
    assert [schedule.learning_rate(step) / PEAK for step in range(6)] == pytest.approx([0, 0.25, 0.5, 0.75, 1, 15 / 16])


def test_without_a_warm_up_the_first_step_has_the_peak() -> None:
    assert Schedule(PEAK, 0, 20).learning_rate(0) == PEAK


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 500), st.floats(0, 0.99))
def test_the_schedule_reaches_zero_at_the_end_and_never_before(num_steps: int, fraction: float) -> None:
    schedule = linear_schedule(PEAK, fraction, num_steps)
    rates = [schedule.learning_rate(step) for step in range(num_steps)]
    assert all(0 < rate <= PEAK for rate in rates[1:])
    assert schedule.learning_rate(num_steps) == 0.0
    assert schedule.learning_rate(num_steps + 5) == 0.0


def _transformers(name: str, warmup: int, num_steps: int) -> Callable[[torch.optim.Optimizer], Any]:
    """Return transformers' schedule of this name: the polynomial one of power 3, both with an end at a tenth."""
    import transformers

    if name == "cosine":
        return lambda one: transformers.get_cosine_with_min_lr_schedule_with_warmup(
            one, warmup, num_steps, min_lr_rate=0.1
        )
    if name == "polynomial":
        return lambda one: transformers.get_polynomial_decay_schedule_with_warmup(
            one, warmup, num_steps, lr_end=0.1 * PEAK, power=3.0
        )
    return lambda one: transformers.get_constant_schedule_with_warmup(one, warmup)


@pytest.mark.parametrize("name", ["cosine", "polynomial", "constant"])
@pytest.mark.parametrize(("warmup", "num_steps"), [(0, 10), (1, 2), (3, 30), (7, 61)])
def test_the_others_are_those_of_transformers(name: ScheduleName, warmup: int, num_steps: int) -> None:
    schedule = Schedule(PEAK, warmup, num_steps, name, power=3.0, final_share=0.1)
    ours = [schedule.learning_rate(step) for step in range(num_steps + 1)]
    theirs = _used(_transformers(name, warmup, num_steps), num_steps)
    assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-18)
    if num_steps > 2 and (name != "constant" or warmup):
        late = [schedule.learning_rate(step + 1) for step in range(num_steps + 1)]
        assert late != pytest.approx(theirs, rel=1e-3), "the control: a step off is seen"


@pytest.mark.parametrize("warmup", [3, 12])
def test_cosine_to_zero_is_that_of_transformers(warmup: int) -> None:
    from transformers import get_cosine_schedule_with_warmup

    schedule = Schedule(PEAK, warmup, 40, "cosine")
    ours = [schedule.learning_rate(step) for step in range(41)]
    assert ours == pytest.approx(_used(lambda one: get_cosine_schedule_with_warmup(one, warmup, 40), 40), abs=1e-18)


@pytest.mark.parametrize(("warmup", "num_steps", "final"), [(9, 30, 0.001), (1, 20, 0.2), (25, 60, 0.0004)])
def test_one_cycle_is_that_of_torch(warmup: int, num_steps: int, final: float) -> None:
    schedule = Schedule(PEAK, warmup, num_steps, "one_cycle", start_share=0.04, final_share=final)
    ours = [schedule.learning_rate(step) for step in range(num_steps + 1)]
    # torch counts the end among its steps, and has its peak one before the share of them that is asked for.
    theirs = _used(
        lambda one: torch.optim.lr_scheduler.OneCycleLR(
            one,
            max_lr=PEAK,
            total_steps=num_steps + 1,
            pct_start=(warmup + 1) / (num_steps + 1),
            div_factor=25,
            final_div_factor=0.04 / final,
        ),
        num_steps,
    )
    assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-18)
    other = Schedule(PEAK, warmup, num_steps, "one_cycle", start_share=0.05, final_share=final)
    assert other.learning_rate(0) != pytest.approx(theirs[0], rel=1e-3), "the control: the start is seen"


@pytest.mark.parametrize("name", ["linear", "cosine", "constant", "polynomial", "one_cycle"])
def test_every_schedule_goes_from_its_start_over_the_peak_to_its_end(name: ScheduleName) -> None:
    schedule = Schedule(PEAK, 5, 50, name, power=2.0, final_share=0.3, start_share=0.04)
    rates = [schedule.learning_rate(step) for step in range(55)]
    assert rates[0] == pytest.approx(0.04 * PEAK if name == "one_cycle" else 0.0)
    assert rates[:6] == sorted(rates[:6])
    assert rates[5] == max(rates) == PEAK
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[50] == rates[54] == schedule.final
    assert schedule.final == pytest.approx(PEAK * {"linear": 0.0, "constant": 1.0}.get(name, 0.3))
