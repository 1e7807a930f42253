"""Splits: disjoint, complete, stratified, blind to the order of rows, and no text on both sides."""

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from civility.data.dataset import Dataset, text_digests
from civility.data.splits import fold_of_rows, split
from civility.errors import UserError

from ..refusals import refused

Rows = Sequence[tuple[str, tuple[float, ...]]]
# A busy machine must not fail the test.
untimed = settings(deadline=None)

LABELS = ("toxic", "severe_toxic", "threat")


def _dataset(rows: Rows, labels: tuple[str, ...] = LABELS) -> Dataset:
    """Return a dataset of (text, targets) with the numbers of the rows as ids."""
    targets = np.array([row[1] for row in rows], dtype=np.float32).reshape(len(rows), len(labels))
    return Dataset(tuple(row[0] for row in rows), targets, tuple(map(str, range(len(rows)))), labels)


def _imbalanced(num: int, seed: int, *, num_texts: int | None = None) -> Dataset:
    """Return comments as lopsided as Jigsaw's: severe within toxic, threat in about 1 in 100."""
    draw = random.Random(seed)
    rows = []
    for number in range(num):
        toxic = draw.random() < 0.15
        severe = toxic and draw.random() < 0.15
        threat = draw.random() < (0.04 if toxic else 0.005)
        text = f"text {number if num_texts is None else draw.randrange(num_texts)}"
        rows.append((text, (float(toxic), float(severe), float(threat))))
    return _dataset(rows)


def _rows() -> st.SearchStrategy[Rows]:
    value = st.sampled_from([0.0, 0.0, 0.0, 0.3, 0.5, 1.0, float("nan")])
    text = st.integers(0, 60).map(lambda number: f"text {number}")
    return st.lists(st.tuples(text, st.tuples(value, value, value)), min_size=4, max_size=120)


FRACTIONS = st.sampled_from([0.05, 0.1, 0.2, 0.5, 0.8])
SEEDS = st.integers(0, 2**32)


def _enough(dataset: Dataset, fraction: float) -> bool:
    return len(set(dataset.texts)) * min(fraction, 1 - fraction) >= 1


@untimed
@given(_rows(), FRACTIONS, SEEDS)
def test_is_disjoint_complete_and_ascending(rows: Rows, fraction: float, seed: int) -> None:
    dataset = _dataset(rows)
    assume(_enough(dataset, fraction))
    training, validation = split(dataset, fraction, seed)
    assert len(training)
    assert len(validation)
    assert sorted([*training, *validation]) == list(range(len(rows)))
    assert list(training) == sorted(training)
    assert list(validation) == sorted(validation)


@untimed
@given(_rows(), FRACTIONS, SEEDS)
def test_keeps_equal_texts_on_one_side(rows: Rows, fraction: float, seed: int) -> None:
    dressed = [(text.upper() if number % 2 else f"  {text} \n", row) for number, (text, row) in enumerate(rows)]
    dataset = _dataset(dressed)
    assume(_enough(_dataset(rows), fraction))
    training, validation = split(dataset, fraction, seed)
    # By the plain texts, not by the function under test.
    assert not {rows[row][0] for row in training} & {rows[row][0] for row in validation}


def test_a_plain_random_split_would_share_texts() -> None:
    dataset = _imbalanced(1000, 0, num_texts=500)
    order = np.random.default_rng(0).permutation(1000)
    digests = text_digests(dataset.texts)
    assert np.isin(digests[order[900:]], digests[order[:900]]).sum() > 50


@untimed
@given(_rows(), FRACTIONS, SEEDS, st.randoms(use_true_random=False))
def test_does_not_depend_on_the_order_of_rows(rows: Rows, fraction: float, seed: int, draw: random.Random) -> None:
    dataset = _dataset(rows)
    assume(_enough(dataset, fraction))
    order = list(range(len(rows)))
    draw.shuffle(order)
    shuffled = dataset.select(order)
    held_out = {dataset.ids[row] for row in split(dataset, fraction, seed)[1]}
    assert {shuffled.ids[row] for row in split(shuffled, fraction, seed)[1]} == held_out


