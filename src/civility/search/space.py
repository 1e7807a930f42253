"""The space of a sweep: which settings vary, and in which range. Read from TOML.

Every end of a range and every choice is validated as a recipe before the first trial starts.
"""

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from civility.errors import UserError, did_you_mean
from civility.plain_text import expectation, shortened, shown
from civility.recipe import SECTIONS, Recipe
from civility.recipe.settings import SettingsSection
from civility.storage.parsing import read_toml

Scalar = str | int | float | bool
_ENDS = {"low", "high", "log", "step"}
_REMEDY = "'civility sweep --help' shows a space file"
_COMMENTS = "all trials are scored on the same comments"
_ONE_PROCESS = "trials that share a process share it"
_FIXED = {
    **dict.fromkeys(("data.files", "data.validation", "data.labels", "data.groups"), _COMMENTS),
    **dict.fromkeys(("data.text_column", "data.id_column", "data.label_list_column"), _COMMENTS),
    **dict.fromkeys(("data.label_separator", "data.none_word", "data.multi_hot_labels"), _COMMENTS),
    **dict.fromkeys(("data.split_seed", "data.folds", "data.fold"), _COMMENTS),
    "training.metric": "all trials are scored by the same metric",
    **dict.fromkeys(("training.device", "training.deterministic", "training.threads"), _ONE_PROCESS),
}
_LOSS_SETTINGS = ("training.loss", "training.weight_power")
_LABEL_WEIGHT_SETTINGS = ("seed", "data.pseudo_labels", "data.augmentation", "data.augmentation_share")
"""Settings that change how frequent labels are in training; the seed does by what augmentation draws."""
_STEP_TOLERANCE = 1e-9
MOST_TRIALS = 100_000
"""Trials of a study; a grid has one at each of its points, and all are listed before the first starts."""
_MOST_CHOICES = 1_000
_MOST_DIMENSIONS = 100
_MOST_STEPS = 1_000_000


class Search(SettingsSection):
    """How to search: the table ``[sweep]`` of a space file."""

    sampler: Literal["tpe", "random", "grid"] = Field(default="tpe", description="how settings are chosen")
    pruner: Literal["median", "none"] = Field(
        default="median", description="median: stop a trial whose best is worse than half of the others at its epoch"
    )
    warmup_epochs: int = Field(default=1, ge=1, le=10_000, description="epochs before any trial is stopped")
    warmup_trials: int = Field(default=5, ge=1, le=MOST_TRIALS, description="finished trials before any is stopped")
    random_trials: int = Field(
        default=10, ge=1, le=MOST_TRIALS, description="trials that are drawn at random before TPE models the scores"
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="of the settings that are drawn")


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, including both; whole numbers if the setting is ``whole``."""

    key: str
    low: float
    high: float
    log: bool
    step: float | None
    whole: bool

    @property
    def num_points(self) -> int | None:
        """How many numbers are in the range; None if it is continuous."""
        step = self.step or (1 if self.whole else None)
        return None if step is None else round((self.high - self.low) / step) + 1

    @property
    def points(self) -> tuple[float, ...]:
        """Every number of the range; none if it is continuous."""
        step = self.step or 1
        values = [self.low + i * step for i in range(self.num_points or 0)]
        return tuple(round(value) if self.whole else value for value in values)


@dataclass(frozen=True)
class Choices:
    """A list of values, each with a name that a study can store: a text itself, anything else as JSON."""

    key: str
    values: tuple[Any, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each value."""
        return tuple(value if isinstance(value, str) else json.dumps(value) for value in self.values)


Dimension = Range | Choices


@dataclass(frozen=True)
class Space:
    """What varies, in the order of the file, and how to search; read by `read_space`."""

    search: Search
    dimensions: tuple[Dimension, ...]

    @property
    def size(self) -> int | None:
        """How many points a grid over the space has; None if a range is continuous."""
        size = 1
        for dimension in self.dimensions:
            num = len(dimension.values) if isinstance(dimension, Choices) else dimension.num_points
            if num is None:
                return None
            size *= num
        return size

    def grid(self) -> Iterator[dict[str, Scalar]]:
        """Yield every point of a grid, as a study stores it; the last dimension changes fastest."""
        axes: list[tuple[Scalar, ...]] = [
            one.names if isinstance(one, Choices) else one.points for one in self.dimensions
        ]
        for values in itertools.product(*axes):
            yield {dimension.key: value for dimension, value in zip(self.dimensions, values, strict=True)}

    def settings(self, point: Mapping[str, Scalar]) -> dict[str, Any]:
        """Return the settings of a point of a study, ``{"section.key": value}``."""
        found: dict[str, Any] = {}
        for dimension in self.dimensions:
            value = point[dimension.key]
            if isinstance(dimension, Choices):
                found[dimension.key] = dimension.values[dimension.names.index(str(value))]
            else:
                found[dimension.key] = int(value) if dimension.whole else float(value)
        return found

    def described(self) -> dict[str, Any]:
        """Return the space as JSON values, to compare it with another."""
        dimensions = {one.key: _described(one) for one in self.dimensions}
        return {"sweep": self.search.model_dump(mode="json"), "space": dimensions}


