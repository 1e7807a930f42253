"""AdamW with decay on every parameter."""

import pytest
import torch

from civility.engine.optimizer import build_adamw


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
