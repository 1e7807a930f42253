"""Early stopping: the epoch that is kept, and the epoch after which the run ends."""

import json

import pytest

from civility.engine.progress import Validation
from civility.engine.validation import EarlyStopping, score_of


def _run(patience: int, scores: list[float], min_gain: float = 0.0) -> tuple[int, int, list[bool]]:
    """Return the best epoch, the last one that ran, and which epochs were the best so far."""
    stopping = EarlyStopping(patience, min_gain=min_gain)
    best = []
    for epoch, score in enumerate(scores, 1):
        best.append(stopping.see(epoch, score))
        if stopping.should_stop:
            break
    return stopping.best_epoch, stopping.last_epoch, best


def test_the_baseline_stops_after_epoch_5_when_epoch_3_was_the_best() -> None:
    best_epoch, last_epoch, best = _run(2, [0.97, 0.98, 0.9888, 0.988, 0.987, 0.999])
    assert (best_epoch, last_epoch) == (3, 5)
    assert best == [True, True, True, False, False]


@pytest.mark.parametrize(
    ("patience", "scores", "best_epoch", "last_epoch"),
    [
        (1, [0.9, 0.8, 0.99], 1, 2),
        (2, [0.9, 0.8, 0.99, 0.7, 0.6], 3, 5),
        (2, [0.9, 0.8, 0.7, 0.99], 1, 3),
        (3, [0.9, 0.8, 0.7, 0.99], 4, 4),
        (2, [0.5, 0.6, 0.7, 0.8], 4, 4),
        (2, [0.0, 0.0, 0.0], 1, 3),
    ],
)
def test_patience_is_counted_from_the_best_epoch(
    patience: int, scores: list[float], best_epoch: int, last_epoch: int
) -> None:
    assert _run(patience, scores)[:2] == (best_epoch, last_epoch)


def test_an_equal_score_is_not_better() -> None:
    assert _run(2, [0.9, 0.9, 0.9]) == (1, 3, [True, False, False])
    assert _run(2, [0.9, 0.9, 0.9000001]) == (3, 3, [True, False, True]), "the control: a little more is"


def test_nothing_stops_before_the_first_epoch() -> None:
    stopping = EarlyStopping(1)
    assert not stopping.should_stop
    assert stopping.best_epoch == 0


def test_a_gain_that_is_too_small_does_not_count_until_they_add_up() -> None:
    scores = [0.5, 0.505, 0.512, 0.52]
    assert _run(3, scores, min_gain=0.01) == (3, 4, [True, False, True, False])
    assert _run(2, [0.5, 0.505, 0.509, 0.9], min_gain=0.01) == (1, 3, [True, False, False])
    assert _run(3, scores) == (4, 4, [True, True, True, True]), "the control: without it each counts"


def test_epochs_are_compared_by_the_metric_that_is_asked_for() -> None:
    first = Validation(0.3, {}, 0.9, 0.6)
    second = Validation(0.4, {}, 0.8, 0.7)
    better = {
        metric: score_of(second, metric) > score_of(first, metric)
        for metric in ("macro_roc_auc", "macro_average_precision", "loss")
    }
    assert better == {"macro_roc_auc": False, "macro_average_precision": True, "loss": False}
    assert score_of(first, "loss") == -0.3, "a lower loss is a higher score"


def test_its_state_is_json_before_the_first_epoch_too() -> None:
    stopping = EarlyStopping(2)
    assert json.loads(json.dumps(stopping.state(), allow_nan=False))["best_score"] is None
    stopping.see(1, 0.5)
    assert stopping.state() == {"patience": 2, "best_score": 0.5, "best_epoch": 1, "last_epoch": 1, "min_gain": 0.0}
