"""The check of regularization: an input that triggers each part, and one that does not."""

from typing import Any

import pytest

from civility.recipe.settings import RegularizationSettings
from civility.training.preflight.plan_checks import check_regularization

MANY = 2**28
"""Parameters: a number each of them takes 1 GiB."""


def check(*, drops: bool = True, **settings: Any) -> tuple[str, str, str]:
    (found,) = check_regularization(RegularizationSettings(**settings), MANY, drops=drops)
    return found.state, found.found, found.remedy


def test_nothing_is_reported_where_all_is_off() -> None:
    assert check_regularization(RegularizationSettings(), MANY, drops=True) == []


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"r_drop": 1.0}, "R-Drop passes every comment twice"),
        ({"adversarial": "fgm"}, "fgm takes every step twice: about twice the time, and up to 2.0 GiB"),
        ({"adversarial": "fgm", "adversarial_start": 0.25}, "fgm takes every step twice from 25% of the steps on"),
        ({"adversarial": "fgm", "unfreeze_fraction": 0.5}, "fgm takes every step twice from 50% of the steps on"),
        ({"average": "swa"}, "swa keeps 1.0 GiB of averaged weights"),
    ],
)
def test_what_it_costs_is_reported(settings: dict[str, Any], found: str) -> None:
    state, text, remedy = check(**settings)
    assert (state, remedy) == ("passed", "")
    assert found in text


def test_what_has_no_effect_is_warned_of() -> None:
    state, text, remedy = check(r_drop=1.0, drops=False)
    assert state == "warned"
    assert "both passes are the same" in text
    assert "raise regularization.dropout" in remedy
