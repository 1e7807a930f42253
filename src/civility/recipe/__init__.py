"""Recipe: everything that a run needs to know. Frozen, validated, written as TOML. The defaults are the baseline.

Also which settings may differ between two runs that count as the same: resuming a run, resuming a sweep and comparing
runs each name the reasons that they allow.
"""

import math
import tomllib
from collections.abc import Mapping
from enum import Enum
from importlib import resources
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from civility.data.prepare import Wanted
from civility.data.reading.opening import is_built_in
from civility.errors import UserError, closest, did_you_mean
from civility.plain_text import expectation, listed, one_line, shortened, shown
from civility.recipe.settings import (
    LINEAR_MODEL,
    REMOVED,
    REMOVED_VALUES,
    DataSettings,
    EvaluationSettings,
    LinearSettings,
    LossSettings,
    ModelSettings,
    OptimizerSettings,
    RegularizationSettings,
    ScheduleSettings,
    SettingsSection,
    TrainingSettings,
)
from civility.storage.parsing import parse_toml, read_toml

_OF_ENCODERS = (
    *("training.", "loss.", "optimizer.", "schedule.", "regularization."),
    *("data.max_length", "model.revision", "evaluation.tokens_per_batch", "evaluation.max_length"),
)
"""Prefixes of the settings that do not apply to a linear model: those about tokens and steps."""
_MOST_PROBLEMS = 10
"""Settings that one error names."""
_RANGES = "'civility recipes baseline' prints every setting with its range"
SECTIONS = ("data", "model", "training", "loss", "optimizer", "schedule", "regularization", "linear", "evaluation")


class Recipe(SettingsSection):
    """All settings of a run, frozen and complete.

    Read one with `Recipe.load`. As TOML it has a section for each of `SECTIONS` and a top-level ``seed``.
    ``[training]`` chooses loss, optimizer and schedule; their own sections refine the choice.
    """

    seed: int = Field(
        default=42, ge=0, lt=2**32, description="Seed of the split, the order of comments, the new head and dropout."
    )
    data: DataSettings = DataSettings()
    model: ModelSettings = ModelSettings()
    training: TrainingSettings = TrainingSettings()
    loss: LossSettings = LossSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    regularization: RegularizationSettings = RegularizationSettings()
    linear: LinearSettings = LinearSettings()
    evaluation: EvaluationSettings = EvaluationSettings()

    @classmethod
    def load(cls, name: str, changes: Mapping[str, object] | None = None) -> "Recipe":
        """Read a built-in recipe by name, or a TOML file, and apply changes.

        Parameters
        ----------
        name : a built-in recipe, or a path that ends in ``.toml``
        changes : ``{"section.key": value}``. With other training files, the validation files of the recipe stay, unless
            they are built in: then a share of the new comments is held out. With another model, the recipe's revision
            is dropped.

        Raises
        ------
        UserError : no such recipe, invalid TOML, an unknown setting, a wrong type or an invalid value
        """
        source, content = _read_recipe(name)
        changes = changes or {}
        if "model.name" in changes and isinstance(content.get("model"), dict):
            content["model"].pop("revision", None)
        for key, value in changes.items():
            _put(content, key, value)
        if "data.files" in changes and "data.validation" not in changes:
            _drop_built_in_validation(content["data"])
        return cls.checked(content, source)

    @classmethod
    def checked(cls, content: dict[str, Any], source: str) -> "Recipe":
        """Validate a tree of settings that came from ``source``; a UserError names up to ten invalid ones."""
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            # One line per setting: pydantic reports every branch of a union and every item of a list.
            problems = {_name(detail): detail for detail in reversed(error.errors())}
            lines = [_describe(detail) for detail in list(reversed(problems.values()))[:_MOST_PROBLEMS]]
            if len(problems) > len(lines):
                lines.append(f"and {len(problems) - len(lines):,} more")
            raise UserError("recipe.invalid-setting", "\n       ".join(lines), where=source, remedy=_RANGES) from error

    def to_toml(self) -> str:
        """Return the recipe as TOML with every setting written out."""
        return tomli_w.dumps(self.model_dump(mode="json"))

    @property
    def is_linear(self) -> bool:
        """Whether it trains the linear model over TF-IDF instead of an encoder."""
        return self.model.name == LINEAR_MODEL

    @property
    def without_effect(self) -> tuple[str, ...]:
        """Settings that differ from the defaults but do not apply to a linear model."""
        own, others = self.flat(), Recipe().flat()
        return tuple(
            key
            for key, value in own.items()
            if key.startswith(_OF_ENCODERS) and value != others[key] and (key, value) != ("model.revision", "")
        )

    def takes_part(self, key: str) -> bool:
        """Whether a setting, ``section.key``, applies to the kind of model that the recipe trains."""
        return takes_part(key, is_linear=self.is_linear)

    @property
    def scoring_length(self) -> int:
        """Length in tokens at which comments are truncated for scoring, in validation and by the classifier."""
        return self.evaluation.max_length or self.data.max_length

    @property
    def wanted(self) -> Wanted:
        """The comments of the run, for `civility.data.prepare.prepare`."""
        data = self.data
        return Wanted(
            data.files,
            data.validation,
            data.columns,
            self.seed if data.split_seed < 0 else data.split_seed,
            folds=data.folds,
            fold=data.fold,
            pseudo_labels=data.pseudo_labels,
        )

    def with_batch(self, batch_size: int, gradient_accumulation: int) -> "Recipe":
        """Return the recipe with another batch size and accumulation, and without ``training.fit``."""
        changes = {"batch_size": batch_size, "gradient_accumulation": gradient_accumulation, "fit": False}
        return self.model_copy(update={"training": self.training.model_copy(update=changes)})

    def flat(self) -> dict[str, str | int | float | bool]:
        """Return ``{"section.key": value}`` with lists joined by commas, as trackers need it."""
        flat: dict[str, str | int | float | bool] = {"seed": self.seed}
        for section in SECTIONS:
            for key, value in getattr(self, section).model_dump(mode="json").items():
                flat[f"{section}.{key}"] = ",".join(value) if isinstance(value, list) else value
        return flat