def _described(dimension: Dimension) -> Any:
    if isinstance(dimension, Choices):
        return list(dimension.values)
    return {"low": dimension.low, "high": dimension.high, "log": dimension.log, "step": dimension.step}


def with_settings(recipe: Recipe, settings: Mapping[str, Any], source: str) -> Recipe:
    """Return a recipe with the given settings, ``{"section.key": value}``; ``source`` is named in errors.

    Another model without a revision drops the recipe's revision, which is one of its own model. A UserError for an
    unknown setting, a wrong type or an impossible value.
    """
    content = recipe.model_dump(mode="json")
    if settings.get("model.name", recipe.model.name) != recipe.model.name and "model.revision" not in settings:
        content["model"]["revision"] = ""
    for key, value in settings.items():
        section, _, name = key.rpartition(".")
        (content.setdefault(section, {}) if section else content)[name] = value
    return Recipe.checked(content, source)


def read_space(path: Path, recipe: Recipe) -> Space:
    """Read a space file, and validate every end and every choice in it against the recipe.

    A UserError if a setting is unknown, has an impossible range or choice, or must not vary, and for a grid over a
    continuous range.
    """
    content = read_toml(path, _REMEDY)
    unknown = sorted(set(content) - {"sweep", "space"})
    if unknown:
        found = f"unknown table [{shortened(unknown[0])}]{did_you_mean(unknown[0], ('sweep', 'space'))}"
        raise _bad_space(path, found, "[sweep] and [space]")
    search = _read_search(path, content.get("sweep", {}))
    varied = _flattened(path, content.get("space", {}))
    if not varied:
        raise _bad_space(path, "[space] is empty", "at least one setting to vary")
    if len(varied) > _MOST_DIMENSIONS:
        raise _bad_space(path, f"[space] varies {len(varied):,} settings", f"at most {_MOST_DIMENSIONS}")
    space = Space(search, tuple(_dimension(path, key, value, recipe) for key, value in varied.items()))
    _refuse_other_split(path, space, recipe)
    _refuse_other_loss(path, space, recipe)
    if search.sampler == "grid":
        _refuse_large_grid(path, space)
    return space


def _bad_space(where: object, found: str, expected: str, remedy: str = _REMEDY) -> UserError:
    return UserError("search.bad-space", found, where=where, expected=expected, remedy=remedy)


def _must_not_vary(path: Path, key: str, reason: str, remedy: str) -> UserError:
    return UserError("search.must-not-vary", f"[space] {key}: {reason}", where=path, remedy=remedy)


def _read_search(path: Path, table: object) -> Search:
    if not isinstance(table, dict):
        raise _bad_space(path, f"sweep = {shown(table)}", "a table [sweep]")
    try:
        return Search.model_validate(table)
    except ValidationError as error:
        detail = error.errors()[0]
        name = ".".join(str(part) for part in detail["loc"])
        if detail["type"] == "extra_forbidden":
            found = f"unknown setting sweep.{shortened(name)}{did_you_mean(name, Search.model_fields)}"
            raise _bad_space(path, found, "") from error
        expected = expectation(detail["msg"]) or detail["msg"]
        raise _bad_space(path, f"sweep.{name} = {shown(detail['input'])}", expected) from error


def _flattened(path: Path, table: object) -> dict[str, Any]:
    """Return what varies by key; to TOML, ``training.epochs`` without quotes is a table in a table."""
    if not isinstance(table, dict):
        raise _bad_space(path, f"space = {shown(table)}", "a table [space]")
    found: dict[str, Any] = {}
    for key, value in table.items():
        if key in SECTIONS and isinstance(value, dict):
            found |= {f"{key}.{name}": inner for name, inner in value.items()}
        else:
            found[key] = value
    return found


def _dimension(path: Path, key: str, value: object, recipe: Recipe) -> Dimension:
    if key in SECTIONS or key.count(".") > 1 or (key != "seed" and "." not in key):
        raise _bad_space(path, f"[space] {shortened(key)}", "a setting as section.key, or seed")
    if key in _FIXED:
        raise _must_not_vary(path, key, f"must not vary: {_FIXED[key]}", f"set it for all trials: --set {key}=…")
    # With its own value, so that an unknown setting is reported as one, and not as a setting without a range.
    with_settings(recipe, {key: _current(recipe, key)}, f"{path}: [space]")
    if isinstance(value, list):
        return _choices(path, key, value, recipe)
    if isinstance(value, dict):
        return _range(path, key, value, recipe)
    raise _bad_space(
        path,
        f"[space] {key} = {shown(value)}",
        "{low = …, high = …} or a list of choices",
        f"to set it for all trials: --set {key}={shown(value)}",
    )


def _current(recipe: Recipe, key: str) -> Any:
    section, _, name = key.rpartition(".")
    return getattr(getattr(recipe, section, None) if section else recipe, name, 0)


