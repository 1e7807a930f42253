"""The watch warns once of a loss that stays, of scores that tie, of a rate that falls; of learning it says nothing."""

import json
from collections.abc import Iterable

import numpy as np
import pytest

from civility.engine.watch import LossWatch, RateWatch, Warned, watch_scores

LABELS = ("toxic", "threat")


def warnings(watch: LossWatch, losses: Iterable[float], start: int = 1) -> list[Warned]:
    found = [watch.see(step, loss) for step, loss in enumerate(losses, start)]
    return [one for one in found if one is not None]


def noisy(level: "np.ndarray[tuple[int], np.dtype[np.float64]]", seed: int = 0) -> list[float]:
    noise = np.random.default_rng(seed).normal(0, 0.05, len(level))
    return [float(loss) for loss in level + noise]


def test_a_flat_loss_is_reported_once_after_the_warm_up() -> None:
    watch = LossWatch(num_steps=1_000, num_warmup_steps=100)
    (warning,) = warnings(watch, noisy(np.full(1_000, 0.7)))
    # Windows are of 50 steps; the second that ends 4 windows after the warm-up, or a later one.
    assert warning.step >= 350
    assert warning.step % 50 == 0
    assert warning.text.startswith(f"step {warning.step}: the loss has not fallen: 0.")
    assert "in the last 50 steps" in warning.text
    assert "learning_rate" in warning.remedy


@pytest.mark.parametrize("seed", range(5))
def test_a_falling_loss_is_not_reported(seed: int) -> None:
    falling = 0.7 - 0.3 * np.minimum(1, np.arange(1_000) / 400)
    assert warnings(LossWatch(1_000, 100), noisy(falling, seed)) == []


def test_a_loss_that_rises_again_is_reported() -> None:
    level = np.concatenate([np.linspace(0.7, 0.3, 600), np.full(400, 0.75)])
    (warning,) = warnings(LossWatch(1_000, 100), noisy(level))
    assert 600 < warning.step <= 750


def test_nothing_is_said_before_there_was_time() -> None:
    assert warnings(LossWatch(1_000, 100), noisy(np.full(349, 0.7))) == []
    assert warnings(LossWatch(30, 3), noisy(np.full(30, 0.7))) == [], "too short a run to judge"


def test_steps_without_a_known_target_are_passed_over() -> None:
    losses = noisy(np.full(1_000, 0.7))
    gaps = [value for loss in losses for value in (loss, float("nan"))]
    (warning,) = warnings(LossWatch(1_000, 100), gaps)
    assert "nan" not in warning.text


@pytest.mark.parametrize("cut", [1, 49, 50, 51, 200, 399, 600])
def test_an_interrupted_watch_warns_as_an_uninterrupted_one(cut: int) -> None:
    losses = noisy(np.full(1_000, 0.7))
    whole = warnings(LossWatch(1_000, 100), losses)
    first = LossWatch(1_000, 100)
    before = warnings(first, losses[:cut])
    second = LossWatch(1_000, 100)
    second.restore(json.loads(json.dumps(first.state())))
    assert before + warnings(second, losses[cut:], cut + 1) == whole
    assert len(whole) == 1
    forgetful = warnings(LossWatch(1_000, 100), losses[cut:], cut + 1)
    assert before + forgetful != whole or cut in (1, 50), "the control: without its state the watch differs"


def test_scores_that_are_all_the_same_are_reported_by_label() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(100, 2)).astype(np.float32)
    assert watch_scores(7, logits, LABELS, "bf16") is None
    logits[:, 1] = -5.0 + rng.normal(0, 1e-4, 100)
    warning = watch_scores(7, logits, LABELS, "bf16")
    assert warning is not None
    assert warning.text == "step 7: all validation comments have the same score for threat"
    assert warning.remedy == "lower training.learning_rate", "another precision than fp16 has no part in it"
    logits[:, 0] = 3
    both = watch_scores(7, logits, LABELS, "fp16")
    assert both is not None
    assert both.text.endswith("for toxic, threat")
    assert both.remedy == "lower training.learning_rate, or set training.precision to bf16 or fp32"
    assert watch_scores(7, logits[:1], LABELS, "bf16") is None, "one comment has one score"


def slow_at(*phases: tuple[int, float]) -> list[tuple[int, float]]:
    """Return the steps at which a watch reports a slow rate, and how slow.

    Each phase is a number of steps of 1,000 tokens, and the seconds of each step.
    """
    watch = RateWatch()
    seconds = [one for num, each in phases for one in [each] * num]
    found = [(step, watch.see(1_000, one)) for step, one in enumerate(seconds, start=1)]
    return [(step, times) for step, times in found if times is not None]


def test_a_rate_below_a_third_is_reported_once() -> None:
    ((step, times),) = slow_at((120, 1.0), (200, 4.0))
    assert times == pytest.approx(4.0)
    assert step == 120 + 15, "a minute of it"


def test_a_rate_that_falls_again_after_recovering_is_reported_again() -> None:
    assert len(slow_at((60, 1.0), (60, 4.0), (120, 1.0), (60, 5.0))) == 2
    assert len(slow_at((60, 1.0), (60, 4.0), (60, 2.5), (60, 5.0))) == 1, "the control: not well in between"


def test_a_rate_that_falls_less_or_briefly_is_not_reported() -> None:
    assert slow_at((600, 1.0), (600, 2.5)) == []
    assert slow_at((60, 1.0), (5, 4.0), (600, 1.0)) == []
    assert slow_at((600, 4.0), (600, 1.0)) == [], "nor one that rises"


def test_few_long_steps_tell_nothing_of_the_rate() -> None:
    assert slow_at((20, 30.0), (9, 300.0)) == []
    assert len(slow_at((20, 30.0), (10, 300.0))) == 1
