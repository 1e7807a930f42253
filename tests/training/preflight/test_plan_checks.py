"""Every check of the plan: an input that triggers it, and one that passes."""

import numpy as np
import pytest

from civility.engine.step_plan import BatchShape, Schedule
from civility.scoring.tokens import Tokens
from civility.training.preflight.plan_checks import (
    check_label_weights,
    check_optimizer,
    check_padding,
    check_positive_weights,
    check_schedule,
    check_truncation,
)

from ...schedules import linear_schedule

LABELS = ("toxic", "threat")


def tokens(truncated: list[int], num: int = 100) -> Tokens:
    """Return one-token texts of which the given rows were truncated."""
    cut = np.zeros(num, dtype=np.bool_)
    cut[truncated] = True
    return Tokens(np.zeros(num, dtype=np.int32), np.arange(num + 1, dtype=np.int64), 0, cut)


def targets(threat: list[int], num: int = 100) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    """Return targets: every second comment toxic, the given rows a threat."""
    found = np.zeros((num, 2), dtype=np.float32)
    found[::2, 0] = 1
    found[threat, 1] = 1
    return found


@pytest.mark.parametrize(
    ("cut", "threat", "state", "found"),
    [
        ([], [1], "passed", "0.0% of the comments are truncated at 64 tokens"),
        ([0, 1], list(range(40)), "passed", "2.0% of the comments are truncated at 64 tokens, of threat 5.0%"),
        (list(range(21)), [], "warned", "21.0% of the comments are truncated at 64 tokens, of toxic 22.0%"),
        (list(range(4)), list(range(20)), "warned", "4.0% of the comments are truncated at 64 tokens, of threat 20.0%"),
    ],
)
def test_truncation_warns_where_much_is_cut_or_one_label_much_more(
    cut: list[int], threat: list[int], state: str, found: str
) -> None:
    check = check_truncation(tokens(cut), targets(threat), LABELS, 64, 512)
    assert (check.state, check.found) == (state, found)


def test_truncation_names_a_longer_length_only_where_the_model_has_one() -> None:
    cut = tokens(list(range(50)))
    assert "data.max_length=128" in check_truncation(cut, targets([]), LABELS, 64, 512).remedy
    assert "data.max_length=100" in check_truncation(cut, targets([]), LABELS, 64, 100).remedy
    assert "64 is the most" in check_truncation(cut, targets([]), LABELS, 64, 64).remedy


def test_padding_warns_where_lengths_are_mixed() -> None:
    lengths = np.random.default_rng(0).integers(3, 200, 2_000)
    shape = BatchShape.of(batch_size=16)
    good = check_padding(lengths, shape, 42, group_by_length=True, packed=False)
    assert good.state == "passed"
    bad = check_padding(lengths, shape, 42, group_by_length=False, packed=False)
    assert bad.state == "warned"
    assert "group_by_length=true" in bad.remedy
    few = check_padding(np.array([3, 200, 3]), shape, 42, group_by_length=True, packed=False)
    assert (few.state, few.found) == ("warned", "65.7% of the tokens in a batch")
    assert "batch_size" in few.remedy


def test_padding_is_counted_on_every_process() -> None:
    def found(shape: BatchShape, packed: bool = False) -> str:
        return check_padding(np.array([4, 4, 8, 8]), shape, 0, group_by_length=True, packed=packed).found

    assert found(BatchShape.of(2, 2, 1)) == "0.0% of the tokens in a batch"
    # Each process gets a short one and a long one, so that none waits for the other.
    assert found(BatchShape.of(2, 1, 2)) == "25.0% of the tokens in a batch"
    assert found(BatchShape.of(4, 1, 1)) == "25.0% of the tokens in a batch"
    assert found(BatchShape.of(4, 1, 1), packed=True).startswith("none")


def test_a_schedule_that_ends_with_the_last_step_passes() -> None:
    shape = BatchShape.of(batch_size=8, accumulation=2)
    check = check_schedule(linear_schedule(1e-4, 0.1, 126), shape, 1_000, 2, 0.1)
    assert check.state == "passed"
    assert check.found == "126 steps of 16 comments; learning rate 0 → 0.0001 at step 13 → 8.8e-07 → 0"


def test_a_schedule_of_another_number_of_steps_fails() -> None:
    # What a scheduler does that counts micro-batches: it never comes to its end.
    shape = BatchShape.of(batch_size=8, accumulation=2)
    check = check_schedule(linear_schedule(1e-4, 0.1, 250), shape, 1_000, 2, 0.1)
    assert check.state == "failed"
    assert check.found.startswith("the schedule ends at step 250, training at step 126;")


