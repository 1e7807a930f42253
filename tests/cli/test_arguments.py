"""Options of the command line: every number has both ends of a range, checked before any work."""

import argparse
import math
from collections.abc import Iterator

import pytest

from civility.cli.arguments import Number, WholeNumber
from civility.cli.parser import build_parser


def options() -> Iterator[tuple[str, argparse.Action]]:
    """Every option and argument of every verb."""
    verbs = next(action for action in build_parser("0")._actions if isinstance(action.choices, dict))
    assert isinstance(verbs.choices, dict)
    for verb, parser in verbs.choices.items():
        for action in parser._actions:
            yield f"{verb} {'/'.join(action.option_strings) or action.dest}", action


def test_every_number_has_both_ends_of_its_range() -> None:
    found = {name: one.type for name, one in options() if one.type is not None and not isinstance(one.default, str)}
    assert {"train --seeds", "train --folds", "sweep --trials", "sweep --jobs", "evaluate --seed"} <= set(found)
    for name, kind in found.items():
        assert isinstance(kind, Number | WholeNumber), f"{name}: a number without a range"
        assert -math.inf < kind.low < kind.high < math.inf, name
    for name, action in options():
        is_number = isinstance(action.default, int | float) and not isinstance(action.default, bool)
        assert not is_number or action.type is not None, f"{name}: a number that nobody checks"


@pytest.mark.parametrize(
    "text", ["-1", "11", "1e1", "3.0", "", " ", "nan", "inf", "1" + "0" * 400, "9" * 10_000, "٣", "1_0"]
)
def test_what_is_no_whole_number_of_the_range_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected a whole number from 0 to 10") as caught:
        WholeNumber(0, 10)(text)
    assert len(str(caught.value)) < 150
    assert WholeNumber(0, 10)(" 10 ") == 10


@pytest.mark.parametrize("text", ["-0.1", "1.1", "nan", "inf", "-inf", "1e400", "1" + "0" * 400, "x", ""])
def test_what_is_no_number_of_the_range_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected a number from 0 to 1"):
        Number(0, 1)(text)
    assert Number(0, 1)("5e-1") == 0.5
