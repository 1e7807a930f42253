"""The space of a sweep: which settings vary and between what, read from TOML and held against the recipe.

Every end of a range and every choice is validated as a recipe before anything starts. Knows no study.
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
from civility.plain_text import shortened, shown
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
_OF_THE_LOSS = ("training.loss", "training.weight_power")
_OF_ITS_WEIGHTS = ("seed", "data.pseudo_labels", "data.augmentation", "data.augmentation_share")
"""What changes how frequent labels are in training; a seed does by what augmentation draws."""
_STEP_TOLERANCE = 1e-9
MOST_TRIALS = 100_000
"""Trials of a study. A grid has one at each of its points, and all are listed before the first begins."""
_MOST_CHOICES = 1_000
_MOST_DIMENSIONS = 100
_MOST_STEPS = 1_000_000


class Search(SettingsSection):
    """How to search: the table ``[sweep]`` of a space file."""

    sampler: Literal["tpe", "random", "grid"] = Field(default="tpe", description="how settings are chosen")
    pruner: Literal["median", "none"] = Field(
        default="median", description="median: stop a trial whose best is worse than half of the others at this epoch"
    )
    warmup_epochs: int = Field(default=1, ge=1, le=10_000, description="epochs that every trial is given")
    warmup_trials: int = Field(default=5, ge=1, le=MOST_TRIALS, description="finished trials before any is stopped")
    random_trials: int = Field(
        default=10, ge=1, le=MOST_TRIALS, description="trials that TPE draws at random before it models"
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="of what is drawn: a function of it and of the trial")


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both among them; ``whole`` ones if the setting is a whole number."""

    key: str
    low: float
    high: float
    log: bool
    step: float | None
    whole: bool

    @property
    def num_points(self) -> int | None:
        """How many numbers are in the range; None where there is no end of them."""
        step = self.step or (1 if self.whole else None)
        return None if step is None else round((self.high - self.low) / step) + 1

    @property
    def points(self) -> tuple[float, ...]:
        """Every number of the range; none where there is no end of them."""
        step = self.step or 1
        values = [self.low + i * step for i in range(self.num_points or 0)]
        return tuple(round(value) if self.whole else value for value in values)


