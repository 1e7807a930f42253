"""Which parts are trained at which step."""

import pytest
import torch

from civility.engine.regularizers import GradualUnfreezing


def parameters(num: int) -> list[list[torch.nn.Parameter]]:
    return [[torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(1))] for _ in range(num)]


def trained_at(parts: list[list[torch.nn.Parameter]], fraction: float, step: int, num_steps: int) -> list[bool]:
    GradualUnfreezing.of(parts, fraction).apply(step, num_steps)
    found = [{one.requires_grad for one in part} for part in parts]
    assert all(len(one) == 1 for one in found)
    result = [one.pop() for one in found]
    for part in parts:
        for one in part:
            one.requires_grad_(True)
    return result


def test_layers_unfreeze_evenly_from_the_first_to_the_last() -> None:
    parts = parameters(4)
    counts = [sum(trained_at(parts, 0.5, step, 40)) for step in range(40)]
    assert counts == [step // 5 for step in range(20)] + [4] * 20
    assert trained_at(parts, 0.5, 12, 40) == [True, True, False, False], "the first ones first"


@pytest.mark.parametrize(("fraction", "num_steps"), [(1.0, 3), (0.5, 3), (0.01, 50), (1.0, 1), (0.3, 10)])
def test_everything_unfreezes_in_time_and_nothing_freezes_again(fraction: float, num_steps: int) -> None:
    parts = parameters(5)
    counts = [sum(trained_at(parts, fraction, step, num_steps)) for step in range(num_steps + 1)]
    assert counts == sorted(counts)
    assert counts[int(fraction * num_steps)] == 5


def test_what_is_frozen_stays_so_and_takes_no_turn() -> None:
    parts = parameters(3)
    for one in parts[2]:
        one.requires_grad_(False)
    unfreezing = GradualUnfreezing.of(parts, 1.0)
    assert [unfreezing.num_unfrozen(step, 10) for step in (0, 4, 5, 9, 10)] == [0, 0, 1, 1, 2]
    unfreezing.apply(10, 10)
    assert [one.requires_grad for part in parts for one in part] == [True] * 4 + [False] * 2
