"""Resamples: what is drawn, from which strata, and that neither threads nor blocks nor company change it."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from civility.arrays import Draws
from civility.metrics import resampling
from civility.metrics.resampling import Means, Ranking, mean_of_defined, point, resample, strata_of

NAN = float("nan")
Floats = npt.NDArray[np.float64]
FEW = settings(max_examples=50, deadline=None)
TARGETS = st.tuples(st.integers(1, 12), st.integers(1, 5)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.sampled_from([0.0, 0.0, 0.3, 0.5, 1.0, NAN]))
)
# Label 0 is positive on two comments, of which each belongs to a label as rare: it has no stratum of its own.
SHARED = np.array([[1.0, 1, 0], [1, 0, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0]])


class Drawn:
    """How often each comment was drawn, as N numbers."""

    def __init__(self, num: int) -> None:
        self.names = tuple(str(row) for row in range(num))

    def measure(self, counts: Draws) -> Floats:
        return counts.astype(np.float64)


def _drawn(strata: npt.ArrayLike, num: int = 200, seed: int = 0, num_threads: int = 1) -> Floats:
    rows = np.asarray(strata)
    return resample({"drawn": Drawn(len(rows))}, rows, num, seed, num_threads)["drawn"]


def test_a_comment_belongs_to_its_rarest_positive_label_or_to_the_negatives() -> None:
    targets = np.array([[1.0, 1], [1, 0], [0.5, 0.4], [0.49, 0], [0, 0]])
    strata = strata_of(targets)
    assert strata[1] == strata[2], "positive for the commoner label alone"
    assert strata[3] == strata[4], "negative"
    assert len(set(strata.tolist())) == 3


def test_an_unknown_target_is_not_positive() -> None:
    targets = np.array([[NAN, 1], [0, 1], [NAN, 0], [0, 0], [NAN, NAN], [1, 0]])
    strata = strata_of(targets)
    assert strata[0] == strata[1]
    assert strata[2] == strata[3] == strata[4]
    assert strata[5] not in strata[:5]


@FEW
@given(TARGETS)
@example(SHARED)
def test_every_label_keeps_positives_in_every_resample(targets: Floats) -> None:
    positive = targets >= 0.5
    strata = strata_of(targets)
    for label in range(targets.shape[1]):
        inside, outside = strata[positive[:, label]], strata[~positive[:, label]]
        assert not len(inside) or set(inside) - set(outside), "no stratum holds positives alone"


def test_without_a_stratum_of_its_own_a_label_would_lose_its_positives() -> None:
    of_label = SHARED[:, 0] == 1
    assert _drawn(strata_of(SHARED))[of_label].sum(axis=0).min() > 0
    by_rarest_label_alone = [2, 3, 2, 3, 0]
    assert _drawn(by_rarest_label_alone)[of_label].sum(axis=0).min() == 0, "the control"
    assert _drawn(np.zeros(5, dtype=int))[of_label].sum(axis=0).min() == 0, "the control: without strata"


def test_the_strata_are_few() -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((5_000, 6)) < rng.random((5_000, 1)) ** 4).astype(np.float64)
    assert len(np.unique(targets, axis=0)) == 64, "the control: combinations of labels are many"
    assert len(np.unique(strata_of(targets))) == 7


@FEW
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30))
def test_no_stratum_is_ever_empty(strata: list[int]) -> None:
    drawn = _drawn(strata, 20)
    for stratum in set(strata):
        assert drawn[np.array(strata) == stratum].sum(axis=0).min() > 0


def test_the_sizes_vary_as_in_a_sample_without_strata() -> None:
    strata = np.repeat([0, 1], [30, 70])
    sizes = _drawn(strata, 4_000)[strata == 0].sum(axis=0)
    assert sizes.mean() == pytest.approx(30, abs=0.3)
    assert sizes.var() == pytest.approx(100 * 0.3 * 0.7, rel=0.1)


@pytest.mark.parametrize("strata", [[0] * 10, [0, 1] * 5])
def test_the_counts_are_those_of_drawing_with_replacement(strata: list[int]) -> None:
    drawn = _drawn(strata, 10_000)
    np.testing.assert_allclose(drawn.mean(axis=1), 1, atol=0.04)
    np.testing.assert_allclose(drawn.var(axis=1), 1 - 1 / 10, rtol=0.08)
    together = np.asarray(np.corrcoef(drawn))[~np.eye(10, dtype=np.bool_)]
    np.testing.assert_allclose(together, -1 / 9, atol=0.05)


def test_threads_and_blocks_change_nothing_and_the_seed_does(monkeypatch: pytest.MonkeyPatch) -> None:
    strata = np.random.default_rng(0).integers(0, 3, 200)
    alone = _drawn(strata, 50)
    for counts_at_once in (1, 200 * 7, 200 * 50):
        monkeypatch.setattr(resampling, "COUNTS_AT_ONCE", counts_at_once)
        for num_threads in (0, 1, 2, 5):
            np.testing.assert_array_equal(_drawn(strata, 50, num_threads=num_threads), alone)
    np.testing.assert_array_equal(_drawn(strata, 20), alone[:, :20])
    assert (_drawn(strata, 50, seed=1) != alone).any(), "the control: another seed"


def test_all_statistics_see_the_same_comments() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((40, 1))
    both = resample({"drawn": Drawn(40), "mean": Means(["mean"], values)}, np.zeros(40, dtype=int), 30)
    np.testing.assert_allclose(both["mean"][0], (both["drawn"].T @ values)[:, 0] / 40, rtol=1e-12)
    alone = resample({"mean": Means(["mean"], values)}, np.zeros(40, dtype=int), 30)
    np.testing.assert_array_equal(both["mean"], alone["mean"])


def test_a_point_is_the_statistic_of_every_comment_once() -> None:
    values = np.array([[1.0], [2], [6]])
    assert point(Means(["mean"], values), 3).tolist() == [3.0]


def test_no_comments_give_no_numbers() -> None:
    nothing = np.zeros(0)
    result = resample({"ranking": Ranking(nothing, nothing)}, np.zeros(0, dtype=int), 3)["ranking"]
    assert result.shape == (4, 3)
    assert np.isnan(result).all()


def test_what_a_statistic_raises_is_raised() -> None:
    with pytest.raises(IndexError):
        resample({"ranking": Ranking(np.array([1.0, 0]), np.array([1.0, 0]))}, np.zeros(1, dtype=int), 3)


def test_the_mean_of_what_is_defined_leaves_out_resample_by_resample() -> None:
    values = np.array([[1.0, NAN, NAN, 0.1], [2.0, 4.0, NAN, 0.2], [6.0, 8.0, NAN, 0.3]])
    np.testing.assert_array_equal(mean_of_defined(values), [3, 6, NAN, np.mean([0.1, 0.2, 0.3])])
