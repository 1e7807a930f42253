"""Order and micro-batches: every comment exactly once, as a function of the place alone."""

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civility.arrays import Rows
from civility.engine.step_plan import BatchShape, class_aware_weights, epoch_order, micro_batches, step_seed

FEW = settings(max_examples=50, deadline=None)
SHAPES = st.builds(BatchShape.of, st.integers(1, 6), st.integers(1, 4), st.integers(1, 4))
Lengths = npt.NDArray[np.int64]


def _lengths(num: int, seed: int = 0) -> Lengths:
    """Return lengths as comments have them: a median of about 45 tokens, a long tail, truncated at 256."""
    drawn = np.random.default_rng(seed).lognormal(3.8, 0.9, num)
    return np.clip(drawn, 3, 256).astype(np.int64)


def _same(first: list[Rows], second: list[Rows]) -> bool:
    return len(first) == len(second) and all(map(np.array_equal, first, second))


@FEW
@given(st.integers(0, 300), SHAPES, st.integers(0, 2**32 - 1), st.integers(0, 9), st.booleans())
def test_an_epoch_takes_each_comment_exactly_once(
    num: int, shape: BatchShape, seed: int, epoch: int, grouped: bool
) -> None:
    steps = epoch_order(_lengths(num), shape.global_size, seed, epoch, grouped)
    assert sorted(itertools.chain.from_iterable(rows.tolist() for rows in steps)) == list(range(num))
    assert len(steps) == shape.num_steps(num)
    assert all(0 < len(rows) <= shape.global_size for rows in steps)
    assert sum(len(rows) < shape.global_size for rows in steps) <= 1


@pytest.mark.parametrize("grouped", [False, True])
def test_the_order_is_a_function_of_seed_and_epoch_alone(grouped: bool) -> None:
    lengths, shape = _lengths(500), BatchShape.of(8)
    first = epoch_order(lengths, shape.global_size, 42, 3, grouped)
    np.random.seed(7)  # noqa: NPY002 (the global state must not matter)
    epoch_order(lengths, shape.global_size, 42, 2, grouped)
    assert _same(first, epoch_order(lengths, shape.global_size, 42, 3, grouped))
    assert not _same(first, epoch_order(lengths, shape.global_size, 42, 4, grouped))
    assert not _same(first, epoch_order(lengths, shape.global_size, 43, 3, grouped))
    assert not _same(first, epoch_order(lengths, shape.global_size, 3, 42, grouped)), "seed and epoch are not mixed up"


def _padding(lengths: Lengths, steps: list[Rows]) -> float:
    """Return the share of padded tokens that hold no text."""
    padded = sum(int(lengths[rows].max()) * len(rows) for rows in steps)
    return 1 - float(lengths.sum()) / padded


def test_grouping_by_length_leaves_a_few_per_cent_of_padding() -> None:
    lengths, shape = _lengths(10_000), BatchShape.of(16)
    grouped = _padding(lengths, epoch_order(lengths, shape.global_size, 42, 0, True))
    plain = _padding(lengths, epoch_order(lengths, shape.global_size, 42, 0, False))
    assert grouped < 0.06
    assert plain > 0.4, "the control: a plain order wastes about half"


def test_grouping_by_length_does_not_sort_the_epoch() -> None:
    lengths, shape = _lengths(10_000), BatchShape.of(16)
    steps = epoch_order(lengths, shape.global_size, 42, 0, True)
    longest = [int(lengths[rows].max()) for rows in steps]
    place = np.arange(len(longest))
    assert abs(np.corrcoef(place, longest)[0, 1]) < 0.1
    assert np.corrcoef(place, sorted(longest))[0, 1] > 0.8, "the control: sorted, it would be seen"


