"""Trackers: unknown or missing ones are refused before the run starts."""

import importlib.util

import pytest

from civility.engine.devices import check_tracker

from ..refusals import refused


def test_an_installed_tracker_passes() -> None:
    check_tracker("tensorboard")


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("tensorbord", " (did you mean tensorboard?)"), ("mlfow", " (did you mean mlflow?)"), ("csv", "")],
)
def test_an_unknown_tracker_gets_a_suggestion(name: str, suggestion: str) -> None:
    with refused("engine.tracker") as caught:
        check_tracker(name)
    assert caught.value.message == f"unknown tracker {name!r}{suggestion}"
    assert caught.value.remedy == "trackers: tensorboard, wandb, mlflow, trackio"


@pytest.mark.parametrize("name", ["wandb", "mlflow", "trackio"])
def test_a_tracker_that_is_not_installed_says_what_to_install(name: str) -> None:
    if importlib.util.find_spec(name):
        pytest.skip(f"{name} is installed")
    with refused("engine.tracker") as caught:
        check_tracker(name)
    assert caught.value.message == f"the tracker {name} is not installed"
    assert caught.value.remedy == f"pip install {name}"
