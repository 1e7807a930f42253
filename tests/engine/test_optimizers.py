"""Adafactor, Muon and schedule-free AdamW against their papers, written out in float64, over a few steps."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from civility.engine.muon import build_muon
from civility.engine.optimizer import (
    averaged_weights,
    build_adafactor,
    build_adamw,
    build_schedule_free,
    counters,
    state_bytes,
)
from civility.engine.parameter_groups import parameter_groups

from ..refusals import refused

Array = npt.NDArray[np.float64]
RATES = (0.0, 0.004, 0.01, 0.008, 0.006)
DECAY, BETAS, EPSILON = 0.1, (0.9, 0.99), 1e-7


class Layered(torch.nn.Module):
    """A body of two layers between an embedding and a head, as parts are looked for in transformers."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = torch.nn.Embedding(5, 6)
        self.encoder = torch.nn.Module()
        self.encoder.layer = torch.nn.ModuleList([torch.nn.Linear(6, 8), torch.nn.Linear(8, 6)])
        self.head = torch.nn.Linear(6, 2)

    @property
    def base_model(self) -> "Layered":
        return self

    def get_input_embeddings(self) -> torch.nn.Embedding:
        return self.embeddings


def _model() -> Layered:
    torch.manual_seed(3)
    model = Layered()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model


def _gradients(model: torch.nn.Module) -> list[dict[str, torch.Tensor]]:
    """Return a gradient for each step, some with zeros, of the sizes of a model whose gradients are clipped."""
    generator = torch.Generator().manual_seed(7)
    found = []
    for step in range(len(RATES)):
        gradients = {name: torch.randn(one.shape, generator=generator) * 1e-4 for name, one in model.named_parameters()}
        gradients["embeddings.weight"][step % 2 :: 2] = 0
        found.append(gradients)
    return found


def _step(model: torch.nn.Module, optimizer: torch.optim.Optimizer, num_steps: int = len(RATES)) -> None:
    for rate, gradients in list(zip(RATES, _gradients(model), strict=True))[:num_steps]:
        for name, parameter in model.named_parameters():
            parameter.grad = gradients[name].clone()
        for group in optimizer.param_groups:
            group["lr"] = rate * group["lr_scale"]
        optimizer.step()


Written = Callable[[Array, list[Array]], Array]


def _assert_each_is(model: torch.nn.Module, written: Written, *, rtol: float = 1e-5) -> None:
    """Compare the weights of a stepped model with those of a formula for each parameter."""
    fresh, gradients = _model(), _gradients(_model())
    for name, parameter in fresh.named_parameters():
        own = parameter.detach().double().numpy()
        expected = written(own, [one[name].double().numpy() for one in gradients])
        found = dict(model.named_parameters())[name].detach().double().numpy()
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-6, err_msg=name)
        assert np.abs(expected - own).max() > 1e-3, "the control: it has moved"


def _written_adafactor(weights: Array, gradients: list[Array], *, smallest: float = 1e-30, clip: float = 1.0) -> Array:
    rows = columns = squares = np.zeros(1)
    for step, (rate, gradient) in enumerate(zip(RATES, gradients, strict=True), 1):
        beta = 1 - step**-0.8
        share = max(1e-3, float(np.sqrt((weights**2).mean()))) * min(rate, step**-0.5)
        if gradient.ndim > 1:
            rows = beta * rows + (1 - beta) * (gradient**2).mean(axis=1)
            columns = beta * columns + (1 - beta) * (gradient**2).mean(axis=0)
            estimate = np.outer(rows, columns) / rows.mean()
        else:
            estimate = squares = beta * squares + (1 - beta) * gradient**2
        update = gradient / np.sqrt(np.maximum(estimate, smallest))
        update = update / max(1.0, float(np.sqrt((update**2).mean())) / clip)
        weights = weights * (1 - rate * DECAY) - share * update
    return weights


@pytest.mark.parametrize("clip", [1.0, 1.5])
def test_adafactor_is_that_of_the_paper(clip: float) -> None:
    model = _model()
    _step(model, build_adafactor(parameter_groups(model, weight_decay=DECAY), beta2_decay=-0.8, clip=clip))
    _assert_each_is(model, lambda *of: _written_adafactor(*of, clip=clip))
    theirs = _model()
    groups = parameter_groups(theirs, weight_decay=DECAY)
    _step(theirs, torch.optim.Adafactor(groups, lr=0.0, beta2_decay=-0.8, d=1.5))
    if clip == 1.5:
        with pytest.raises(AssertionError):  # torch's own epsilon stands above the squares of small gradients
            _assert_each_is(theirs, lambda *of: _written_adafactor(*of, clip=clip))


