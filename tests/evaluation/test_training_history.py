"""Training curves: thinned to what a chart needs, from the lines of a log."""

from typing import Any

import pytest

from civility.evaluation.curves import training_curves

NAN = float("nan")


def _step(step: int, loss: float | None) -> dict[str, Any]:
    return {"kind": "step", "step": step, "loss": loss, "learning_rate": step / 1_000}


def _epoch(epoch: int, *, best: bool, loss: float = 0.3) -> dict[str, Any]:
    validation = {"loss": loss, "macro_roc_auc": 0.9, "roc_auc": {"toxic": 0.9, "threat": NAN}}
    return {
        "kind": "epoch",
        "epoch": epoch,
        "step": 10 * epoch,
        "training_loss": 0.2,
        "validation": validation,
        "best": best,
    }


def test_a_run_without_an_epoch_has_no_curves() -> None:
    assert training_curves([]) is None
    assert training_curves([_step(1, 0.5)]) is None


def test_few_steps_are_kept_as_they_are() -> None:
    lines = [_step(10, 0.5), _epoch(1, best=True), _step(20, 0.25), _epoch(2, best=True), _epoch(3, best=False)]
    found = training_curves([*lines, {"kind": "something else"}])
    assert found is not None
    assert (found.steps, found.losses, found.learning_rates) == ((10, 20), (0.5, 0.25), (0.01, 0.02))
    assert found.best_epoch == 2
    first = found.epochs[0]
    assert (first.epoch, first.step, first.training_loss, first.validation_loss) == (1, 10, 0.2, 0.3)
    assert first.roc_auc == {"toxic": 0.9, "threat": None}


@pytest.mark.parametrize(("num", "kept"), [(400, 400), (401, 201), (800, 400), (801, 267), (5_000, 385)])
def test_many_steps_are_thinned_to_means(num: int, kept: int) -> None:
    found = training_curves([*(_step(step, float(step)) for step in range(1, num + 1)), _epoch(1, best=True)])
    assert found is not None
    assert len(found.steps) == len(found.losses) == len(found.learning_rates) == kept <= 400
    assert found.steps[-1] == num
    every = found.steps[0]
    assert found.losses[0] == sum(range(1, every + 1)) / every
    assert found.learning_rates[0] == every / 1_000


def test_losses_that_are_nan_or_missing_are_left_out_of_the_means() -> None:
    losses = [1.0, NAN, 3.0] + [None] * 3 + [2.0] * 900
    found = training_curves([*(_step(i, loss) for i, loss in enumerate(losses)), _epoch(1, best=True)])
    assert found is not None
    assert found.losses[:3] == (2.0, None, 2.0)