def test_comments_meet_others_in_the_next_epoch() -> None:
    lengths, shape = np.full(400, 10), BatchShape.of(4)
    pairs = []
    for epoch in (0, 1):
        steps = epoch_order(lengths, shape.global_size, 42, epoch, True)
        pairs.append({pair for rows in steps for pair in itertools.combinations(sorted(rows.tolist()), 2)})
    assert len(pairs[0] & pairs[1]) < len(pairs[0]) / 10


@FEW
@given(SHAPES, st.data())
def test_micro_batches_take_each_row_of_a_step_exactly_once(shape: BatchShape, data: st.DataObject) -> None:
    num = data.draw(st.integers(1, shape.global_size))
    rows = np.random.default_rng(0).permutation(1_000)[:num]
    by_rank = [micro_batches(rows, shape, rank) for rank in range(shape.num_processes)]
    taken = [row for parts in by_rank for part in parts for row in part.tolist()]
    assert sorted(taken) == sorted(rows.tolist())
    assert len({len(parts) for parts in by_rank}) == 1, "a rank with fewer would be waited for, for ever"
    sizes = [len(part) for parts in by_rank for part in parts]
    assert max(sizes) <= shape.batch_size
    assert max(sizes) - min(sizes) <= 1
    accumulation = shape.global_size // (shape.batch_size * shape.num_processes)
    assert 1 <= len(by_rank[0]) <= accumulation


@pytest.mark.parametrize("shape", [BatchShape.of(b, a, w) for b in (1, 2, 3, 16) for a in (1, 2, 3) for w in (1, 2, 3)])
def test_every_step_size_is_dealt_out_whole(shape: BatchShape) -> None:
    for num in range(1, shape.global_size + 1):
        rows = np.arange(num)
        by_rank = [micro_batches(rows, shape, rank) for rank in range(shape.num_processes)]
        assert sorted(np.concatenate([part for parts in by_rank for part in parts]).tolist()) == rows.tolist()
        assert len({len(parts) for parts in by_rank}) == 1


def test_a_full_step_is_dealt_out_in_micro_batches_of_the_size_asked_for() -> None:
    shape = BatchShape.of(batch_size=2, accumulation=3, num_processes=2)
    found = [[part.tolist() for part in micro_batches(np.arange(12), shape, rank)] for rank in (0, 1)]
    assert found == [[[0, 3], [4, 7], [8, 11]], [[1, 2], [5, 6], [9, 10]]], "dealt out there and back again"


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("num_processes", [2, 4, 8])
def test_every_process_gets_about_as_many_tokens_of_a_step(num_processes: int, grouped: bool) -> None:
    lengths, shape = _lengths(10_000), BatchShape.of(16, 1, num_processes)
    waits: list[float] = []
    control: list[float] = []
    for rows in epoch_order(lengths, shape.global_size, 42, 0, grouped):
        if len(rows) < shape.global_size:
            continue
        dealt = [
            sum(int(lengths[part].sum()) for part in micro_batches(rows, shape, rank)) for rank in range(num_processes)
        ]
        in_pieces = [int(lengths[part].sum()) for part in np.array_split(rows, num_processes)]
        for found, tokens in ((waits, dealt), (control, in_pieces)):
            found.append(max(tokens) / float(np.mean(tokens)) - 1)  # all wait for the one with most
    assert np.mean(waits) < (0.01 if grouped else 0.06)
    assert np.mean(waits) < np.mean(control) / 2, "the control: dealt out in pieces, one has the longest"


def test_a_global_batch_need_not_divide_evenly() -> None:
    # A run of two processes with 16 comments each, resumed on three, and on one with half the memory.
    sizes = [[len(part) for part in micro_batches(np.arange(32), BatchShape(16, 32, 3), rank)] for rank in range(3)]
    assert sizes == [[11], [11], [10]]
    assert [len(part) for part in micro_batches(np.arange(32), BatchShape(8, 32, 1), 0)] == [8, 8, 8, 8]