def test_gradients_of_zero_leave_adafactor_finite() -> None:
    model = _model()
    optimizer: torch.optim.Optimizer = build_adafactor(
        parameter_groups(model, weight_decay=0.0), beta2_decay=-0.8, clip=1.0
    )
    before = [parameter.detach().clone() for parameter in model.parameters()]
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.param_groups[0]["lr"] = 0.01
    optimizer.step()
    for parameter, was in zip(model.parameters(), before, strict=True):
        assert torch.equal(parameter, was)


def _written_schedule_free(weights: Array, gradients: list[Array]) -> tuple[Array, Array]:
    """Return y and x: algorithm 1 of the paper, with weight decay at y and weights by the square of the rate."""
    x = y = z = weights
    squares, highest, total = np.zeros_like(weights), 0.0, 0.0
    for step, (rate, gradient) in enumerate(zip(RATES, gradients, strict=True), 1):
        highest = max(highest, rate)
        total += highest**2
        weight = highest**2 / total if total else 0.0
        squares = BETAS[1] * squares + (1 - BETAS[1]) * gradient**2
        update = gradient / (np.sqrt(squares / (1 - BETAS[1] ** step)) + EPSILON) + DECAY * y
        z = z - rate * update
        x = (1 - weight) * x + weight * z
        y = (1 - BETAS[0]) * z + BETAS[0] * x
    return y, x


def test_schedule_free_is_that_of_the_paper_and_what_is_validated_is_its_mean() -> None:
    model = _model()
    groups = parameter_groups(model, weight_decay=DECAY)
    optimizer = build_schedule_free(groups, betas=BETAS, epsilon=EPSILON)
    assert averaged_weights(model, optimizer) == {}, "no mean before the first step"
    _step(model, optimizer)
    _assert_each_is(model, lambda *of: _written_schedule_free(*of)[0])
    raw = {name: one.detach().clone() for name, one in model.named_parameters()}
    means = averaged_weights(model, optimizer)
    assert means.keys() == raw.keys()
    other = _model()
    other.load_state_dict(means)
    _assert_each_is(other, lambda *of: _written_schedule_free(*of)[1])
    for name, one in model.named_parameters():
        assert torch.equal(one, raw[name]), "the model keeps its own"
        assert not torch.allclose(means[name], raw[name], rtol=1e-4), "the control: they differ"


def test_the_mean_is_what_the_authors_put_into_the_model_for_an_evaluation() -> None:
    model = _model()
    optimizer: Any = build_schedule_free(parameter_groups(model, weight_decay=DECAY), betas=BETAS, epsilon=EPSILON)
    _step(model, optimizer)
    means = averaged_weights(model, optimizer)
    optimizer.eval()
    for name, one in model.named_parameters():
        assert torch.equal(one, means[name])


@pytest.mark.parametrize(("name", "leaps"), [("schedule_free", True), ("adamw", False)])
def test_what_joins_schedule_free_late_leaps_which_is_why_it_is_refused_with_unfreezing(name: str, leaps: bool) -> None:
    model = torch.nn.Linear(1, 1)
    groups = parameter_groups(model, weight_decay=0.0)
    optimizer = build_schedule_free(groups, betas=BETAS, epsilon=EPSILON)
    if name == "adamw":
        optimizer = build_adamw(model, weight_decay=0.0, betas=BETAS, epsilon=EPSILON)
    for group in optimizer.param_groups:
        group["lr"] = 0.01
    before = model.bias.item()
    for step in range(51):
        model.weight.grad = torch.ones(1, 1)
        model.bias.grad = torch.ones(1) if step == 50 else None
        optimizer.step()
    state = optimizer.state[model.bias]
    moved = before - (state["z"] if leaps else model.bias).item()
    # By its own first step: 1. By the steps of the group: sqrt((1 - 0.99 ** 51) / (1 - 0.99)).
    assert moved / 0.01 == pytest.approx(((1 - 0.99**51) / 0.01) ** 0.5 if leaps else 1, rel=1e-3)


def _muon(model: Any, **groups: Any) -> torch.optim.Optimizer:
    return build_muon(
        model,
        parameter_groups(model, weight_decay=DECAY, **groups),
        momentum=0.95,
        iterations=5,
        betas=BETAS,
        epsilon=EPSILON,
    )


def test_muon_moves_the_matrices_of_layers_and_adamw_all_else() -> None:
    model, plain = _model(), _model()
    _step(model, _muon(model))
    _step(plain, build_adamw(plain, weight_decay=DECAY, betas=BETAS, epsilon=EPSILON))
    matrices = {"encoder.layer.0.weight", "encoder.layer.1.weight"}
    ours, theirs = dict(model.named_parameters()), dict(plain.named_parameters())
    for name in ours:
        assert torch.equal(ours[name], theirs[name]) == (name not in matrices), name


