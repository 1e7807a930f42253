"""Thresholds that too few comments would choose: when the rule falls back, to what, and that it leaves others be."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civility.metrics.intervals import wilson
from civility.metrics.policy import parse_policy
from civility.metrics.small_samples import f1_interval
from civility.metrics.threshold_search import WIDEST, Counts, Cuts, choose_or_fall_back, choose_threshold, reached

POLICIES = ("f1", "precision>=0.8", "recall>=0.9", "fpr<=1%", "flagged<=20 per 1000", "bands(f1, review<=50 per 1000)")
Scores = npt.NDArray[np.float32]


def cuts_of(num_positive: int, num: int = 300, seed: int = 0, distance: float = 1.0, digits: int = 9) -> Cuts:
    rng = np.random.default_rng(seed)
    targets = (np.arange(num) < num_positive).astype(np.float32)
    logits = rng.normal(size=num) + distance * targets
    return Cuts.of(targets, np.round(1 / (1 + np.exp(-logits)), digits).astype(np.float32))


def flood() -> Cuts:
    """The only positive of 300 comments ranks 194th."""
    scores = np.linspace(0.99, 0.001, 300)
    return Cuts.of(np.arange(300) == 193, scores)


def test_one_positive_does_not_flood_the_queue() -> None:
    plain, found = choose_threshold(parse_policy("f1"), flood()), choose_or_fall_back(parse_policy("f1"), flood())
    assert plain.counts.flagged == 194, "the control"
    assert (found.counts.flagged, found.from_data, found.met) == (1, False, False)
    assert found.is_remarkable
    assert found.why == (
        "not chosen from data: with 1 positive comment, F1 at the threshold of f1 may be anything from 0.00 to 0.80; "
        "instead, the threshold flags as many comments as are positive, or fewer"
    )


def test_a_flood_has_a_narrow_interval_by_the_comments_that_it_flags() -> None:
    """Why F1 and precision are taken for shares of the positives."""
    counts = Counts(1, 193, 0, 106)
    low, high = f1_interval(counts)
    assert high - low < 0.1
    low, high = map(float, wilson(counts.true_positives, counts.flagged))
    assert high - low < 0.1
    for text in ("f1", "precision>=0.5", "recall>=0.5"):
        low, high = reached(parse_policy(text), counts)
        assert high - low > 0.7
    assert reached(parse_policy("fpr<=1%"), counts) == tuple(map(float, wilson(193, 299)))
    assert reached(parse_policy("flagged<=1%"), counts) == tuple(map(float, wilson(194, 300)))


@pytest.mark.parametrize("text", POLICIES)
@settings(max_examples=60, deadline=None)
@given(
    num_positive=st.integers(1, 60),
    num=st.integers(61, 400),
    seed=st.integers(0, 99),
    distance=st.floats(-1, 4),
    digits=st.sampled_from([1, 9]),
)
def test_it_flags_no_more_than_are_positive_and_no_more_than_the_policy(
    text: str, num_positive: int, num: int, seed: int, distance: float, digits: int
) -> None:
    policy, cuts = parse_policy(text), cuts_of(num_positive, num, seed, distance, digits)
    plain, found = choose_threshold(policy, cuts), choose_or_fall_back(policy, cuts)
    low, high = reached(policy, plain.counts)
    assert found.from_data == (high - low <= WIDEST)
    if found.from_data:
        assert found == plain
        return
    most = min(num_positive, plain.counts.flagged)
    flagged = cuts.true_positives + cuts.false_positives
    possible = [int(number) for number in flagged if number <= most]
    assert found.counts.flagged == (max(possible) if possible else flagged[0])
    assert found.counts == cuts.at(found.threshold)
    assert str(found.policy) == str(policy)
    if policy.review is not None:
        assert found.review_threshold is not None
        assert found.review_threshold <= found.threshold
        assert found.review_per_1000 <= policy.review


@pytest.mark.parametrize("text", POLICIES)
@settings(max_examples=40, deadline=None)
@given(num_positive=st.integers(39, 200), seed=st.integers(0, 99), distance=st.floats(-1, 4))
def test_thirty_nine_positives_are_always_enough(text: str, num_positive: int, seed: int, distance: float) -> None:
    policy, cuts = parse_policy(text), cuts_of(num_positive, 300, seed, distance)
    assert choose_or_fall_back(policy, cuts) == choose_threshold(policy, cuts)


def test_so_many_are_the_fewest_that_are_always_enough() -> None:
    for num, is_wide in ((38, True), (39, False)):
        widths = [np.subtract(*wilson(share * num, num)[::-1]) for share in np.linspace(0, 1, 201)]
        assert (max(widths) > WIDEST) == is_wide


@pytest.mark.parametrize("text", ["f1", "precision>=0.8", "recall>=0.9"])
@pytest.mark.parametrize("num_positive", [1, 2, 3, 5])
def test_five_positives_are_never_enough(text: str, num_positive: int) -> None:
    perfect = cuts_of(num_positive, distance=50.0, digits=4)
    assert not choose_or_fall_back(parse_policy(text), perfect).from_data
    assert not choose_or_fall_back(parse_policy(text), cuts_of(num_positive)).from_data


def test_a_bound_on_what_is_flagged_needs_no_positives_but_enough_of_what_it_counts() -> None:
    for text in ("fpr<=1%", "flagged<=20 per 1000"):
        policy = parse_policy(text)
        assert choose_or_fall_back(policy, cuts_of(1)) == choose_threshold(policy, cuts_of(1))
    few = cuts_of(295)
    assert choose_or_fall_back(parse_policy("fpr<=50%"), few).why.startswith(
        "not chosen from data: with 5 negative comments, the"
    )
    assert not choose_or_fall_back(parse_policy("flagged<=500 per 1000"), cuts_of(4, 8)).from_data


def test_scores_that_tie_flag_fewer_or_as_few_as_can_be() -> None:
    tied = Cuts.of(np.array([1.0, *[0.0] * 9]), np.array([0.2, 0.9, 0.9, *[0.1] * 7]))
    assert choose_or_fall_back(parse_policy("f1"), tied).counts.flagged == 0
    ones = Cuts.of(np.array([1.0, *[0.0] * 9]), np.array([0.2, 1.0, 1.0, *[0.1] * 7]))
    found = choose_or_fall_back(parse_policy("f1"), ones)
    assert found.counts.flagged == 2
    assert found.threshold == pytest.approx(0.6)


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_a_label_of_one_class_has_a_threshold_that_no_data_chose(target: float) -> None:
    found = choose_or_fall_back(parse_policy("f1"), Cuts.of(np.full(50, target), np.linspace(0, 1, 50)))
    assert (found.threshold, found.from_data) == (0.5, False)