@dataclass(frozen=True)
class Choices:
    """Some values, each with a name that a study can hold: a value's own text, JSON for a list."""

    key: str
    values: tuple[Any, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """A name a value."""
        return tuple(value if isinstance(value, str) else json.dumps(value) for value in self.values)


Dimension = Range | Choices


@dataclass(frozen=True)
class Space:
    """What varies and how it is searched; from `read_space`.

    Parameters
    ----------
    search : how
    dimensions : what, in the order of the file
    """

    search: Search
    dimensions: tuple[Dimension, ...]

    @property
    def size(self) -> int | None:
        """How many points a grid over the space has; None where there is no end of them."""
        size = 1
        for dimension in self.dimensions:
            num = len(dimension.values) if isinstance(dimension, Choices) else dimension.num_points
            if num is None:
                return None
            size *= num
        return size

    def grid(self) -> Iterator[dict[str, Scalar]]:
        """Yield every point of a grid, as a study holds it; the last dimension changes fastest."""
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
        """Return the space as JSON takes it, to be compared with another."""
        dimensions = {one.key: _described(one) for one in self.dimensions}
        return {"sweep": self.search.model_dump(mode="json"), "space": dimensions}


def _described(dimension: Dimension) -> Any:
    if isinstance(dimension, Choices):
        return list(dimension.values)
    return {"low": dimension.low, "high": dimension.high, "log": dimension.log, "step": dimension.step}


def with_settings(recipe: Recipe, settings: Mapping[str, Any], source: str) -> Recipe:
    """Return the recipe with settings on top, ``{"section.key": value}``.

    With another model and no word on the revision, the recipe's is dropped, since it is of its own model.

    Raises
    ------
    UserError : ``source`` is named: an unknown setting, a wrong type or an impossible value
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

    Raises
    ------
    UserError : no such file, no TOML, an unknown setting, a wrong type, an impossible value, ends in the wrong
        order, a grid without end, or a setting that must not vary
    """
    content = read_toml(path, _REMEDY)
    unknown = set(content) - {"sweep", "space"}
    if unknown:
        name = sorted(unknown)[0]
        raise UserError(
            "search.todo",
            f"unknown table [{shortened(name)}]{did_you_mean(name, ('sweep', 'space'))}: expected [sweep] and [space]",
            where=path,
            remedy=_REMEDY,
        )
    search = _read_search(path, content.get("sweep", {}))
    varied = _flattened(path, content.get("space", {}))
    if not varied:
        raise UserError(
            "search.todo", "[space] is empty: expected at least one setting to vary", where=path, remedy=_REMEDY
        )
    if len(varied) > _MOST_DIMENSIONS:
        raise UserError(
            "search.todo",
            f"[space] varies {len(varied):,} settings: expected at most {_MOST_DIMENSIONS}",
            where=path,
            remedy=_REMEDY,
        )
    space = Space(search, tuple(_dimension(path, key, value, recipe) for key, value in varied.items()))
    _refuse_other_split(path, space, recipe)
    _refuse_other_loss(path, space, recipe)
    if search.sampler == "grid":
        _refuse_endless_grid(path, space)
    return space


def _read_search(path: Path, table: object) -> Search:
    if not isinstance(table, dict):
        raise UserError("search.todo", f"sweep = {shown(table)}: expected a table [sweep]", where=path, remedy=_REMEDY)
    try:
        return Search.model_validate(table)
    except ValidationError as error:
        detail = error.errors()[0]
        name = ".".join(str(part) for part in detail["loc"])
        if detail["type"] == "extra_forbidden":
            found = f"unknown setting sweep.{shortened(name)}{did_you_mean(name, Search.model_fields)}"
        else:
            expected = detail["msg"].removeprefix("Input should be ")
            found = f"sweep.{name} = {shown(detail['input'])}: expected {expected}"
        raise UserError("search.todo", f"{found}", where=path, remedy=_REMEDY) from error


def _flattened(path: Path, table: object) -> dict[str, Any]:
    """Return what varies by key: ``training.epochs`` without quotes is a table in a table to TOML."""
    if not isinstance(table, dict):
        raise UserError("search.todo", f"space = {shown(table)}: expected a table [space]", where=path, remedy=_REMEDY)
    found: dict[str, Any] = {}
    for key, value in table.items():
        if key in SECTIONS and isinstance(value, dict):
            found |= {f"{key}.{name}": inner for name, inner in value.items()}
        else:
            found[key] = value
    return found


def _dimension(path: Path, key: str, value: object, recipe: Recipe) -> Dimension:
    if key in SECTIONS or key.count(".") > 1 or (key != "seed" and "." not in key):
        raise UserError(
            "search.todo",
            f"[space] {shortened(key)}: expected a setting as section.key, or seed",
            where=path,
            remedy=_REMEDY,
        )
    if key in _FIXED:
        raise UserError(
            "search.todo",
            f"[space] {key}: must not vary: {_FIXED[key]}",
            where=path,
            remedy=f"set it for all: --set {key}=…",
        )
    # With any value, so that a wrong key is told as one, and not as a setting of no number.
    with_settings(recipe, {key: _current(recipe, key)}, f"{path}: [space]")
    if isinstance(value, list):
        return _choices(path, key, value, recipe)
    if isinstance(value, dict):
        return _range(path, key, value, recipe)
    raise UserError(
        "search.todo",
        f"[space] {key} = {shown(value)}: expected {{low = …, high = …}} or a list of choices",
        where=path,
        remedy=f"set it for all: --set {key}={shown(value)}",
    )


def _current(recipe: Recipe, key: str) -> Any:
    section, _, name = key.rpartition(".")
    return getattr(getattr(recipe, section, None) if section else recipe, name, 0)


def _choices(path: Path, key: str, values: list[Any], recipe: Recipe) -> Choices:
    if not values:
        raise UserError("search.todo", f"[space] {key} = []: expected at least one choice", where=path, remedy=_REMEDY)
    if len(values) > _MOST_CHOICES:
        raise UserError(
            "search.todo",
            f"[space] {key}: {len(values):,} choices: expected at most {_MOST_CHOICES:,}",
            where=path,
            remedy="give a range with low and high, where it is a number",
        )
    choices = Choices(key, tuple(values))
    for value in values:
        with_settings(recipe, {key: value}, f"{path}: [space]")
    twice = sorted({name for name in choices.names if choices.names.count(name) > 1})
    if twice:
        raise UserError(
            "search.todo", f"[space] {key}: {twice[0]} is there twice", where=path, remedy="name each choice once"
        )
    return choices


def _range(path: Path, key: str, table: dict[str, Any], recipe: Recipe) -> Range:
    where = f"{path}: [space] {key}"
    unknown = sorted(set(table) - _ENDS)
    if unknown:
        raise UserError(
            "search.todo",
            f"unknown {unknown[0]}{did_you_mean(unknown[0], _ENDS)}: expected low, high, log, step",
            where=where,
            remedy=_REMEDY,
        )
    default = _current(recipe, key)
    if isinstance(default, bool) or not isinstance(default, int | float):
        raise UserError(
            "search.todo", "not a number, and has no range: expected a list of choices", where=where, remedy=_REMEDY
        )
    whole = isinstance(default, int)
    for end in ("low", "high"):
        if end not in table:
            raise UserError("search.todo", f"no {end}: expected {{low = …, high = …}}", where=where, remedy=_REMEDY)
        with_settings(recipe, {key: table[end]}, f"{path}: [space]")
    if not isinstance(table.get("log", False), bool):
        raise UserError(
            "search.todo", f"log = {shown(table['log'])}: expected true or false", where=where, remedy=_REMEDY
        )
    found = Range(key, table["low"], table["high"], table.get("log", False), table.get("step"), whole)
    problem = _problem_of_ends(found) or _problem_of_step(found)
    if problem:
        raise UserError("search.todo", f"{problem}", where=where, remedy=_REMEDY)
    return found


def _problem_of_ends(found: Range) -> str:
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        return f"low = {found.low}, high = {found.high}: expected finite numbers"
    if found.low >= found.high:
        return f"low = {found.low}, high = {found.high}: expected low below high"
    if found.log and found.low <= 0:
        return f"log = true, low = {found.low}: expected low above 0"
    return ""


def _problem_of_step(found: Range) -> str:
    step = found.step
    if step is None:
        return ""
    if isinstance(step, bool) or not isinstance(step, int if found.whole else int | float) or not 0 < step < math.inf:
        return f"step = {shown(step)}: expected a {'whole ' if found.whole else ''}number above 0"
    if found.log:
        return f"log = true, step = {step}: expected one of them"
    if step * _MOST_STEPS < found.high - found.low:
        return f"step = {step}: expected at most {_MOST_STEPS:,} steps from low to high"
    num_steps = (found.high - found.low) / step
    if abs(num_steps - round(num_steps)) > _STEP_TOLERANCE * max(1.0, num_steps) or num_steps < 1:
        last = found.low + math.floor(num_steps) * step
        return f"step = {step}: high = {found.high} is not low plus whole steps: the last one is {last:g}"
    return ""


def _refuse_other_split(path: Path, space: Space, recipe: Recipe) -> None:
    is_split = recipe.data.folds > 0 or not isinstance(recipe.data.validation, tuple)
    if is_split and recipe.data.split_seed < 0 and any(one.key == "seed" for one in space.dimensions):
        raise UserError(
            "search.todo",
            f"[space] seed: with each seed other comments would be held out, and {_COMMENTS}",
            where=path,
            remedy=f"fix the split: --set data.split_seed={recipe.seed}",
        )


def _refuse_other_loss(path: Path, space: Space, recipe: Recipe) -> None:
    """Refuse to compare losses that are not the same function: a smaller number would be another yardstick."""
    if recipe.training.metric != "loss":
        return
    weighs = recipe.training.loss in ("weighted_bce", "pos_weight_bce") or recipe.loss.weigh_labels
    augments = any(one.key == "data.augmentation" for one in space.dimensions) or bool(recipe.data.augmentation)
    of_weights = [key for key in _OF_ITS_WEIGHTS if weighs and (key != "seed" or augments)]
    for dimension in space.dimensions:
        if dimension.key in (*_OF_THE_LOSS, *of_weights) or dimension.key.startswith("loss."):
            raise UserError(
                "search.todo",
                f'[space] {dimension.key}: changes the loss, and training.metric = "loss" scores trials by it',
                where=path,
                remedy="score them by another metric: --set training.metric=macro_roc_auc",
            )


def _refuse_endless_grid(path: Path, space: Space) -> None:
    for dimension in space.dimensions:
        if isinstance(dimension, Range) and dimension.num_points is None:
            raise UserError(
                "search.todo",
                f'[space] {dimension.key}: a continuous range, and sampler = "grid": expected an end to it',
                where=path,
                remedy="give a step or a list of choices, or take the sampler tpe or random",
            )
    if (space.size or 0) > MOST_TRIALS:
        raise UserError(
            "search.todo",
            f"a grid of {space.size:,} points, a trial each: expected at most {MOST_TRIALS:,}",
            where=path,
            remedy="give fewer choices or larger steps, or take the sampler tpe or random",
        )