def _orthogonal(matrix: Array) -> Array:
    """Five iterations of Newton and Schulz with Jordan's coefficients, in float64."""
    rows, columns = matrix.shape
    if rows > columns:
        return _orthogonal(matrix.T).T
    found = matrix / np.sqrt((matrix**2).sum())
    for _ in range(5):
        gram = found @ found.T
        found = 3.4445 * found + (-4.7750 * gram + 2.0315 * gram @ gram) @ found
    return np.asarray(found)


def test_muon_is_that_of_its_authors_with_the_size_of_an_update_of_adamw() -> None:
    model, fresh = _model(), _model()
    _step(model, _muon(model))
    for name in ("encoder.layer.0.weight", "encoder.layer.1.weight"):
        weights = dict(fresh.named_parameters())[name].detach().double().numpy()
        momentum, moved = np.zeros_like(weights), weights
        for rate, one in zip(RATES, _gradients(fresh), strict=True):
            gradient = one[name].double().numpy()
            momentum = 0.95 * momentum + 0.05 * gradient
            update = _orthogonal(0.05 * gradient + 0.95 * momentum)
            moved = moved * (1 - rate * DECAY) - rate * 0.2 * np.sqrt(8) * update
        found = dict(model.named_parameters())[name].detach().double().numpy()
        # bfloat16 has three digits, and the iterations add up.
        assert np.abs(found - moved).max() < 0.05 * np.abs(moved - weights).max()
        unscaled = weights + (moved - weights) / (0.2 * np.sqrt(8))
        assert np.abs(found - unscaled).max() > 0.2 * np.abs(moved - weights).max(), "the control: the size is seen"


def test_the_groups_of_muon_keep_their_decay_and_their_share_of_the_rate() -> None:
    model = _model()
    optimizer = _muon(model, decay_on="matrices", layer_decay=0.5)
    _step(model, optimizer)
    found = {
        (group["lr_scale"], group["weight_decay"], "ns_steps" in group): len(group["params"])
        for group in optimizer.param_groups
    }
    assert found == {
        (0.5, DECAY, True): 1,
        (0.25, DECAY, True): 1,
        (0.125, DECAY, False): 1,
        (0.5, 0.0, False): 1,
        (0.25, 0.0, False): 1,
        (1.0, DECAY, False): 1,
        (1.0, 0.0, False): 1,
    }


def test_muon_without_a_matrix_to_move_is_refused() -> None:
    model = _model()
    model.encoder.requires_grad_(False)
    with refused(
        "engine.nothing-to-train", r'training\.optimizer = "muon" is for the matrices of the layers, and none of them'
    ):
        _muon(model)
    linear: Any = torch.nn.Linear(2, 2)
    linear.base_model = torch.nn.Linear(2, 2)
    with refused("models.unknown-part", "the layers of a Linear are not known") as at:
        _muon(linear)
    assert at.value.remedy.startswith("set it to adamw")


BUILDERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "adamw": lambda model: build_adamw(model, weight_decay=DECAY, betas=BETAS, epsilon=EPSILON),
    "adafactor": lambda model: build_adafactor(parameter_groups(model, weight_decay=DECAY), beta2_decay=-0.8, clip=1.0),
    "muon": _muon,
    "schedule_free": lambda model: build_schedule_free(
        parameter_groups(model, weight_decay=DECAY), betas=BETAS, epsilon=EPSILON
    ),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_the_bytes_of_state_are_those_after_a_step(name: str) -> None:
    model = _model()
    optimizer = BUILDERS[name](model)
    estimated = state_bytes(optimizer)
    _step(model, optimizer, 2)
    kept = [value for state in optimizer.state.values() for key, value in state.items() if key != "step"]
    assert estimated == sum(value.numel() * value.element_size() for value in kept)
    assert estimated > 0


@pytest.mark.parametrize("name", BUILDERS)
def test_scaled_gradients_take_the_same_steps_and_infinite_ones_none(name: str) -> None:
    model, plain = _model(), _model()
    optimizer, other = BUILDERS[name](model), BUILDERS[name](plain)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    for rate, gradients in zip(RATES, _gradients(model), strict=True):
        for one, scale in ((model, 2.0**10), (plain, 1.0)):
            for parameter_name, parameter in one.named_parameters():
                parameter.grad = gradients[parameter_name] * scale
        for group in (*optimizer.param_groups, *other.param_groups):
            group["lr"] = rate
        scaler.scale(torch.zeros(1))  # where it learns of its device
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update(2.0**10)
        other.step()
    for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    before, counted = [one.detach().clone() for one in model.parameters()], counters(optimizer)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, torch.inf)
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    for parameter, was in zip(model.parameters(), before, strict=True):
        assert torch.equal(parameter, was)
    assert counters(optimizer) == counted
