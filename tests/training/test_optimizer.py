"""The schedule against transformers' own at every step, and AdamW with decay on every parameter."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from civility.training.optimizer import LinearSchedule, build_adamw, linear_schedule

PEAK = 2e-5


def _theirs(peak: float, num_warmup_steps: int, num_steps: int) -> list[float]:
    """Return the learning rate that each optimiser step uses under transformers' schedule."""
    from transformers import get_linear_schedule_with_warmup

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=peak)
    scheduler = get_linear_schedule_with_warmup(optimizer, num_warmup_steps, num_steps)
    used = []
    for _ in range(num_steps + 1):
        used.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return used


@pytest.mark.parametrize(
    ("num_warmup_steps", "num_steps"), [(0, 1), (0, 10), (1, 1), (1, 2), (3, 30), (7, 61), (30, 300), (9, 10), (10, 10)]
)
def test_the_schedule_is_that_of_transformers_at_every_step(num_warmup_steps: int, num_steps: int) -> None:
    schedule = LinearSchedule(PEAK, num_warmup_steps, num_steps)
    ours = [schedule.learning_rate(step) for step in range(num_steps + 1)]
    theirs = _theirs(PEAK, num_warmup_steps, num_steps)
    assert ours == theirs
    if num_steps > 2:
        late = [schedule.learning_rate(step + 1) for step in range(num_steps + 1)]
        assert late != pytest.approx(theirs, rel=1e-3), "the control: a step off is seen"


def test_with_a_warm_up_the_first_step_does_not_learn() -> None:
    schedule = LinearSchedule(PEAK, 4, 20)
    assert [schedule.learning_rate(step) / PEAK for step in range(6)] == pytest.approx([0, 0.25, 0.5, 0.75, 1, 15 / 16])


def test_without_a_warm_up_the_first_step_has_the_peak() -> None:
    assert LinearSchedule(PEAK, 0, 20).learning_rate(0) == PEAK


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 500), st.floats(0, 0.99))
def test_the_schedule_reaches_zero_at_the_end_and_never_before(num_steps: int, fraction: float) -> None:
    schedule = linear_schedule(PEAK, fraction, num_steps)
    rates = [schedule.learning_rate(step) for step in range(num_steps)]
    assert all(0 < rate <= PEAK for rate in rates[1:])
    assert schedule.learning_rate(num_steps) == 0.0
    assert schedule.learning_rate(num_steps + 5) == 0.0


@pytest.mark.parametrize(
    ("fraction", "num_steps", "expected"), [(0.1, 100, 10), (0.1, 109, 10), (0.1, 9, 0), (0.0, 50, 0), (0.5, 3, 1)]
)
def test_the_warm_up_is_a_share_of_the_steps_rounded_down(fraction: float, num_steps: int, expected: int) -> None:
    assert linear_schedule(PEAK, fraction, num_steps) == LinearSchedule(PEAK, expected, num_steps)


def _model() -> torch.nn.Module:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Embedding(5, 4), torch.nn.LayerNorm(4), torch.nn.Linear(4, 2))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model


def _build(model: torch.nn.Module, weight_decay: float = 0.1) -> torch.optim.AdamW:
    return build_adamw(model, weight_decay=weight_decay, betas=(0.9, 0.99), epsilon=1e-7)


def test_weight_decay_is_on_every_parameter_biases_and_norms_too() -> None:
    model = _model()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = _build(model)
    for group in optimizer.param_groups:
        group["lr"] = 0.5
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert set(before) == {"0.weight", "1.weight", "1.bias", "2.weight", "2.bias"}
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.detach(), before[name] * (1 - 0.5 * 0.1), msg=name)
        assert not torch.equal(parameter.detach(), before[name]), f"the control: {name} did move"


def test_the_settings_reach_the_optimizer_and_the_rate_waits_for_the_schedule() -> None:
    (group,) = _build(_model(), weight_decay=0.02).param_groups
    assert (group["lr"], group["weight_decay"], group["betas"], group["eps"]) == (0.0, 0.02, (0.9, 0.99), 1e-7)


def test_a_step_is_that_of_the_paper() -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(model.weight, 2.0)
    optimizer = _build(model)
    optimizer.param_groups[0]["lr"] = 0.01
    weight, mean, square = 2.0, 0.0, 0.0
    for step, gradient in enumerate((0.3, -0.1, 0.7), 1):
        model.weight.grad = torch.full((1, 1), gradient)
        optimizer.step()
        mean, square = 0.9 * mean + 0.1 * gradient, 0.99 * square + 0.01 * gradient**2
        update = (mean / (1 - 0.9**step)) / ((square / (1 - 0.99**step)) ** 0.5 + 1e-7)
        weight = weight - 0.01 * 0.1 * weight - 0.01 * update
        assert model.weight.item() == pytest.approx(weight, rel=1e-6)


def test_frozen_parameters_are_left_out() -> None:
    model = _model()
    model[0].weight.requires_grad_(False)  # type: ignore[index]
    (group,) = _build(model).param_groups
    assert len(group["params"]) == 4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_parameter_that_is_not_float32_is_refused(dtype: torch.dtype) -> None:
    model = _model()
    model[2].to(dtype)  # type: ignore[index]
    with pytest.raises(TypeError, match=rf"parameter 2\.weight is {dtype}; training needs float32 weights"):
        _build(model)