def test_a_schedule_that_misses_its_peak_fails() -> None:
    check = check_schedule(Schedule(1e-4, 126, 126), BatchShape.of(16), 1_000, 2, 0.1)
    assert check.state == "failed"


@pytest.mark.parametrize(("num", "warmup", "state"), [(50, 0.1, "passed"), (49, 0.1, "warned"), (50, 0.0, "passed")])
def test_few_steps_warn(num: int, warmup: float, state: str) -> None:
    check = check_schedule(linear_schedule(1e-4, warmup, num), BatchShape.of(16), 16 * num, 1, warmup)
    assert check.state == state


def test_a_warm_up_of_no_step_warns() -> None:
    check = check_schedule(linear_schedule(1e-4, 0.001, 500), BatchShape.of(16), 8_000, 1, 0.001)
    assert check.state == "warned"
    assert check.found.endswith("warm-up of 0.1% is less than a step")


def test_a_schedule_that_ends_above_zero_is_no_fault() -> None:
    shape = BatchShape.of(16)
    for name in ("constant", "cosine", "polynomial", "one_cycle"):
        schedule = Schedule(1e-4, 12, 126, name, power=2.0, final_share=0.1, start_share=0.04)
        assert check_schedule(schedule, shape, 1_000, 2, 0.1).state == "passed", name


def test_a_warm_up_as_long_as_the_run_is_refused() -> None:
    for num in (126, 200):
        check = check_schedule(Schedule(1e-4, num, 126, "constant"), BatchShape.of(16), 1_000, 2, 0.1)
        assert check.state == "failed"
        assert f"the warm-up of {num} steps leaves nothing of the run" in check.found
        assert "--set training.warmup_steps=0" in check.remedy
    assert check_schedule(Schedule(1e-4, 125, 126, "constant"), BatchShape.of(16), 1_000, 2, 0.1).state == "passed"


@pytest.mark.parametrize(
    ("name", "peak", "warmup", "state", "found"),
    [
        ("adafactor", 2e-5, 10, "warned", "Adafactor: a step is at most 2e-05 of each parameter's root mean square"),
        ("adafactor", 1e-3, 10, "passed", "Adafactor: a step is at most 0.001 of each parameter's root mean square"),
        ("schedule_free", 2e-5, 0, "warned", "schedule-free AdamW: at 2e-05 to the end, and the mean of the weights"),
        ("schedule_free", 2e-5, 10, "passed", "schedule-free AdamW: at 2e-05 to the end, and the mean of the weights"),
        ("muon", 2e-5, 0, "passed", "Muon for the layers' matrices, with steps as large as AdamW's at 2e-05"),
    ],
)
def test_what_the_learning_rate_means_to_an_optimizer(
    name: str, peak: float, warmup: int, state: str, found: str
) -> None:
    (check,) = check_optimizer(name, Schedule(peak, warmup, 100, "constant"))
    assert check.state == state
    assert check.found.startswith(found)
    assert check_optimizer("adamw", Schedule(peak, warmup, 100)) == []


@pytest.mark.parametrize(
    ("weights", "state", "found"),
    [
        ([1.0, 1.0], "passed", "every label weighs the same"),
        ([1.0, 1.4], "passed", "threat weighs 1.4 times as much as toxic, 58% of the whole"),
        ([0.6, 1.4], "warned", "threat weighs 2.33 times as much as toxic, 70% of the whole"),
        ([np.nan, 1.0], "failed", None),
    ],
)
def test_label_weights_warn_where_one_label_is_nearly_all(weights: list[float], state: str, found: str | None) -> None:
    check = check_label_weights(np.array(weights), LABELS)
    assert check.state == state
    assert found is None or check.found == found


def test_label_weights_warn_where_they_are_far_apart() -> None:
    weights = np.array([0.005, 0.6, 0.6, 0.6])
    assert check_label_weights(weights, ("a", "b", "c", "d")).state == "warned"
    assert check_label_weights(weights + 0.1, ("a", "b", "c", "d")).state == "passed"
    assert check_label_weights(np.array([1.0]), ("a",)).state == "passed", "a single label is all there is"


def test_positive_weights_warn_where_one_positive_outweighs_hundreds() -> None:
    good = check_positive_weights(np.array([2.0, 100.0]), LABELS)
    assert (good.state, good.found) == (
        "passed",
        "a positive comment counts up to 100 times as much as a negative one (threat)",
    )
    assert check_positive_weights(np.array([2.0, 101.0]), LABELS).state == "warned"
    assert check_positive_weights(np.array([2.0, np.inf]), LABELS).state == "failed"
