"""The outcome of the step that was tried."""

import json
from dataclasses import asdict

import pytest

from civility.documents.run_environment import RecordedCheck
from civility.engine.trial_step import PaddingTrial, Trial
from civility.training.preflight.model_checks import check_padded_scores, check_trial


def test_a_finite_step_passes() -> None:
    check = check_trial(Trial(4, 62), "bf16")
    assert (check.state, check.remedy) == ("passed", "")
    assert check.found == "loss and gradients are finite in bf16, for 4 comments of up to 62 tokens"


def test_a_step_that_overflows_names_precision_and_remedy() -> None:
    check = check_trial(Trial(4, 62, "the loss is nan", remedy_precision="fp32"), "bf16")
    assert (check.state, check.found) == ("failed", "in bf16, for 4 comments of up to 62 tokens: the loss is nan")
    assert check.remedy.startswith("--set training.precision=fp32")


def test_a_model_that_fails_in_every_precision_is_to_be_replaced() -> None:
    check = check_trial(Trial(1, 1, "IndexError: out of range"), "fp32")
    assert check.state == "failed"
    assert check.remedy.startswith("choose another model")


def test_too_little_memory_warns() -> None:
    check = check_trial(Trial(4, 62, "the memory is too small for them at once", short_of_memory=True), "fp32")
    assert check.state == "warned"
    assert "halve training.batch_size" in check.remedy


@pytest.mark.parametrize(
    ("trial", "state"),
    [
        (PaddingTrial(1e-4), "passed"),
        (PaddingTrial(0.02, 0.02), "passed"),
        (PaddingTrial(0.01, 0.3), "warned"),
        (PaddingTrial(0.01, float("nan")), "warned"),
        (PaddingTrial(0.07), "failed"),
        (PaddingTrial(float("nan")), "failed"),
        (PaddingTrial(trouble="RuntimeError: too short"), "failed"),
    ],
)
def test_scores_may_not_hang_on_padding(trial: PaddingTrial, state: str) -> None:
    check = check_padded_scores(trial, "fnet")
    assert check.state == state
    assert ("a fnet model" in check.found) == (state != "passed")
    assert json.loads(RecordedCheck(**asdict(check)).model_dump_json())["state"] == state, "NaN is written as null"
