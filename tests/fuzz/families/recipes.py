"""Recipes, ``--set``, spaces and requirements: what a user writes by hand."""

import math
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from string import ascii_lowercase
from typing import Literal, get_args, get_origin

import tomli_w
from pydantic.fields import FieldInfo

from civility.recipe import SECTIONS, Recipe

from ..command import Command
from ..mutations import ODD_TEXTS, TOML_VALUES, Chance, some, toml_file
from ..shelf import LINEAR, QUICK, Shelf, settings

_KEYS = tuple(Recipe().flat())
_RECIPE = """\
seed = 1

[data]
files = "{data}"
validation = 0.3
labels = ["toxic", "threat", "insult"]
max_length = 24

[model]
name = "{model}"

[training]
epochs = 1
batch_size = 16
precision = "fp32"
device = "cpu"
loss = "focal"

[linear]
max_features = 200
"""
_SPACE = """\
[sweep]
sampler = "random"
pruner = "median"
seed = 0

[space]
"linear.c" = {low = 0.1, high = 10, log = true}
"linear.word_ngrams" = {low = 1, high = 2}
"evaluation.calibration" = ["auto", "isotonic", "none"]
"""
_POLICIES = (
    *("default: f1", "threat: recall>=0.9; default: precision>=0.8", "default: bands(f1, review<=20 per 1000)"),
    *("default: fixed 0.5", "default: youden", "toxic: 0.5", "default: top 10 per 1000", "default: cost(1, 10)"),
)
_REQUIREMENTS = (
    *("macro.roc_auc >= 0.5", "labels.toxic.precision.low >= 0.1", "macro >= 1", "labels.toxic.recall<=1e999"),
    *("data.num_comments == 3", "labels.nothing.recall >= 0", "x", "", "macro.roc_auc >= nan", "a.b.c.d.e >= 1"),
)


def recipes(chance: Chance, place: Path, shelf: Shelf) -> Command:
    """A recipe of one's own, checked; a linear one is trained at times."""
    is_linear = chance.random() < 0.6
    model = "tf-idf" if is_linear else shelf.bert
    path = place / "recipe.toml"
    text = _RECIPE.format(data=shelf.comments, model=model)
    if chance.random() < 0.5:
        path.write_text(text, encoding="utf-8")
        toml_file(chance, path)
    else:
        path.write_text(_with_settings(chance, text), encoding="utf-8")
    options = ["--check"] if not is_linear or chance.random() < 0.8 else ["--model", "tf-idf"]
    return Command(("train", "recipe.toml", "--out", "run", *options), ("run",))


def _with_settings(chance: Chance, text: str) -> str:
    """Return a recipe with a few settings of the right types, their numbers on the edges, and at times a slip."""
    content = tomllib.loads(text)
    for _ in range(1 + chance.randrange(3)):
        section = chance.choice(SECTIONS)
        name, value = _setting(chance, section, _edges)
        if chance.random() < 0.1:
            name = _misspelt(chance, name)
        content.setdefault(section, {})[name] = value
    return tomli_w.dumps(content)


def _misspelt(chance: Chance, word: str) -> str:
    at = chance.randrange(len(word))
    other = chance.choice(ascii_lowercase)
    return chance.choice((word[:at] + word[at + 1 :], word[:at] + other + word[at:], word.upper(), f"{word}s"))


def changes(chance: Chance, place: Path, shelf: Shelf) -> Command:
    """Settings changed by ``--set``: one or a few, checked."""
    own = [_change(chance) for _ in some(chance)]
    if chance.random() < 0.15:
        own.append(
            chance.choice(("", "=", "a", "a=b", "seed", "training.=1", ".epochs=1", "training.epochs", *ODD_TEXTS))
        )
    if chance.random() < 0.6:
        given = ("train", "fast", "--data", str(shelf.comments), *settings(*LINEAR, *own))
    else:
        model = ("--model", str(shelf.bert))
        given = ("train", "baseline", "--data", str(shelf.comments), *model, *settings(*QUICK, *own))
    return Command((*given, "--out", "run", "--check"), ("run",))


def _change(chance: Chance) -> str:
    """Return a change of a setting: to what it may nearly be, or to anything."""
    if chance.random() < 0.5:
        section = chance.choice(SECTIONS)
        name, value = _setting(chance, section, _edges)
        return f"{section}.{name}={_typed(value)}"
    key = chance.choice(_KEYS)
    return f"{_misspelt(chance, key) if chance.random() < 0.1 else key}={_value(chance)}"


def _value(chance: Chance) -> str:
    return chance.choice((chance.choice(TOML_VALUES), chance.choice(ODD_TEXTS).replace("\x00", "")))


_NUMBERS = (0, 1, 2, 3, 7, 0.5, 0.999999, 0.1, 1e-30, 1e30, -1, 64, 1.0, 0.0)
_NOT_TRIED = ("training.epochs", "training.device", "training.threads", "training.fit")
"""Settings that take long, or depend on the machine."""


