"""Metrics of counts: those of the comments written out as often as drawn, by our plain code and by scikit-learn."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from civility.metrics.ranking import average_precision, recall_at_fpr, roc_auc
from civility.metrics.resampling import Auc, Decided, Means, Ranking, Statistic, point

NAN = float("nan")
Floats = npt.NDArray[np.float64]
Drawn = npt.NDArray[np.uint8]
FEW = settings(max_examples=100, deadline=None)
FPRS = (0.0, 0.1, 1 / 3, 1.0)
# A target, a score with many ties, and how often the comment was drawn in two resamples.
ROWS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.0, 1.0, NAN]),
        st.sampled_from([-math.inf, -1.0, 0.0, 0.5, 1.0, math.inf]),
        st.integers(0, 3),
        st.integers(0, 3),
    ),
    max_size=25,
)


def _columns(rows: list[tuple[float, float, int, int]]) -> tuple[Floats, Floats, Drawn]:
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return table[:, 0], table[:, 1], table[:, 2:].astype(np.uint8)


def _written_out(targets: Floats, scores: Floats, counts: Drawn) -> list[float]:
    targets, scores = np.repeat(targets, counts), np.repeat(scores, counts)
    recalls = [recall_at_fpr(targets, scores, fpr) for fpr in FPRS]
    return [roc_auc(targets, scores), average_precision(targets, scores), *recalls]


@FEW
@given(ROWS)
def test_ranking_is_that_of_the_comments_written_out(rows: list[tuple[float, float, int, int]]) -> None:
    targets, scores, counts = _columns(rows)
    measured = Ranking(targets, scores, FPRS).measure(counts)
    for column in range(2):
        expected = _written_out(targets, scores, counts[:, column])
        np.testing.assert_allclose(measured[:, column], expected, atol=1e-12)


@FEW
@given(ROWS)
def test_the_area_of_a_subset_is_that_of_its_comments_written_out(rows: list[tuple[float, float, int, int]]) -> None:
    targets, scores, counts = _columns(rows)
    known = np.flatnonzero(~np.isnan(targets))[::-1]
    measured = Auc(known, targets[known] == 1, scores[known]).measure(counts)
    expected = [_written_out(targets, scores, counts[:, column])[0] for column in range(2)]
    np.testing.assert_allclose(measured, [expected], atol=1e-12)


@pytest.mark.parametrize("num_values", [2, 30, 10**6])
@pytest.mark.parametrize("share", [0.03, 0.5, 0.97])
def test_ranking_agrees_with_scikit_learn_by_weights(num_values: int, share: float) -> None:
    rng = np.random.default_rng(num_values)
    targets = (rng.random(3_000) < share).astype(np.float32)
    scores = ((rng.integers(0, num_values, 3_000) + targets * num_values / 3) / num_values).astype(np.float32)
    counts = rng.poisson(1, (3_000, 3)).astype(np.uint8)
    measured = Ranking(targets, scores, (0.01, 0.001)).measure(counts)
    area = Auc(np.arange(3_000), targets == 1, scores).measure(counts)[0]
    for column, weights in enumerate(counts.T):
        rates, recalls, _ = oracle.roc_curve(targets, scores, sample_weight=weights, drop_intermediate=False)
        expected = [
            oracle.roc_auc_score(targets, scores, sample_weight=weights),
            oracle.average_precision_score(targets, scores, sample_weight=weights),
            recalls[rates <= 0.01].max(),
            recalls[rates <= 0.001].max(),
        ]
        np.testing.assert_allclose(measured[:, column], expected, atol=1e-10)
        assert area[column] == pytest.approx(expected[0], abs=1e-10)
    assert abs(measured[0, 0] - measured[0, 1]) > 1e-4, "the control: other counts give another area"


def test_the_names_say_the_rates() -> None:
    names = Ranking(np.zeros(1), np.zeros(1)).names
    assert names == ("roc_auc", "average_precision", "recall_at_fpr_0.01", "recall_at_fpr_0.001")


def test_a_resample_without_a_class_has_no_ranking() -> None:
    counts = np.array([[1, 0, 1], [0, 1, 1]], dtype=np.uint8)
    measured = Ranking(np.array([1.0, 0]), np.array([1.0, 0])).measure(counts)
    assert np.isnan(measured[:, :2]).all()
    assert (measured[:, 2] == 1).all()


def test_sums_longer_than_an_int32_are_right() -> None:
    targets, scores = np.array([1.0, 0, 0]), np.array([1.0, 0, 2])
    counts = np.full((3, 200), 2**25, dtype=np.uint32)  # three counts in 200 resamples add up to 9 times 2**31
    assert (Ranking(targets, scores).measure(counts)[0] == 0.5).all()


def test_counts_may_lie_in_memory_either_way() -> None:
    rng = np.random.default_rng(0)
    targets, scores = (rng.random(50) < 0.3).astype(np.float64), rng.random(50)
    counts = rng.poisson(1, (50, 9)).astype(np.uint8)
    for statistic in (Ranking(targets, scores), Decided(targets, scores > 0.5), Means(["a"], scores[:, None])):
        np.testing.assert_allclose(statistic.measure(np.asfortranarray(counts)), statistic.measure(counts), rtol=1e-14)


@FEW
@given(ROWS)
def test_decisions_are_measured_as_of_the_comments_written_out(rows: list[tuple[float, float, int, int]]) -> None:
    targets, scores, counts = _columns(rows)
    measured = Decided(targets, scores >= 0.5).measure(counts)
    for column in range(2):
        known = np.repeat(targets, counts[:, column])
        flagged = np.repeat(scores >= 0.5, counts[:, column])[~np.isnan(known)]
        positive = known[~np.isnan(known)] == 1
        expected = [
            oracle.precision_score(positive, flagged) if flagged.any() else NAN,
            oracle.recall_score(positive, flagged) if positive.any() else NAN,
            oracle.f1_score(positive, flagged) if positive.any() else NAN,
        ]
        np.testing.assert_allclose(measured[:, column], expected, atol=1e-12)


def test_a_soft_target_is_positive_from_one_half_up() -> None:
    targets, flagged = np.array([0.5, 0.49, NAN]), np.array([True, True, True])
    assert point(Decided(targets, flagged), 3).tolist() == [0.5, 1.0, 2 / 3]
    assert point(Ranking(targets, np.array([1.0, 0, NAN])), 3)[0] == 1.0


def test_means_leave_unknown_comments_out_column_by_column() -> None:
    values = np.array([[1.0, NAN, NAN], [3.0, 5.0, NAN], [NAN, 6.0, NAN]])
    counts = np.array([[1, 3, 0], [1, 1, 0], [1, 0, 2]], dtype=np.uint8)
    measured = Means(["a", "b", "c"], values).measure(counts)
    np.testing.assert_allclose(measured, [[2, 1.5, NAN], [5.5, 5, 6], [NAN, NAN, NAN]])


ONE_COMMENT: dict[str, Callable[[Floats, Floats], Statistic]] = {
    "ranking": Ranking,
    "area": lambda targets, scores: Auc(np.arange(len(targets)), targets == 1, scores),
    "decided": lambda targets, scores: Decided(targets, scores > 0),
    "means": lambda targets, scores: Means(["a"], scores[:, None]),
}


@pytest.mark.parametrize("name", ONE_COMMENT)
@pytest.mark.parametrize("targets", [[], [0.0], [1.0]])
def test_no_comment_and_one_comment_are_measured(name: str, targets: list[float]) -> None:
    statistic = ONE_COMMENT[name](np.array(targets), np.ones(len(targets)))
    measured = statistic.measure(np.ones((len(targets), 2), dtype=np.uint8))
    assert measured.shape == (len(statistic.names), 2)
    defined = ~np.isnan(measured[:, 0])
    assert defined.any() == (bool(targets) and name in {"decided", "means"})