def defaults_of_all_versions() -> dict[str, str | int | float | bool]:
    """Return the defaults, ``{"section.key": value}``, and the values that switch removed settings off.

    They stand in for settings that a recipe of another version lacks.
    """
    return Recipe().flat() | {key: off for key, (off, _) in REMOVED.items()}


def takes_part(key: str, *, is_linear: bool) -> bool:
    """Whether a setting, ``section.key``, applies to the linear model, or to an encoder."""
    return not key.startswith(_OF_ENCODERS if is_linear else "linear.")


def shipped_recipes() -> dict[str, str]:
    """Return the built-in recipes: name -> TOML text, the baseline first."""
    folder = resources.files("civility.recipe") / "builtin"
    found = {
        entry.name.removesuffix(".toml"): entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    }
    return {name: found[name] for name in sorted(found, key=lambda name: (name != "baseline", name))}


def shipped_recipe(name: str) -> str:
    """Return the TOML text of a built-in recipe; a UserError if none has this name."""
    shipped = shipped_recipes()
    if name not in shipped:
        found = f"unknown recipe {shown(name)}{did_you_mean(name, shipped)}"
        remedy = f"built-in recipes: {', '.join(shipped)}; or name a .toml file"
        raise UserError("recipe.unknown-recipe", found, remedy=remedy)
    return shipped[name]


def _read_recipe(name: str) -> tuple[str, dict[str, Any]]:
    """Return the name of a recipe for messages, and the settings in its file."""
    if not name.endswith(".toml"):
        source = f"recipe {name}"
        return source, parse_toml(shipped_recipe(name), source)
    path = Path(name)
    return one_line(name), read_toml(path, "a recipe is a TOML file, as 'civility recipes baseline' prints one")


def change_of(text: str) -> tuple[str, object]:
    """Return the setting and the value of ``section.key=value``; the value is TOML or a bare string."""
    key, separator, written = (part.strip() for part in text.partition("="))
    if not separator or not all(key.split(".")) or key.count(".") > 1:
        found, remedy = f"--set {shortened(text)}", "as in --set training.epochs=3"
        raise UserError("recipe.bad-change", found, expected="section.key=value", remedy=remedy)
    document = f"value = {written}"
    try:
        tomllib.loads(document)
    except tomllib.TOMLDecodeError:
        return key, written
    except (RecursionError, ValueError):
        pass  # TOML out of bounds, which parse_toml reports
    content = parse_toml(document, f"--set {shortened(key)}", _RANGES)
    return key, content["value"] if len(content) == 1 else written


def _put(content: dict[str, Any], key: str, value: object) -> None:
    *sections, last = key.split(".")
    for section in sections:
        content = content.setdefault(section, {})
        if not isinstance(content, dict) or section in {*Recipe.model_fields} - {*SECTIONS}:
            found, remedy = (
                f"{shortened(section)} is not a section of the recipe",
                f"the sections are {', '.join(SECTIONS)}",
            )
            raise UserError("recipe.bad-change", found, where=shortened(key), remedy=remedy)
    content[last] = value


def _drop_built_in_validation(data: object) -> None:
    names = data.get("validation") if isinstance(data, dict) else None
    names = names if isinstance(names, list) else [names]
    if isinstance(data, dict) and names and all(is_built_in(name) for name in names):
        del data["validation"]


def note_on_validation(recipe: Recipe, changes: Mapping[str, object]) -> str:
    """Return a note on the validation comments if only the training files were changed, or an empty string."""
    validation = recipe.data.validation
    if "data.files" not in changes or "data.validation" in changes or recipe.data.folds:
        return ""
    if isinstance(validation, tuple):
        return f"validation comments: {listed(validation)}, from the recipe; --validation replaces them"
    return f"validation comments: {validation:.3g} of the training comments are held out; --validation changes this"


_CLEARER = {
    "data.validation": "a share between 0 and 1, or the names of the validation files",
    **dict.fromkeys(SECTIONS, "a section"),
}


