"""Attention without padding, against the formula written out for one pair of tokens at a time."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from civility.models import attention
from civility.models.attention import attend, attend_first, drop

FEW = settings(max_examples=25, deadline=None)
HEADS, WIDTH = 2, 4
Tensors = list[torch.Tensor]


def draw(lengths: list[int], seed: int = 0) -> Tensors:
    """Return query, key, value and what they are multiplied with for each distance, in float64."""
    generator = torch.Generator().manual_seed(seed)
    num, reach = sum(lengths), 2 * max(lengths) - 1
    shapes = [(num, HEADS, WIDTH)] * 3 + [(HEADS, reach, WIDTH)] * 2
    return [torch.randn(shape, generator=generator, dtype=torch.float32).requires_grad_() for shape in shapes]


def by_the_formula(tensors: Tensors, lengths: list[int], scale: float, uses: tuple[bool, bool]) -> torch.Tensor:
    query, key, value, position_key, position_query = tensors
    rows = []
    start, longest = 0, max(lengths)
    for length in lengths:
        for i in range(length):
            heads = []
            for h in range(HEADS):
                scores = []
                for j in range(length):
                    distance = j - i + longest - 1
                    score = query[start + i, h] @ key[start + j, h]
                    if uses[0]:
                        score = score + query[start + i, h] @ position_key[h, distance]
                    if uses[1]:
                        score = score + key[start + j, h] @ position_query[h, distance]
                    scores.append(score * scale)
                heads.append(torch.stack(scores).softmax(0) @ value[start : start + length, h])
            rows.append(torch.stack(heads))
        start += length
    return torch.stack(rows)


@pytest.mark.parametrize("uses", list(itertools.product([False, True], repeat=2)))
@pytest.mark.parametrize("lengths", [[5], [1], [1, 1], [2, 7, 7, 3], [4, 4, 4], [1, 6, 1]])
def test_attention_and_its_gradients_are_the_formulas(lengths: list[int], uses: tuple[bool, bool]) -> None:
    tensors = draw(lengths)
    positions = (tensors[3] if uses[0] else None, tensors[4] if uses[1] else None)
    weights = torch.randn(sum(lengths), HEADS, WIDTH, generator=torch.Generator().manual_seed(9))
    starts = [0, *itertools.accumulate(lengths)][:-1]
    own = [tensor for tensor, used in zip(tensors, (True, True, True, *uses), strict=True) if used]
    for rows in (list(range(sum(lengths))), starts):
        expected = by_the_formula(tensors, lengths, 0.3, uses)[rows]
        if rows is starts:
            found = attend_first(tensors[0][rows], tensors[1], tensors[2], positions, lengths, scale=0.3, dropout=0.0)
        else:
            found = attend(tensors[0], tensors[1], tensors[2], positions, lengths, scale=0.3, dropout=0.0)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
        theirs = torch.autograd.grad((expected * weights[rows]).sum(), own)
        ours = torch.autograd.grad((found * weights[rows]).sum(), own)
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def attended(tensors: Tensors, lengths: list[int], dropout: float = 0.0) -> torch.Tensor:
    query, key, value, position_key, position_query = tensors
    return attend(query, key, value, (position_key, position_query), lengths, scale=0.3, dropout=dropout)


def test_the_control_distances_count() -> None:
    tensors = draw([5, 3])
    turned = [*tensors[:3], tensors[3].flip(1), tensors[4]]
    assert (attended(tensors, [5, 3]) - attended(turned, [5, 3])).abs().max() > 1e-2


@FEW
@given(st.lists(st.integers(1, 12), min_size=1, max_size=6))
def test_a_text_is_computed_the_same_whatever_lies_beside_it(lengths: list[int]) -> None:
    query, key, value, position_key, position_query = draw(lengths)
    together = attend(query, key, value, (position_key, position_query), lengths, scale=0.5, dropout=0.0)
    start, longest = 0, max(lengths)
    for length in lengths:
        part = slice(start, start + length)
        near = slice(longest - length, longest + length - 1)
        positions = (position_key[:, near], position_query[:, near])
        alone = attend(query[part], key[part], value[part], positions, [length], scale=0.5, dropout=0.0)
        torch.testing.assert_close(together[part], alone, atol=1e-6, rtol=1e-5)
        start += length


def test_many_equal_texts_are_computed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = [6] * 7
    tensors = draw(lengths)
    whole = attended(tensors, lengths)
    monkeypatch.setattr(attention, "_SCORES_AT_ONCE", HEADS * 6 * 6 * 3)
    parts = attended(tensors, lengths)
    torch.testing.assert_close(whole, parts, atol=1e-6, rtol=1e-6)


def test_dropped_probabilities_have_the_gradient_of_what_was_dropped() -> None:
    """The backward pass drops what the forward pass dropped: seen by differences, at a fixed draw."""
    lengths = [5, 5, 3]
    tensors = [tensor.detach().double().requires_grad_() for tensor in draw(lengths)]

    def total(*some: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(4)
        return attended(list(some), lengths, dropout=0.4).square().sum()

    ours = torch.autograd.grad(total(*tensors), tensors)
    step = 1e-3  # probabilities are taken in float32
    for which, gradient in enumerate(ours):
        direction = torch.randn(gradient.shape, generator=torch.Generator().manual_seed(which), dtype=torch.float64)
        moved = [
            [tensor + sign * step * direction if i == which else tensor for i, tensor in enumerate(tensors)]
            for sign in (1, -1)
        ]
        slope = (total(*moved[0]) - total(*moved[1])).item() / (2 * step)
        assert float((gradient * direction).sum()) == pytest.approx(slope, rel=2e-2, abs=2e-2)


def test_the_share_that_is_dropped_and_the_expectation() -> None:
    torch.manual_seed(0)
    for share in (0.1, 0.5, 0.03):
        dropped = drop(torch.ones(400_003), share)
        kept = dropped[dropped != 0]
        assert float((dropped == 0).float().mean()) == pytest.approx(share, abs=4 * math.sqrt(share / 400_000))
        assert float(kept.min()) == float(kept.max()) == pytest.approx(1 / (1 - share), rel=1e-4)
    # All four numbers that a word of 64 bits gives are uniform, and none follows from another.
    marks = (drop(torch.ones(400_000), 0.5) == 0).view(-1, 4).float()
    assert torch.corrcoef(marks.T).fill_diagonal_(0).abs().max() < 0.02
    assert (marks.mean(0) - 0.5).abs().max() < 0.01


def test_dropping_is_a_function_of_the_seed_and_nothing_is_dropped_for_nothing() -> None:
    ones = torch.ones(1_000)
    assert drop(ones, 0.0) is ones
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(drop(ones, 0.3))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_half_precision_keeps_its_type_under_autocast() -> None:
    lengths = [4, 4, 2]
    tensors = draw(lengths)
    exact = attended(tensors, lengths)
    halves = [tensor.detach().bfloat16().requires_grad_() for tensor in tensors]
    with torch.autocast("cpu", torch.bfloat16):
        found = attended(halves, lengths)
    assert found.dtype == torch.bfloat16
    gradients = torch.autograd.grad(found.float().sum(), halves)
    assert all(gradient.dtype == torch.bfloat16 for gradient in gradients)
    torch.testing.assert_close(found.float(), exact, atol=0.05, rtol=0.05)
