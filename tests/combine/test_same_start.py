"""Whether weights can be averaged: what differs is named, with both values."""

import pytest

from civility.combine.same_start import check_same_architecture
from civility.errors import UserError

SETTINGS = {"model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2}


def test_equal_settings_pass() -> None:
    check_same_architecture("a", SETTINGS, "b", dict(SETTINGS))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"hidden_size": 64}, "hidden_size is 64 and 32"),
        ({"new": "x"}, "new is 'x' and None"),
        ({"model_type": "deberta", "hidden_size": 32}, "model_type is 'deberta' and 'bert'"),
    ],
)
def test_what_differs_is_told(change: dict[str, object], told: str) -> None:
    with pytest.raises(UserError) as error:
        check_same_architecture("runs/a", SETTINGS, "runs/b", {**SETTINGS, **change})
    assert error.value.message == f"runs/b is of another architecture than runs/a: {told}"
    assert error.value.remedy.endswith("civility ensemble")
