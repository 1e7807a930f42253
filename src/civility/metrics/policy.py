"""Policies: what a threshold should achieve, such as ``threat: recall>=0.9; default: precision>=0.8``."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

import numpy as np

from civility.errors import UserError, closest, did_you_mean

Kind = Literal["f1", "precision", "recall", "fpr", "flagged"]

DEFAULT = "default"
"""The name, without quotes, for every label that is not named."""
KINDS_HELP = (
    "a policy is f1, precision>=0.8, recall>=0.9, fpr<=1%, flagged<=20 per 1000, or with a review band\n"
    "bands(precision>=0.95, review<=20 per 1000); for example: 'threat: recall>=0.9; default: precision>=0.8'"
)

_NUMBER = r"(?P<number>\d+(?:\.\d*)?(?:e[+-]?\d{1,3})?|\.\d+(?:e[+-]?\d{1,3})?)\s*(?P<unit>%|per\s+1000)?"
_BOUND = re.compile(rf"(?P<what>[a-z0-9]+)\s*(?P<sign>>=|<=)\s*{_NUMBER}", re.IGNORECASE)
_BANDS = re.compile(r"bands\s*\((?P<first>[^,()]*),\s*(?P<review>[^,()]*)\)", re.IGNORECASE)
_NAME = re.compile(r'\s*(?:(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<bare>[^":;]*[^":;\s]))\s*:')
_SIGNS = {"precision": ">=", "recall": ">=", "fpr": "<=", "flagged": "<=", "review": "<="}
_KINDS: dict[str, Kind] = {"precision": "precision", "recall": "recall", "fpr": "fpr", "flagged": "flagged"}
_PER_1000 = ("flagged", "review")


@dataclass(frozen=True)
class Policy:
    """What the threshold of a label should achieve.

    Parameters
    ----------
    kind : "f1": as high as possible; "precision", "recall": at least ``bound``; "fpr" (share of the negatives that are
        flagged), "flagged" (comments): at most ``bound``
    bound : a share in [0, 1]; for "flagged" comments per 1000; for "f1" 0
    review : comments per 1000 below the threshold that people can review; None: no review band

    ``str(policy)`` is a text that `parse_policy` reads.
    """

    kind: Kind
    bound: float = 0.0
    review: float | None = None

    def __str__(self) -> str:
        if self.review is not None:
            return f"bands({replace(self, review=None)}, review<={_plain(self.review)} per 1000)"
        if self.kind == "f1":
            return self.kind
        unit = " per 1000" if self.kind in _PER_1000 else ""
        return f"{self.kind}{_SIGNS[self.kind]}{_plain(self.bound)}{unit}"


def parse_policies(text: str, labels: Sequence[str]) -> dict[str, Policy]:
    """Return the policy of each label: its own, or the default.

    Parameters
    ----------
    text : ``NAME: POLICY`` for labels and ``default``, separated by semicolons. A name with a colon, a semicolon or
        quotes, and a label named default, are written in double quotes as in JSON
    labels : (L,) the known names, in the order of the result; without a default, only those named are in it

    Raises
    ------
    UserError : the text is wrong, or a label is unknown or named twice
    """
    own: dict[str, Policy] = {}
    default: Policy | None = None
    place = 0
    while rest := text[place:].strip("; \t\r\n"):
        place = text.index(rest, place)
        name, is_default, place = _read_name(text, place)
        end = text.find(";", place)
        end = len(text) if end < 0 else end
        policy = parse_policy(text[place:end], text, place)
        if is_default:
            if default is not None:
                raise _mistake(text, place, "the default occurs twice")
            default = policy
        elif name in own:
            raise _mistake(text, place, f"the label {name!r} occurs twice")
        elif name not in labels:
            raise UserError(
                "metrics.unknown-label",
                f"no label {name!r}{did_you_mean(name, [*labels, DEFAULT])}",
                where=f"policy {text!r}",
                remedy=f"the labels are {', '.join(labels)}",
            )
        else:
            own[name] = policy
        place = end
    if not own and default is None:
        raise _mistake(text, 0, "no policy")
    found = {label: own.get(label, default) for label in labels}
    return {label: policy for label, policy in found.items() if policy is not None}


def parse_policy(text: str, whole: str = "", place: int = 0) -> Policy:
    """Return the policy in a text such as ``precision>=0.8``; a UserError if it is none.

    For messages, ``whole`` is the text that it is part of, and ``place`` its position there.
    """
    whole = whole or text
    place += len(text) - len(text.lstrip())
    text = text.strip()
    if text.lower() == "f1":
        return Policy("f1")
    if bands := _BANDS.fullmatch(text):
        what, bound = _read_bound(bands["review"], whole, place + bands.start("review"))
        if what != "review":
            second = place + bands.start("review")
            raise _mistake(whole, second, "the second part of bands(…) must be review<=NUMBER per 1000")
        return replace(parse_policy(bands["first"], whole, place + bands.start("first")), review=bound)
    kind, bound = _read_bound(text, whole, place)
    if kind not in _KINDS:
        raise _mistake(whole, place, f"{text!r} is not a policy{did_you_mean(kind, [*_SIGNS, 'f1'])}")
    return Policy(_KINDS[kind], bound)


def _read_name(text: str, place: int) -> tuple[str, bool, int]:
    """Return a name, whether it is the default, and the position of its policy."""
    found = _NAME.match(text, place)
    if found is None:
        part = text[place:].split(";")[0].strip()
        raise _mistake(text, place, f"{part!r} has no label: write LABEL: POLICY or default: POLICY")
    if found["quoted"] is None:
        return found["bare"].strip(), found["bare"].strip() == DEFAULT, found.end()
    try:
        return str(json.loads(found["quoted"])), False, found.end()
    except ValueError:
        raise _mistake(text, place, f"{found['quoted']} is not a name in double quotes, as in JSON") from None


def _read_bound(text: str, whole: str, place: int) -> tuple[str, float]:
    """Return what is limited and the limit: a share, or comments per 1000."""
    found = _BOUND.fullmatch(text.strip())
    if found is None:
        guess = closest(re.split(r"[^a-z0-9]", text.strip().lower())[0], [*_SIGNS, "f1"])
        raise _mistake(
            whole, place, f"{text.strip()!r} is not a policy" + (f" (did you mean {guess}?)" if guess else "")
        )
    what, unit = found["what"].lower(), (found["unit"] or "").split()
    if what not in _SIGNS:
        raise _mistake(whole, place, f"{text.strip()!r} is not a policy{did_you_mean(what, [*_SIGNS, 'f1'])}")
    if found["sign"] != _SIGNS[what]:
        raise _mistake(whole, place, f"{what} takes {_SIGNS[what]}, not {found['sign']}")
    number = Decimal(found["number"])
    is_percent, is_per_1000 = unit == ["%"], bool(unit) and unit != ["%"]
    if what in _PER_1000:
        if not unit:
            raise _mistake(
                whole, place, f"{what}<={number} needs a unit: write {what}<={number} per 1000, or a percentage"
            )
        bound, most = float(number * 10 if is_percent else number), 1000
    else:
        if is_per_1000:
            raise _mistake(whole, place, f"{what} is a share: write a number from 0 to 1, or a percentage")
        bound, most = float(number / 100 if is_percent else number), 1
    if bound > most or (bound == 0 and _SIGNS[what] == ">="):
        raise _mistake(whole, place, f"{what}{_SIGNS[what]}{found['number']} is out of range, expected {_range(what)}")
    return what, bound


def _range(what: str) -> str:
    if what in _PER_1000:
        return "from 0 to 1000 per 1000"
    return "above 0 and up to 1" if _SIGNS[what] == ">=" else "from 0 to 1"


def _mistake(text: str, place: int, problem: str) -> UserError:
    return UserError("metrics.policy", problem, where=f"policy {text!r}, character {place + 1}", remedy=KINDS_HELP)


def _plain(number: float) -> str:
    """Return the shortest decimal that reads back as the same number."""
    return np.format_float_positional(number, unique=True, trim="-")