def trainings(chance: Chance, place: Path, shelf: Shelf) -> Command:
    """A few settings of the right types, and a run that is trained with them."""
    names = ("training", "loss", "optimizer", "schedule", "regularization", "evaluation")
    own = []
    for _ in range(1 + chance.randrange(4)):
        section = chance.choice(names)
        name, value = _setting(chance, section, lambda field: _NUMBERS)
        if f"{section}.{name}" not in _NOT_TRIED:
            own.append(f"{section}.{name}={_typed(value)}")
    data = ("--data", str(shelf.comments), "--model", str(shelf.bert))
    return Command(("train", "baseline", *data, *settings(*QUICK, *own), "--out", "run"), ("run",))


def _setting(
    chance: Chance, section: str, numbers: Callable[[FieldInfo], Sequence[float]]
) -> tuple[str, str | int | float]:
    """Return the name of a setting of a section, and a value of its type."""
    fields = type(getattr(Recipe(), section)).model_fields
    name, field = chance.choice(sorted(fields.items()))
    if field.annotation is bool:
        return name, chance.choice((True, False))
    if field.annotation in (int, float):
        number = chance.choice(numbers(field))
        return name, int(number) if field.annotation is int and math.isfinite(number) else number
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else (field.default, *ODD_TEXTS)
    value: str | int | float = chance.choice(choices)
    return name, value


def _edges(field: FieldInfo) -> Sequence[float]:
    """Return numbers in and around the range of a setting."""
    ends = [
        getattr(bound, kind) for bound in field.metadata for kind in ("ge", "gt", "le", "lt") if hasattr(bound, kind)
    ]
    near = [number for end in ends for number in (end, end - 1, end + 1, end / 2, math.nextafter(end, math.inf))]
    return (*near, *_NUMBERS, 1e-320, math.nan, math.inf, -math.inf)


def spaces(chance: Chance, place: Path, shelf: Shelf) -> Command:
    """A sweep of one trial over a space of one's own."""
    path = place / "space.toml"
    path.write_text(_SPACE, encoding="utf-8")
    if chance.random() < 0.5:
        toml_file(chance, path)
    else:
        dimension = _dimension(chance)
        others = [line for line in _SPACE.splitlines() if line.partition("=")[0] != dimension.partition("=")[0]]
        path.write_text("\n".join((*others, dimension, "")), encoding="utf-8")
    named = ("--data", str(shelf.comments), "--space", "space.toml", "--out", "sweep")
    trials = ("--trials", "1") if chance.random() < 0.9 else ("--trials", chance.choice(("0", "-1", "x", "1e9", "")))
    return Command(("sweep", "fast", *named, *trials, *settings(*LINEAR)), ("sweep",))


def _dimension(chance: Chance) -> str:
    """Return a line of a space: a range or choices of some setting of the linear model, its ends odd."""
    keys = [key for key in _KEYS if key.startswith(("linear.", "evaluation.", "seed", "model."))]
    if chance.random() < 0.1:
        keys = [_misspelt(chance, chance.choice(keys))]
    if chance.random() < 0.5:
        section = chance.choice(("linear", "evaluation"))
        values = [_setting(chance, section, _edges) for _ in range(40)]
        name = values[0][0]
        own = [_toml(value) for other, value in values if other == name]
        if chance.random() < 0.5 and len(own) > 1:
            log = chance.choice(("", ", log = true", ", step = 1", ", step = 1e-9", f", step = {own[0]}"))
            return f'"{section}.{name}" = {{low = {own[0]}, high = {own[1]}{log}}}'
        return f'"{section}.{name}" = [{", ".join(own)}]'
    if chance.random() < 0.3:
        choices = ", ".join(chance.choice(TOML_VALUES) for _ in range(chance.randrange(4)))
        return f'"{chance.choice(keys)}" = [{choices}]'
    ends = {"low": "0.1", "high": "10", "log": "true", "step": "0.5"}
    for _ in some(chance):
        ends[chance.choice(list(ends))] = chance.choice(TOML_VALUES)
    kept = [f"{key} = {value}" for key, value in ends.items() if chance.random() < 0.8]
    return f'"{chance.choice(keys)}" = {{{", ".join(kept)}}}'


def _typed(value: str | int | float) -> str:
    """Return a value as one types it after ``--set``."""
    return value.replace("\x00", "") if isinstance(value, str) else _toml(value)


def _toml(value: object) -> str:
    return tomli_w.dumps({"x": value}).removeprefix("x = ").strip()


def policies(chance: Chance, place: Path, shelf: Shelf) -> Command:
    """A policy of thresholds, or a requirement of a report."""
    if chance.random() < 0.5:
        text = _changed(chance, chance.choice(_POLICIES))
        return Command(("thresholds", str(shelf.linear), "--policy", text, "--check"))
    text = _changed(chance, chance.choice(_REQUIREMENTS))
    options = ("--require", text, "--resamples", "100", "--data", str(shelf.comments), "--out", "reports")
    return Command(("evaluate", str(shelf.linear), *options), ("reports",))


def _changed(chance: Chance, text: str) -> str:
    for _ in some(chance):
        at = chance.randrange(len(text) + 1)
        piece = chance.choice((">=", ":", ";", "nan", "1e999", "-1", "(" * 50, "default", " ", "9" * 400, *ODD_TEXTS))
        text = chance.choice((text[:at] + piece + text[at:], text[:at], text[at:], text)).replace("\x00", "")
    return text
