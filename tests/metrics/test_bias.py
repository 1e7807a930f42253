"""Bias: a case worked by hand, all pairs, scikit-learn, the code of the benchmark kernel, and what must not matter."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from civility.metrics.bias import KINDS, Kind, error_counts, final_score, power_mean, rows_of
from civility.metrics.ranking import roc_auc
from civility.metrics.threshold_search import Counts

from ..bias_auc import bias_auc

NAN = float("nan")
Floats = npt.NDArray[np.float64]
FEW = settings(max_examples=50, deadline=None)

# Ten comments: five mention the group, five do not; one more of unknown target, one of unknown group.
#                    group                     background                 unknown
TARGETS = np.array([1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, NAN, 1.0])
SCORES = np.array([0.9, 0.4, 0.7, 0.5, 0.3, 0.8, 0.6, 0.6, 0.2, 0.1, 0.99, 0.01])
MEMBER = np.array([1.0, 0.5, 0.8, 1.0, 1.0, 0.0, 0.49, 0.0, 0.0, 0.0, 1.0, NAN])

AUCS: dict[Kind, Callable[[Floats, Floats, npt.ArrayLike], float]] = {
    "subgroup": partial(bias_auc, "subgroup"),
    "bpsn": partial(bias_auc, "bpsn"),
    "bnsp": partial(bias_auc, "bnsp"),
}
ROWS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.3, 0.5, 1.0, NAN]), st.integers(-5, 5), st.sampled_from([0.0, 0.4, 0.5, 1, NAN])),
    min_size=1,
    max_size=40,
)


def test_subgroup_auc_by_hand() -> None:
    # Positives 0.9 and 0.4, negatives 0.7, 0.5 and 0.3: 0.9 beats three, 0.4 beats one, of 2 x 3 pairs.
    assert bias_auc("subgroup", TARGETS, SCORES, MEMBER) == pytest.approx((3 + 1) / 6)


def test_bpsn_auc_by_hand() -> None:
    # Background positives 0.8 and 0.6, subgroup negatives 0.7, 0.5 and 0.3: 0.8 beats three, 0.6 beats two.
    assert bias_auc("bpsn", TARGETS, SCORES, MEMBER) == pytest.approx((3 + 2) / 6)


def test_bnsp_auc_by_hand() -> None:
    # Subgroup positives 0.9 and 0.4, background negatives 0.6, 0.2 and 0.1: 0.9 beats three, 0.4 beats two.
    assert bias_auc("bnsp", TARGETS, SCORES, MEMBER) == pytest.approx((3 + 2) / 6)


def test_errors_by_hand() -> None:
    errors = error_counts(TARGETS, SCORES >= 0.5, MEMBER)
    # Group: 0.7 and 0.5 of three negatives are flagged, 0.4 of two positives is not.
    assert errors.group == Counts(true_positives=1, false_positives=2, false_negatives=1, true_negatives=1)
    # Background: 0.6 of three negatives is flagged, both positives are.
    assert errors.background == Counts(true_positives=2, false_positives=1, false_negatives=0, true_negatives=2)


def test_final_score_by_hand() -> None:
    # M_-5(0.5, 1) = ((32 + 1) / 2) ** (-1 / 5); M_-5(0.8, 0.8) = 0.8; M_-5(1, undefined) = 1.
    expected = 0.25 * 0.9 + 0.25 * (16.5**-0.2 + 0.8 + 1.0)
    assert final_score(0.9, [0.5, 1.0], [0.8, 0.8], [1.0, NAN]) == pytest.approx(expected, abs=1e-12)
    assert final_score(0.9, [0.5], [0.5], [0.5], weight=1.0) == pytest.approx(0.9)
    assert math.isnan(final_score(0.9, [0.5], [0.5], [NAN]))
    assert math.isnan(final_score(NAN, [0.5], [0.5], [0.5]))


def test_final_score_is_that_of_the_benchmark_kernel() -> None:
    def kernel_mean(series: Floats, p: float) -> float:
        return float(np.power(sum(np.power(series, p)) / len(series), 1 / p))

    aucs = np.random.default_rng(3).uniform(0.4, 1, (3, 9))
    expected = 0.25 * 0.97 + 0.75 * np.average([kernel_mean(row, -5) for row in aucs])
    assert final_score(0.97, *aucs) == pytest.approx(expected, abs=1e-12)
    assert final_score(0.97, *aucs) != pytest.approx(0.25 * 0.97 + 0.75 * aucs.mean(), abs=1e-3)


def _over_pairs(kind: Kind, targets: Floats, scores: Floats, members: Floats) -> float:
    """Every pair of a positive and a negative that the kind compares, one by one."""
    of_positive = kind in ("subgroup", "bnsp")  # whether its positives are those of the group
    of_negative = kind in ("subgroup", "bpsn")
    wins: list[float] = []
    for up in range(len(targets)):
        for down in range(len(targets)):
            if not (targets[up] >= 0.5 and targets[down] < 0.5):
                continue
            if math.isnan(members[up]) or math.isnan(members[down]):
                continue
            if (members[up] >= 0.5) == of_positive and (members[down] >= 0.5) == of_negative:
                wins.append(1.0 if scores[up] > scores[down] else 0.5 if scores[up] == scores[down] else 0.0)
    return sum(wins) / len(wins) if wins else NAN


@FEW
@given(ROWS)
def test_each_is_the_share_of_its_pairs_in_the_right_order(rows: list[tuple[float, float, float]]) -> None:
    targets, scores, members = np.array(rows, dtype=np.float64).T
    for kind, auc in AUCS.items():
        expected = _over_pairs(kind, targets, scores, members)
        assert auc(targets, scores, members) == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_each_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(5)
    targets = (rng.random(4_000) < 0.2).astype(np.float64)
    member = rng.random(4_000) < 0.1
    scores: Floats = np.round(rng.random(4_000) + targets * 0.4 + member * 0.2, 2).astype(np.float64)
    positive = targets == 1
    taken: dict[Kind, npt.NDArray[np.bool_]] = {
        "subgroup": member,
        "bpsn": member != positive,
        "bnsp": member == positive,
    }
    found = {kind: AUCS[kind](targets, scores, member.astype(np.float64)) for kind in KINDS}
    for kind, rows in taken.items():
        assert found[kind] == pytest.approx(roc_auc_score(targets[rows], scores[rows]), abs=1e-12)
    # The group's scores are 0.2 too high: that shows in BPSN, is hidden by BNSP, and each differs from the others.
    assert found["bpsn"] < found["subgroup"] < found["bnsp"]


@FEW
@given(ROWS)
def test_rows_are_what_the_auc_is_taken_over(rows: list[tuple[float, float, float]]) -> None:
    targets, scores, members = np.array(rows, dtype=np.float64).T
    for kind, auc in AUCS.items():
        taken, positive = rows_of(kind, targets, members)
        assert taken.tolist() == sorted(set(taken.tolist()))
        assert positive.tolist() == (targets[taken] >= 0.5).tolist()
        again = roc_auc(positive.astype(np.float64), scores[taken])
        assert auc(targets, scores, members) == pytest.approx(again, nan_ok=True)


@FEW
@given(ROWS)
def test_swapping_group_and_background_swaps_bpsn_and_bnsp(rows: list[tuple[float, float, float]]) -> None:
    targets, scores, members = np.array(rows, dtype=np.float64).T
    swapped = np.where(np.isnan(members), NAN, members < 0.5)
    assert bias_auc("bpsn", targets, scores, swapped) == pytest.approx(
        bias_auc("bnsp", targets, scores, members), nan_ok=True
    )
    decisions = scores > 0
    here, there = error_counts(targets, decisions, members), error_counts(targets, decisions, swapped)
    assert (here.group, here.background) == (there.background, there.group)


def test_groups_may_be_of_any_type_and_scores_infinite() -> None:
    targets, scores = TARGETS[:10], SCORES[:10].copy()
    member = MEMBER[:10] >= 0.5
    assert bias_auc("subgroup", targets, scores, member) == bias_auc(
        "subgroup", targets, scores, MEMBER[:10].astype(np.float32)
    )
    scores[scores == 0.9] = np.inf
    assert bias_auc("subgroup", targets, scores, member) == pytest.approx(4 / 6)


def test_a_group_without_one_side_is_undefined() -> None:
    nobody = np.zeros(12)
    assert all(math.isnan(auc(TARGETS, SCORES, nobody)) for auc in AUCS.values())
    errors = error_counts(TARGETS, SCORES >= 0.5, nobody)
    assert errors.group == Counts(0, 0, 0, 0)
    assert (errors.background.false_negatives, errors.background.num_positive) == (2, 5)  # 0.4 and 0.01


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match=r"targets have shape \(12,\) and in_group \(3,\)"):
        rows_of("subgroup", TARGETS, [1, 0, 1])
    with pytest.raises(ValueError, match=r"flagged \(3,\)"):
        error_counts(TARGETS, np.array([True, False, True]), MEMBER)


def test_power_mean_at_its_limits() -> None:
    assert power_mean([0.0, 1.0]) == 0.0
    assert math.isnan(power_mean([]))
    assert math.isnan(power_mean([NAN, NAN]))
    assert power_mean([NAN, 0.7]) == pytest.approx(0.7)
    assert power_mean([0.2, 0.4], power=1) == pytest.approx(0.3)
    assert power_mean([1.0, 4.0], power=-1) == pytest.approx(1.6)  # harmonic
    assert power_mean([1e-100, 1.0]) == pytest.approx(1e-100 * 2**0.2)
    assert power_mean([0.6, 0.9], power=-200) == pytest.approx(0.6, abs=0.01)
    with pytest.raises(ValueError, match="from 0 up"):
        power_mean([-0.1, 1.0])
    with pytest.raises(ValueError, match="not 0"):
        power_mean([0.1, 1.0], power=0)


@FEW
@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=20))
def test_power_mean_lies_between_the_worst_group_and_the_mean(values: list[float]) -> None:
    found = power_mean(values)
    assert min(values) - 1e-12 <= found <= np.mean(values) + 1e-12
    assert found == pytest.approx(power_mean(values[::-1]))