def _choices(path: Path, key: str, values: list[Any], recipe: Recipe) -> Choices:
    if not values:
        raise _bad_space(path, f"[space] {key} = []", "at least one choice")
    if len(values) > _MOST_CHOICES:
        found, remedy = f"[space] {key}: {len(values):,} choices", "for a number, give a range with low and high"
        raise _bad_space(path, found, f"at most {_MOST_CHOICES:,}", remedy)
    choices = Choices(key, tuple(values))
    for value in values:
        with_settings(recipe, {key: value}, f"{path}: [space]")
    twice = sorted({name for name in choices.names if choices.names.count(name) > 1})
    if twice:
        raise _bad_space(path, f"[space] {key}: {twice[0]} twice", "different choices")
    return choices


def _range(path: Path, key: str, table: dict[str, Any], recipe: Recipe) -> Range:
    where = f"{path}: [space] {key}"
    unknown = sorted(set(table) - _ENDS)
    if unknown:
        found = f"unknown {unknown[0]}{did_you_mean(unknown[0], _ENDS)}"
        raise _bad_space(where, found, "low, high, log, step")
    default = _current(recipe, key)
    if isinstance(default, bool) or not isinstance(default, int | float):
        raise _bad_space(where, "not a number, and has no range", "a list of choices")
    for end in ("low", "high"):
        if end not in table:
            raise _bad_space(where, f"no {end}", "{low = …, high = …}")
        with_settings(recipe, {key: table[end]}, f"{path}: [space]")
    log = table.get("log", False)
    if not isinstance(log, bool):
        raise _bad_space(where, f"log = {shown(log)}", "true or false")
    found_range = Range(key, table["low"], table["high"], log, table.get("step"), whole=isinstance(default, int))
    for found, expected in (_problem_of_ends(found_range), _problem_of_step(found_range)):
        if found:
            raise _bad_space(where, found, expected)
    return found_range


def _problem_of_ends(found: Range) -> tuple[str, str]:
    """Return what is wrong with the ends of a range, and what is expected; two empty texts if nothing is."""
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        return f"low = {found.low}, high = {found.high}", "finite numbers"
    if found.low >= found.high:
        return f"low = {found.low}, high = {found.high}", "low below high"
    if found.log and found.low <= 0:
        return f"log = true, low = {found.low}", "low above 0"
    return "", ""


def _problem_of_step(found: Range) -> tuple[str, str]:
    """Return what is wrong with the step of a range, and what is expected; two empty texts if nothing is."""
    step = found.step
    if step is None:
        return "", ""
    if isinstance(step, bool) or not isinstance(step, int if found.whole else int | float) or not 0 < step < math.inf:
        return f"step = {shown(step)}", f"a {'whole ' if found.whole else ''}number above 0"
    if found.log:
        return f"log = true, step = {step}", "one of them"
    if step * _MOST_STEPS < found.high - found.low:
        return f"step = {step}", f"at most {_MOST_STEPS:,} steps from low to high"
    num_steps = (found.high - found.low) / step
    if abs(num_steps - round(num_steps)) > _STEP_TOLERANCE * max(1.0, num_steps) or num_steps < 1:
        last = found.low + math.floor(num_steps) * step
        return f"step = {step}, high = {found.high}", f"whole steps from low to high; the last one is {last:g}"
    return "", ""


def _refuse_other_split(path: Path, space: Space, recipe: Recipe) -> None:
    is_split = recipe.data.folds > 0 or not isinstance(recipe.data.validation, tuple)
    if is_split and recipe.data.split_seed < 0 and any(one.key == "seed" for one in space.dimensions):
        reason = f"each seed holds out other comments, but {_COMMENTS}"
        raise _must_not_vary(path, "seed", reason, f"fix the split: --set data.split_seed={recipe.seed}")


def _refuse_other_loss(path: Path, space: Space, recipe: Recipe) -> None:
    """Refuse to score trials by losses that are different functions: a smaller number would mean nothing."""
    if recipe.training.metric != "loss":
        return
    weighs = recipe.training.loss in ("weighted_bce", "pos_weight_bce") or recipe.loss.weigh_labels
    augments = any(one.key == "data.augmentation" for one in space.dimensions) or bool(recipe.data.augmentation)
    of_weights = [key for key in _LABEL_WEIGHT_SETTINGS if weighs and (key != "seed" or augments)]
    for dimension in space.dimensions:
        if dimension.key in (*_LOSS_SETTINGS, *of_weights) or dimension.key.startswith("loss."):
            reason = 'changes the loss, and training.metric = "loss" scores trials by it'
            remedy = "score trials by another metric: --set training.metric=macro_roc_auc"
            raise _must_not_vary(path, dimension.key, reason, remedy)


def _refuse_large_grid(path: Path, space: Space) -> None:
    for dimension in space.dimensions:
        if isinstance(dimension, Range) and dimension.num_points is None:
            found = f'[space] {dimension.key}: a continuous range, and sampler = "grid"'
            raise _bad_space(path, found, "a step or a list of choices", "or use the sampler tpe or random")
    if (space.size or 0) > MOST_TRIALS:
        found = f"a grid of {space.size:,} points, each a trial"
        remedy = "give fewer choices or larger steps, or use the sampler tpe or random"
        raise _bad_space(path, found, f"at most {MOST_TRIALS:,}", remedy)
