"""Whether weights can be averaged: an error names what differs, with both values."""

import pytest

from civility.combine.build_soup import _check_same_architecture

from ..refusals import refused

SETTINGS = {"model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2}


def test_equal_settings_pass() -> None:
    _check_same_architecture("a", SETTINGS, "b", dict(SETTINGS))


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"hidden_size": 64}, "hidden_size is 64 and 32"),
        ({"new": "x"}, "new is 'x' and None"),
        ({"model_type": "deberta", "hidden_size": 32}, "model_type is 'deberta' and 'bert'"),
    ],
)
def test_different_settings_are_refused(change: dict[str, object], difference: str) -> None:
    with refused("combine.unlike-runs") as error:
        _check_same_architecture("runs/a", SETTINGS, "runs/b", {**SETTINGS, **change})
    assert error.value.message == f"runs/b: its architecture differs from that of runs/a: {difference}"
    assert error.value.remedy.endswith("civility ensemble")
