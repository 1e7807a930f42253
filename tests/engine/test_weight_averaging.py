"""Averages of weights against the mean written out, and a model that has its own weights back to the bit."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from civility.engine.weight_averaging import ComputedWeights, WeightAverage, in_place, names_to_average
from civility.models.vocabulary import EmbeddingInUse


def model() -> Any:
    torch.manual_seed(0)
    embedding = EmbeddingInUse(nn.Embedding(9, 3), np.array([1, 4, 5]))
    return nn.Sequential(embedding, nn.Linear(3, 2), nn.Linear(2, 2))


def some_steps(average: WeightAverage, some: Any, num: int) -> list[dict[str, torch.Tensor]]:
    """Move the weights at random ``num`` times; return them after each move, in float64."""
    seen = []
    for step in range(num):
        with torch.no_grad():
            for parameter in some.parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn_like(parameter))
        some[0].decay(0.9)
        seen.append({name: tensor.double().clone() for name, tensor in some.state_dict().items()})
        average.update(some, step, num)
    return seen


def written_out(kind: str, seen: list[dict[str, torch.Tensor]], decay: float) -> dict[str, torch.Tensor]:
    """Return the average as a sum over all weights seen, each times its own weight."""
    num = len(seen)
    if kind == "swa":
        shares = [1 / num] * num
    else:
        decays = [0.0, *(min(decay, (1 + n) / (10 + n)) for n in range(1, num))]
        shares = [(1 - decays[i]) * float(np.prod(decays[i + 1 :])) for i in range(num)]
    assert sum(shares) == pytest.approx(1)
    return {
        name: torch.stack([share * one[name] for share, one in zip(shares, seen, strict=True)]).sum(0)
        for name in seen[0]
    }


@pytest.mark.parametrize(("kind", "decay"), [("ema", 0.999), ("ema", 0.3), ("ema", 0.0), ("swa", 0.999)])
def test_an_average_is_the_weighted_sum_of_all_that_was_seen(kind: Any, decay: float) -> None:
    some = model()
    some[2].weight.requires_grad_(False)
    frozen = some[2].weight.clone()
    average = WeightAverage(kind, tuple(some.state_dict()), decay)
    seen = some_steps(average, some, 40)
    expected = written_out(kind, seen, decay)
    for name, tensor in average.weights().items():
        torch.testing.assert_close(tensor.double(), expected[name], atol=1e-5, rtol=1e-5)
    assert torch.equal(average.weights()["2.weight"], frozen), "what does not move is not rounded"
    assert average.weights()["0._extra_state"].dtype == torch.float64
    if kind == "swa":
        mean = sum(0.9**n for n in range(1, 41)) / 40
        assert average.weights()["0._extra_state"].item() == pytest.approx(mean, rel=1e-12)
    if decay:
        last = seen[-1]["1.weight"]
        assert (average.weights()["1.weight"].double() - last).abs().max() > 0.1, "the control: not the last ones"


def test_swa_begins_at_its_share_of_the_steps() -> None:
    some = model()
    average = WeightAverage("swa", tuple(some.state_dict()), start=0.75)
    seen = some_steps(average, some, 10)
    assert average.state() == {"num_seen": 3}
    expected = written_out("swa", seen[7:], 0)
    torch.testing.assert_close(average.weights()["1.weight"].double(), expected["1.weight"], atol=1e-5, rtol=1e-5)
    late = WeightAverage("swa", ("1.weight",), start=0.99)
    some_steps(late, some, 3)
    assert late.state() == {"num_seen": 1}, "the last step is always in it"


@pytest.mark.parametrize("fails", [False, True])
def test_a_model_has_its_own_weights_back_to_the_bit(*, fails: bool) -> None:
    some = model()
    average = WeightAverage("ema", tuple(some.state_dict()))
    some_steps(average, some, 5)
    own = {name: tensor.clone() for name, tensor in some.state_dict().items()}
    mean = {name: tensor.clone() for name, tensor in average.weights().items()}
    try:
        with in_place(average, some):
            assert all(torch.equal(tensor, mean[name]) for name, tensor in some.state_dict().items())
            assert not torch.equal(some.state_dict()["1.weight"], own["1.weight"])
            if fails:
                raise RuntimeError("a validation that ends in the middle")
    except RuntimeError:
        assert fails
    assert all(torch.equal(tensor, own[name]) for name, tensor in some.state_dict().items())
    assert all(torch.equal(tensor, mean[name]) for name, tensor in average.weights().items())


def test_before_an_average_begins_the_models_own_weights_stand() -> None:
    some = model()
    before = some[1].weight.clone()
    for average in (None, WeightAverage("swa", ("1.weight",), start=0.5)):
        with in_place(average, some):
            assert torch.equal(some[1].weight, before)


def test_frozen_weights_are_not_averaged() -> None:
    some = model()
    some[1].requires_grad_(False)
    names = names_to_average(some, [parameter for parameter in some.parameters() if parameter.requires_grad])
    assert names == ("0.weight", "0._extra_state", "2.weight", "2.bias")
    some[2].weight = some[0].weight  # tied: one tensor under two names
    assert "0.weight" in names_to_average(some, list(some.parameters()))


def test_computed_weights_stand_in_and_leave_no_trace() -> None:
    some = model()
    before = some[1].weight.clone()
    computed = ComputedWeights(lambda: {"1.weight": torch.full((2, 3), 7.0)})
    computed.update(some, 0, 1)
    with in_place(computed, some):
        assert torch.equal(some[1].weight, torch.full((2, 3), 7.0))
    assert torch.equal(some[1].weight, before)
    assert computed.state() == {}
