"""Moves of weights against their formulas, and weights that come back to the bit."""

import pytest
import torch
from torch import nn

from civility.engine.regularizers import Adversary, gradients_set_aside


def parameter(*shape: int, seed: int = 0) -> nn.Parameter:
    torch.manual_seed(seed)
    one = nn.Parameter(torch.randn(*shape))
    one.grad = torch.randn(*shape)
    return one


@pytest.mark.parametrize("factor", [1.0, 65536.0])
def test_fgm_moves_by_its_size_along_the_gradient(factor: float) -> None:
    table = parameter(7, 3)
    assert table.grad is not None
    table.grad[2] = 0
    before, direction = table.detach().clone(), table.grad / table.grad.square().sum().sqrt()
    table.grad *= factor  # as the scale of fp16
    with Adversary(table, 0.7).moved() as fits:
        assert fits
        torch.testing.assert_close(table.detach(), before + 0.7 * direction)
        assert torch.equal(table.detach()[2], before[2]), "a row that no comment reads stays"
        assert (table - before).norm().item() == pytest.approx(0.7, rel=1e-5)
    assert torch.equal(table, before)


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_gradient_that_overflowed_or_is_zero_tells_no_direction(value: float) -> None:
    one = parameter(3, 3)
    adversary = Adversary(one, 0.1)
    assert adversary.has_direction()
    one.grad = torch.zeros(3, 3)
    assert not adversary.has_direction()
    one.grad[1, 1] = value
    assert not adversary.has_direction()
    one.grad = None
    assert not adversary.has_direction()


def test_weights_come_back_where_the_block_fails() -> None:
    one = parameter(3, 3)
    before = one.detach().clone()

    def fail() -> None:
        with Adversary(one, 0.5).moved():
            assert not torch.equal(one, before)
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail()
    assert torch.equal(one, before)


def test_it_begins_at_its_share_of_the_steps() -> None:
    adversary = Adversary(parameter(1), 0.1, start=0.25)
    assert [adversary.acts(step, 10) for step in range(4)] == [False, False, True, True]


def test_gradients_set_aside_come_back_as_the_mean_of_both() -> None:
    one, other = parameter(2, 2), parameter(3, seed=1)
    frozen = nn.Parameter(torch.ones(2))
    clean = [one.grad, other.grad]
    assert clean[0] is not None
    first = clean[0].clone()
    with gradients_set_aside([one, other, frozen]):
        assert one.grad is None
        one.grad = torch.full((2, 2), 3.0)
    assert one.grad is not None
    torch.testing.assert_close(one.grad, (first + 3) / 2)
    assert other.grad is clean[1], "without a second one the first is left"
    assert frozen.grad is None