def test_a_short_step_may_leave_a_rank_without_rows_but_not_without_a_micro_batch() -> None:
    shape = BatchShape.of(batch_size=4, accumulation=2, num_processes=3)
    assert [[len(part) for part in micro_batches(np.arange(2), shape, rank)] for rank in range(3)] == [[1], [1], [0]]


@pytest.mark.parametrize(("num", "expected"), [(0, 0), (1, 1), (23, 1), (24, 1), (25, 2), (48, 2)])
def test_the_number_of_steps_counts_the_short_one(num: int, expected: int) -> None:
    assert BatchShape.of(4, 3, 2).num_steps(num) == expected


def test_every_place_has_a_seed_of_its_own() -> None:
    places = list(itertools.product((0, 1, 11, 42), (0, 1, 11), range(120), (0, 1, 2)))
    seeds = [step_seed(*place) for place in places]
    assert len(set(seeds)) == len(places)
    assert seeds == [step_seed(*place) for place in places]
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_seed_of_a_place_is_the_same_on_every_machine() -> None:
    assert step_seed(42, 0, 0, 0) == 3_542_620_368_399_934_404


def _lopsided(num: int = 1_000) -> npt.NDArray[np.float32]:
    """Return targets of two labels: one in 100 comments has the second, all of these and one in 10 the first."""
    place = np.arange(num)
    targets = np.stack([place % 10 == 0, place % 100 == 0], axis=1).astype(np.float32)
    targets[1::2] = np.nan  # unknown is not positive
    return targets


def test_power_0_draws_comments_as_they_come_and_1_as_many_of_each_label() -> None:
    targets = _lopsided()
    targets[::100, 0] = np.nan  # so that no comment has both
    first, second = targets[:, 0] >= 0.5, targets[:, 1] >= 0.5
    kinds = [~first & ~second, first, second]
    for power, expected in ((0.0, [900, 90, 10]), (1.0, [1_000 / 3] * 3)):
        weights = class_aware_weights(targets, power)
        np.testing.assert_allclose([1_000 * weights[kind].sum() for kind in kinds], expected)


def test_the_weight_of_a_comment_with_several_labels_is_that_of_the_rarest() -> None:
    weights = class_aware_weights(_lopsided(), 0.5)
    # The frequencies: 10 in 1000 have the second label, and with them 100 the first.
    assert weights[0] / weights[10] == pytest.approx(np.sqrt(100 / 10))
    assert weights[10] / weights[1] == pytest.approx(np.sqrt(900 / 100))


@pytest.mark.parametrize("grouped", [False, True])
def test_drawn_comments_are_a_function_of_seed_and_epoch_alone(grouped: bool) -> None:
    lengths, weights = _lengths(1_000), class_aware_weights(_lopsided(), 1.0)
    first, again, later, other = (
        epoch_order(lengths, 16, seed, epoch, grouped, weights) for seed, epoch in ((42, 3), (42, 3), (42, 4), (43, 3))
    )
    assert _same(first, again)
    assert not _same(first, later)
    assert not _same(first, other)


def test_an_epoch_of_drawn_comments_has_as_many_and_more_of_the_rare_ones() -> None:
    lengths, targets = _lengths(1_000), _lopsided()
    shape, rare = BatchShape.of(4, 2, 3), targets[:, 1] >= 0.5
    shares = []
    for power in (0.0, 1.0):
        steps = epoch_order(lengths, shape.global_size, 42, 0, True, class_aware_weights(targets, power))
        rows = np.concatenate(steps)
        assert (len(steps), len(rows)) == (shape.num_steps(1_000), 1_000)
        shares.append(float(rare[rows].mean()))
        dealt = [micro_batches(step, shape, rank) for step in steps for rank in range(3)]
        assert sorted(np.concatenate([part for parts in dealt for part in parts])) == sorted(rows)
    assert shares[0] < 0.03
    assert 0.27 < shares[1] < 0.4, "a third: of three kinds of comments"