def test_depends_on_the_seed_and_on_nothing_else() -> None:
    dataset = _imbalanced(2000, 1)
    first, again, other = (split(dataset, 0.1, seed)[1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    # Two independent tenths share about a tenth of each other.
    assert len(set(first) & set(other)) < 60


@untimed
@given(st.integers(10, 300), FRACTIONS, SEEDS)
def test_has_the_size_asked_for_where_texts_differ(num: int, fraction: float, seed: int) -> None:
    dataset = _imbalanced(num, seed)
    assume(_enough(dataset, fraction))
    validation = split(dataset, fraction, seed)[1]
    # One for rounding, and at most one moved for each label.
    assert abs(len(validation) - fraction * num) <= 1 + len(LABELS)


def test_has_about_the_size_asked_for_where_texts_repeat() -> None:
    dataset = _imbalanced(5000, 2, num_texts=2000)
    for seed in range(10):
        assert len(split(dataset, 0.1, seed)[1]) == pytest.approx(500, rel=0.1)


def test_gives_each_label_and_combination_its_share() -> None:
    dataset = _imbalanced(20_000, 3)
    validation = split(dataset, 0.1, 7)[1]
    combinations = dataset.targets @ np.array([1, 2, 4])
    for combination in np.unique(combinations):
        # It stands together on a line of which each run gives one: only the runs at its two ends can err.
        share = np.sum(combinations == combination) / 10
        assert abs(np.sum(combinations[validation] == combination) - share) <= 2
    for label in range(len(LABELS)):
        share = dataset.targets[:, label].sum() / 10
        assert abs(dataset.targets[validation, label].sum() - share) <= 4


def test_a_plain_random_split_would_not_give_each_label_its_share() -> None:
    dataset = _imbalanced(20_000, 3)
    validation = np.random.default_rng(0).permutation(20_000)[:2000]
    assert abs(dataset.targets[validation, 0].sum() - dataset.targets[:, 0].sum() / 10) > 4


@pytest.mark.parametrize("seed", range(20))
def test_combinations_of_one_comment_go_to_both_sides_in_proportion(seed: int) -> None:
    # 2 ** 8 combinations, each once: with whole quotas for each, all would stand on one side.
    rows = [(f"text {n}", tuple(float(n >> bit & 1) for bit in range(8))) for n in range(256)]
    dataset = _dataset(rows, tuple("abcdefgh"))
    validation = split(dataset, 0.25, seed)[1]
    assert abs(len(validation) - 64) <= 1
    assert np.all(np.abs(dataset.targets[validation].sum(axis=0) - 32) <= 12)


@untimed
@given(st.integers(2, 6), st.integers(30, 200), FRACTIONS, SEEDS)
def test_a_rare_label_has_a_positive_on_both_sides(num_positive: int, num: int, fraction: float, seed: int) -> None:
    rows = [(f"text {n}", (float(n >= num // 2), 0.0, float(n < num_positive))) for n in range(num)]
    dataset = _dataset(rows)
    assume(_enough(dataset, fraction))
    for side in split(dataset, fraction, seed):
        assert dataset.targets[side, 2].sum() >= 1


@pytest.mark.parametrize("seed", range(30))
def test_nested_rare_labels_both_have_a_positive_on_both_sides(seed: int) -> None:
    # Two threats and three severe comments, all toxic: one threat is severe too.
    rare = [(1.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 0.0), (1.0, 1.0, 0.0)]
    dataset = _dataset(
        [(f"rare {n}", row) for n, row in enumerate(rare)] + [(f"text {n}", (0.0, 0.0, 0.0)) for n in range(60)]
    )
    for side in split(dataset, 0.1, seed):
        assert np.all(dataset.targets[side].sum(axis=0) >= 1)


def test_two_copies_of_one_text_do_not_count_as_two_positives() -> None:
    rows = [("Threat", (0.0, 0.0, 1.0)), ("threat ", (0.0, 0.0, 1.0))]
    dataset = _dataset(rows + [(f"text {n}", (0.0, 0.0, 0.0)) for n in range(50)])
    training, validation = split(dataset, 0.2, 0)
    assert sorted([dataset.targets[training, 2].sum(), dataset.targets[validation, 2].sum()]) == [0, 2]


def test_unknown_and_weak_targets_count_as_not_positive() -> None:
    def rows(value: float) -> Dataset:
        return _dataset([(f"text {n}", (value if n % 3 else 1.0, 0.0, 0.0)) for n in range(60)])

    expected = split(rows(0.0), 0.2, 0)[1]
    np.testing.assert_array_equal(split(rows(float("nan")), 0.2, 0)[1], expected)
    np.testing.assert_array_equal(split(rows(0.49), 0.2, 0)[1], expected)
    assert list(split(rows(0.5), 0.2, 0)[1]) != list(expected)


@pytest.mark.parametrize("seed", range(20))
def test_a_text_repeated_very_often_goes_to_training(seed: int) -> None:
    rows = [("buy now", (1.0, 0.0, 0.0))] * 300 + [(f"text {n}", (float(n % 5 == 0), 0.0, 0.0)) for n in range(700)]
    validation = split(_dataset(rows), 0.1, seed)[1]
    assert validation.min() >= 300
    assert abs(len(validation) - 70) <= 2


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_refuses_a_fraction_that_leaves_a_side_empty(fraction: float) -> None:
    with refused("data.conflicting-settings") as caught:
        split(_imbalanced(20, 0), fraction, 0)
    assert caught.value.message == f"cannot hold out {fraction:g} of the comments"
    assert caught.value.remedy == "choose a fraction between 0 and 1"


@pytest.mark.parametrize(
    ("num", "fraction", "words", "share"),
    [
        (9, 0.1, "9 distinct comments are", "10"),
        (9, 0.9, "9 distinct comments are", "90"),
        (1, 0.5, "1 distinct comment is", "50"),
    ],
)
def test_refuses_too_few_comments(num: int, fraction: float, words: str, share: str) -> None:
    with refused("data.too-few") as caught:
        split(_imbalanced(num, 0), fraction, 0)
    assert caught.value.message == f"{words} too few to hold out {share} % of them"
    assert caught.value.remedy == "give more comments, or choose another share"


@pytest.mark.parametrize("fraction", [0.1, 0.9])
@pytest.mark.parametrize("seed", range(30))
def test_ten_comments_are_enough_for_a_tenth(fraction: float, seed: int) -> None:
    training, validation = split(_dataset([(f"text {n}", (0.0, 0.0, 0.0)) for n in range(10)]), fraction, seed)
    assert (len(training), len(validation)) == ((9, 1) if fraction == 0.1 else (1, 9))


FOLDS = st.integers(2, 7)


@untimed
@given(_rows(), FOLDS, SEEDS)
def test_every_comment_is_in_one_fold_and_equal_texts_in_the_same(rows: Rows, num_folds: int, seed: int) -> None:
    dressed = [(text.upper() if number % 2 else f"  {text} \n", row) for number, (text, row) in enumerate(rows)]
    assume(len({text for text, _ in rows}) >= num_folds)
    fold = fold_of_rows(_dataset(dressed), num_folds, seed)
    assert set(fold.tolist()) == set(range(1, num_folds + 1))
    folds_of: dict[str, set[int]] = {}
    for (text, _), own in zip(rows, fold.tolist(), strict=True):
        folds_of.setdefault(text, set()).add(own)
    assert all(len(own) == 1 for own in folds_of.values())
    texts = np.bincount([min(own) for own in folds_of.values()])[1:]
    assert texts.max() - texts.min() <= 1


@untimed
@given(_rows(), FOLDS, SEEDS, st.randoms(use_true_random=False))
def test_folds_do_not_depend_on_the_order_of_rows(rows: Rows, num_folds: int, seed: int, draw: random.Random) -> None:
    assume(len({text for text, _ in rows}) >= num_folds)
    order = list(range(len(rows)))
    draw.shuffle(order)
    fold = fold_of_rows(_dataset(rows), num_folds, seed)
    np.testing.assert_array_equal(fold_of_rows(_dataset(rows).select(order), num_folds, seed), fold[order])


def test_folds_depend_on_the_seed() -> None:
    dataset = _imbalanced(2000, 1)
    first, again, other = (fold_of_rows(dataset, 5, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.mean(first == other) < 0.3, "two independent ones agree on about a fifth"


def test_folds_give_each_label_and_combination_its_share() -> None:
    dataset = _imbalanced(20_000, 3)
    fold = fold_of_rows(dataset, 5, 7)
    combinations = dataset.targets @ np.array([1, 2, 4])
    for own in range(1, 6):
        for combination in np.unique(combinations):
            share = np.sum(combinations == combination) / 5
            assert abs(np.sum(combinations[fold == own] == combination) - share) <= 2
    random_fold = np.random.default_rng(0).integers(1, 6, 20_000)
    share = dataset.targets[:, 0].sum() / 5
    assert abs(dataset.targets[random_fold == 1, 0].sum() - share) > 4, "the control: a random fold is further off"


@untimed
@given(st.integers(2, 6), st.integers(30, 200), FOLDS, SEEDS)
def test_a_rare_label_is_never_in_one_fold_alone(num_positive: int, num: int, num_folds: int, seed: int) -> None:
    rows = [(f"text {n}", (float(n >= num // 2), 0.0, float(n < num_positive))) for n in range(num)]
    dataset = _dataset(rows)
    fold = fold_of_rows(dataset, num_folds, seed)
    assert len(set(fold[dataset.targets[:, 2] >= 0.5].tolist())) >= 2


@pytest.mark.parametrize("seed", range(30))
def test_nested_rare_labels_are_not_in_one_fold_alone(seed: int) -> None:
    # Each of two labels has two positives, in four combinations that stand apart from each other on the line.
    rare = [(1.0, 0.0, 1.0), (0.0, 0.0, 1.0), (1.0, 1.0, 0.0), (0.0, 1.0, 0.0)]
    rows = [(f"rare {n}", row) for n, row in enumerate(rare)] + [(f"text {n}", (n % 2, 0.0, 0.0)) for n in range(60)]
    dataset = _dataset(rows)
    fold = fold_of_rows(dataset, 3, seed)
    for label in (1, 2):
        assert len(set(fold[dataset.targets[:, label] >= 0.5].tolist())) == 2


@pytest.mark.parametrize(
    ("num", "num_folds", "message", "remedy"),
    [
        (20, 1, "cannot split the comments into 1 folds", "give 2 folds or more"),
        (9, 10, "9 distinct comments are too few for 10 folds", "give more comments, or ask for fewer folds"),
    ],
)
def test_refuses_impossible_folds(num: int, num_folds: int, message: str, remedy: str) -> None:
    with pytest.raises(UserError) as caught:
        fold_of_rows(_imbalanced(num, 0), num_folds, 0)
    assert (caught.value.message, caught.value.remedy) == (message, remedy)
