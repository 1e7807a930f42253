"""Curves and the explorer: at every threshold the counts that brute force finds."""

import base64
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civility.arrays import Scores, Targets
from civility.data.dataset import Dataset
from civility.documents.label_report import Curve
from civility.evaluation import Scored
from civility.evaluation import curves as curve
from civility.evaluation.curves import curve_of, explorer_of, histogram_of

NAN = float("nan")
ABOVE_ONE = float(np.nextafter(np.float32(1), np.float32(2)))
FEW = settings(max_examples=40, deadline=None)


def _check(found: Curve, targets: Targets, scores: Scores, threshold: float) -> None:
    cuts = found.thresholds
    assert len(cuts) <= 254
    assert (cuts[0], np.float32(cuts[-1])) == (0, np.float32(max(1, threshold)))
    assert 1 in cuts
    assert float(np.float32(threshold)) in [float(np.float32(cut)) for cut in cuts]
    in_float32 = np.array(cuts, dtype=np.float32)
    assert (np.diff(in_float32) > 0).all()
    for place, cut in enumerate(in_float32):
        flagged = scores >= cut
        assert found.true_positives[place] == (flagged & (targets >= 0.5)).sum()
        assert found.false_positives[place] == (flagged & (targets < 0.5)).sum()


@FEW
@given(
    st.integers(0, 10_000),
    st.integers(0, 400),
    st.sampled_from([0.0, 0.02, 0.5, 1.0]),
    st.sampled_from([0, 1, 2, 9]),
    st.one_of(st.floats(0, 1, width=32), st.sampled_from([0.1, 0.3, ABOVE_ONE])),
)
def test_the_counts_are_those_of_brute_force(seed: int, num: int, share: float, digits: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    targets = (rng.random(num) < share).astype(np.float32)
    targets[rng.random(num) < 0.1] = NAN
    scores = rng.random(num).round(digits).astype(np.float32)
    _check(curve_of(targets, scores, threshold), targets, scores, threshold)


def test_many_comments_are_thinned_where_something_happens() -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random(60_000) < 0.05).astype(np.float32)
    scores = np.clip(rng.beta(0.3, 6, 60_000) + 0.3 * targets, 0, 1).astype(np.float32)
    found = curve_of(targets, scores, 0.123)
    _check(found, targets, scores, 0.123)
    positives = np.array(found.true_positives) / targets.sum()
    assert np.abs(np.diff(positives)).max() < 0.05, "no gap in recall"
    few = [number for number in found.false_positives if 0 < number <= 100]
    assert len(few) > 20, "a few false positives are counted one by one"


def _scored(num: int, width: int, seed: int = 0) -> Scored:
    rng = np.random.default_rng(seed)
    targets = (rng.random((num, width)) < 0.2).astype(np.float32)
    targets[rng.random(targets.shape) < 0.2] = NAN
    names = tuple(map(str, range(num)))
    labels = tuple(f"label{i}" for i in range(width))
    scores = rng.random((num, width)).round(3).astype(np.float32)
    return Scored(Dataset(names, targets, names, labels), scores, {"label0": 0.37})


def _curves(scored: Scored) -> list[Curve]:
    columns = zip(scored.dataset.labels, scored.dataset.targets.T, scored.scores.T, strict=True)
    return [curve_of(targets, scores, scored.threshold(label)) for label, targets, scores in columns]


def _decoded(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(base64.b64decode(text), dtype=np.uint8)


def test_the_explorer_decodes_to_the_counts_of_the_curves_and_of_any_label() -> None:
    scored = _scored(500, 3)
    curves = _curves(scored)
    found = explorer_of(scored, curves)
    assert found is not None
    buckets = _decoded(found.buckets).reshape(3, 500)
    any_target = _decoded(found.any_target)
    assert set(any_target.tolist()) == {0, 1, 2}
    np.testing.assert_array_equal(any_target, np.where(np.isnan(scored.any_target), 2, scored.any_target))
    for column, one in enumerate(curves):
        targets = scored.dataset.targets[:, column]
        for place in range(len(one.thresholds)):
            flagged = buckets[column] > place  # reaches the thresholds 0 to place
            assert (flagged & (targets >= 0.5)).sum() == one.true_positives[place]
            assert (flagged & (targets < 0.5)).sum() == one.false_positives[place]
    rng = np.random.default_rng(1)
    for _ in range(50):
        places = [int(rng.integers(len(one.thresholds))) for one in curves]
        cuts = np.array([one.thresholds[place] for one, place in zip(curves, places, strict=True)], dtype=np.float32)
        by_scores = (scored.scores >= cuts).any(axis=1)
        by_buckets = (buckets > np.array(places)[:, None]).any(axis=0)
        np.testing.assert_array_equal(by_buckets, by_scores)


def test_at_the_thresholds_in_use_the_explorer_shows_the_decisions() -> None:
    scored = _scored(300, 2)
    curves = _curves(scored)
    found = explorer_of(scored, curves)
    assert found is not None
    buckets = _decoded(found.buckets).reshape(2, 300)
    for column, (label, one) in enumerate(zip(scored.dataset.labels, curves, strict=True)):
        place = one.thresholds.index(scored.threshold(label))
        np.testing.assert_array_equal(buckets[column] > place, scored.flagged[:, column])


def test_what_would_make_the_page_too_large_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    scored = _scored(100, 2)
    monkeypatch.setattr(curve, "_MOST_PLACES", 200)
    assert explorer_of(scored, _curves(scored)) is not None
    monkeypatch.setattr(curve, "_MOST_PLACES", 199)
    assert explorer_of(scored, _curves(scored)) is None


@pytest.mark.parametrize(("score", "place"), [(0.0, 0), (0.0249, 0), (0.025, 1), (0.99, 39), (1.0, 39)])
def test_the_histogram_counts_each_side(score: float, place: int) -> None:
    targets: Any = np.array([1, 0, 0, NAN], dtype=np.float32)
    found = histogram_of(targets, np.full(4, score, dtype=np.float32))
    assert (len(found.positive), len(found.negative)) == (40, 40)
    assert (found.positive[place], found.negative[place]) == (1, 2)
    assert (sum(found.positive), sum(found.negative)) == (1, 2)