def _name(detail: ErrorDetails) -> str:
    """Return the invalid setting, without the places of list items and union branches in it."""
    return ".".join(str(part) for part in detail["loc"][:2] if not isinstance(part, int))


def _describe(detail: ErrorDetails) -> str:
    """Return a line on one invalid setting: its name, the value found, the value expected."""
    name = _name(detail)
    if name in REMOVED:
        return f"{name} = {shown(detail['input'])}: this setting was removed because {REMOVED[name][1]}; delete it"
    removed = REMOVED_VALUES.get((name, detail["input"])) if isinstance(detail["input"], str) else None
    if removed:
        return f"{name} = {shown(detail['input'])}: this value was removed because {removed}"
    if detail["type"] == "extra_forbidden":
        return f"unknown setting {shortened(name)}{_closest_setting(name)}"
    message = expectation(detail["msg"]) or detail["msg"]
    if isinstance(detail["input"], float) and math.isnan(detail["input"]):
        message = "a number"  # pydantic reports one end of the range
    clearer = {} if detail["type"] == "not_text" else _CLEARER
    expected = clearer.get(name, message)
    return f"{name} = {shown(detail['input'])}, expected {expected}"


def _closest_setting(name: str) -> str:
    """Suggest a setting by its last word: the same word in another section, then one of its own section."""
    section, _, last = name.rpartition(".")
    if not section:
        return did_you_mean(name, Recipe.model_fields)
    settings = list(Recipe().flat())
    same = [key for key in settings if key.rpartition(".")[2] == last]
    if same:
        return f" (did you mean {' or '.join(same)}?)"
    for keys in ([key for key in settings if key.startswith(f"{section}.")], settings):
        key_of = {key.rpartition(".")[2]: key for key in keys}
        word = closest(last, key_of)
        if word is not None:
            return f" (did you mean {key_of[word]}?)"
    return ""


class Reason(Enum):
    """Why two runs may differ in some settings, and those settings as ``section.key``."""

    UPKEEP = ("training.threads", "training.checkpoint_minutes", "training.checkpoint_steps")
    """How the process works and when it saves, which does not change the result."""
    MACHINE = ("training.device", "training.gradient_checkpointing")
    """Where it is computed, which changes only rounding, time and memory."""
    LOGGING = ("training.log_every",)
    FILES = ("data.files", "data.validation", "data.pseudo_labels")
    """The names of data files, since the comments themselves are compared."""
    READING = (
        *("data.text_column", "data.id_column", "data.label_list_column", "data.label_separator"),
        *("data.none_word", "data.multi_hot_labels"),
        *("data.format", "data.separator", "data.encoding", "data.max_cell_bytes"),
    )
    """How files are read, since the comments themselves are compared."""
    MODEL = ("model.name", "model.revision")
    """The place of the pretrained model, since its configuration is compared."""
    STEP = ("training.batch_size", "training.gradient_accumulation", "training.fit")
    """How a step is divided, since the number of comments in a step is compared."""
    SEED = ("seed", "data.split_seed")
    """The seed, which distinguishes runs with the same settings."""


def settings_for(*reasons: Reason) -> frozenset[str]:
    """Return the settings that may differ for any of these reasons, as ``section.key``."""
    return frozenset(key for reason in reasons for key in reason.value)


_OF_A_RUN = settings_for(Reason.UPKEEP, Reason.MACHINE, Reason.FILES, Reason.READING, Reason.STEP, Reason.MODEL)


def differing_settings(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a line with both values for each setting in which two recipes of a run differ.

    Settings that do not apply to the kind of model are left out, and so are those whose effect is compared elsewhere:
    in the comments, the model, or the size of a step. A validation share and validation files always differ.

    Parameters
    ----------
    before, now : ``{"section.key": value}``, from `Recipe.flat`; settings that one version lacks have their defaults
    """
    defaults = defaults_of_all_versions()
    model, other = (recipe.get("model.name", defaults["model.name"]) for recipe in (before, now))
    is_linear = other == LINEAR_MODEL
    if (model == LINEAR_MODEL) != is_linear:
        return [changed("model.name", model, other)]
    problems = []
    for key in sorted({*before, *now} - _OF_A_RUN | {"data.validation"}):
        was, wanted = before.get(key, defaults.get(key)), now.get(key, defaults.get(key))
        both_files = key == "data.validation" and isinstance(was, str) and isinstance(wanted, str)
        if was != wanted and not both_files and takes_part(key, is_linear=is_linear):
            problems.append(changed(key, was, wanted))
    if _step(before) != _step(now) and not is_linear:
        product = "training.batch_size times training.gradient_accumulation"
        problems.append(changed(product, _step(before), _step(now)))
    return problems


def changed(name: str, was: object, wanted: object) -> str:
    """Return a line on a setting with the value before and the value now."""
    return f"{name} was {shortened(repr(was), 120)}, and is {shortened(repr(wanted), 120)} now"


def _step(recipe: Mapping[str, Any]) -> int:
    return int(recipe["training.batch_size"] * recipe["training.gradient_accumulation"])
