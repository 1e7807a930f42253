"""Recipe: what a run is asked to do. Frozen, validated, written in TOML; the defaults stand here, once.

The defaults are the baseline recipe. Knows no file of a run and imports nothing heavy.
"""

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from civility.data.readers import Columns
from civility.errors import UserError, closest, did_you_mean


def _as_tuple(value: object) -> object:
    """Let a TOML list, or one string with commas as the command line gives it, stand for a tuple."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return tuple(value) if isinstance(value, list) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
_MODEL, _REVISION = "microsoft/mdeberta-v3-base", "a0484667b22365f84929a935b5e50a51f71f159d"
Fraction = Annotated[float, Field(gt=0, lt=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DataSettings(_Section):
    """Which comments, and which of their columns."""

    files: Names = Field(default=(), description="training files: paths, globs or built-in names")
    validation: Fraction | Names = Field(
        default=0.1, description="share of the comments kept for validation, or the files that are it"
    )
    labels: Names = Field(
        default=("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"),
        description="the label axis, in order; empty: every label of the recognised dialect",
    )
    text_column: str = Field(default="", description="column of the comments; empty: recognised")
    id_column: str = Field(default="", description="column of the ids; empty: recognised")
    label_list_column: str = Field(
        default="", description="column that holds a list of labels; empty: a column a label"
    )
    label_separator: str = Field(default=",", min_length=1, description="between the labels of such a column")
    groups: Names = Field(
        default=(), description="columns of identity groups that comments mention, for the report on bias"
    )
    max_length: int = Field(
        default=256, ge=8, le=8192, description="tokens, special ones included; longer texts are cut"
    )

    @property
    def columns(self) -> Columns:
        """The columns to read, as the readers take them."""
        return Columns(
            text=self.text_column,
            id=self.id_column,
            labels=self.labels,
            label_list=self.label_list_column,
            label_separator=self.label_separator,
            groups=self.groups,
        )


class ModelSettings(_Section):
    """Which pretrained encoder."""

    name: str = Field(default=_MODEL, min_length=1, description="hub name, folder or starter model")
    revision: str = Field(default=_REVISION, description="commit of a hub model; empty: its newest")

    @model_validator(mode="before")
    @classmethod
    def _no_revision_of_another_model(cls, values: object) -> object:
        """Leave out the default revision where another model is named: it is of the default model."""
        if isinstance(values, dict) and values.get("name", _MODEL) != _MODEL:
            return {"revision": "", **values}
        return values


class TrainingSettings(_Section):
    """How to fine-tune it."""

    epochs: int = Field(default=6, ge=1, description="passes planned; the schedule ends with the last")
    batch_size: int = Field(default=16, ge=1, le=100_000, description="comments per process and micro-batch")
    gradient_accumulation: int = Field(default=1, ge=1, le=100_000, description="micro-batches per optimiser step")
    fit: bool = Field(default=False, description="choose the two above by the memory there is, keeping their product")
    learning_rate: float = Field(default=2e-5, gt=0, lt=1, description="peak")
    weight_decay: float = Field(default=0.01, ge=0, lt=1, description="on all parameters")
    adam_beta1: float = Field(default=0.9, ge=0, lt=1, description="decay of the mean of gradients")
    adam_beta2: float = Field(default=0.999, ge=0, lt=1, description="decay of the mean of their squares")
    adam_epsilon: float = Field(default=1e-8, gt=0, lt=1, description="added to the root of that mean")
    warmup_fraction: float = Field(default=0.1, ge=0, lt=1, description="share of all optimiser steps")
    max_gradient_norm: float = Field(default=1.0, gt=0, description="global L2 norm; larger gradients are scaled down")
    loss: Literal["weighted_bce", "pos_weight_bce", "bce"] = Field(
        default="weighted_bce",
        description="weighted_bce weighs labels, pos_weight_bce the positives inside each, bce none",
    )
    weight_power: float = Field(
        default=1.0, ge=0, le=2, description="of the loss weights: 1 inverse frequency, 0.5 its root"
    )
    patience: int = Field(
        default=2, ge=1, description="epochs without a better validation macro ROC AUC before stopping"
    )
    precision: Literal["auto", "bf16", "fp16", "tf32", "fp32"] = Field(
        default="auto", description="auto: bf16 where the hardware has it, else fp16 on a GPU, else fp32"
    )
    device: Literal["auto", "cuda", "mps", "cpu"] = Field(default="auto", description="auto: the best one there is")
    threads: int = Field(
        default=0, ge=0, le=1024, description="of each process on a processor; 0: chosen by what is free"
    )
    group_by_length: bool = Field(
        default=True, description="comments of a step are about equally long, so padding is small"
    )
    vocabulary_in_use: bool = Field(
        default=True, description="train the token embeddings that the comments use; the others decay alike"
    )
    attention: Literal["auto", "eager", "packed"] = Field(
        default="auto",
        description="auto: the fastest that agrees with eager, transformers' own; packed: without padding",
    )
    gradient_checkpointing: bool = Field(
        default=False, description="compute layers again in the backward pass: a third slower, far less memory"
    )
    freeze_embeddings: bool = Field(default=False, description="leave the embeddings as they are")
    freeze_layers: int = Field(default=0, ge=0, description="lowest layers, and the embeddings, left as they are")
    log_every: int = Field(default=10, ge=1, description="optimiser steps between two lines of metrics.jsonl")
    checkpoint_minutes: float = Field(
        default=5.0, ge=0, description="between two checkpoints inside an epoch; 0: none by time"
    )
    checkpoint_steps: int = Field(
        default=0, ge=0, description="optimiser steps between two checkpoints inside an epoch; 0: none by steps"
    )
    deterministic: bool = Field(
        default=False,
        description="the same bits every time on the same GPU, from slower kernels; a processor has them anyway",
    )


class EvaluationSettings(_Section):
    """How to score the validation comments, and what the classifier takes from them."""

    tokens_per_batch: int = Field(default=8192, ge=8, description="padded tokens per scoring batch")
    max_length: int = Field(
        default=0, ge=0, le=8192, description="tokens when scoring, by the classifier too; 0: as data.max_length"
    )
    calibration: Literal["auto", "none"] = Field(
        default="auto", description="auto: scores become probabilities, by the simplest of four maps that is as good"
    )
    texts_in_report: bool = Field(
        default=True, description="show the worst errors of the report with their texts; false: by their ids"
    )
    policy: str = Field(
        default="default: f1", min_length=1, description="what each label's threshold is to reach; see 'thresholds'"
    )


class Recipe(_Section):
    """What a run is asked to do; frozen and complete.

    Read one with `Recipe.load`. As TOML it has the sections ``[data]``, ``[model]``, ``[training]`` and
    ``[evaluation]`` and a top-level ``seed``.
    """

    seed: int = Field(default=42, ge=0, lt=2**32, description="of the split, the order, the new head and dropout")
    data: DataSettings = DataSettings()
    model: ModelSettings = ModelSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()

    @classmethod
    def load(cls, name: str, changes: Mapping[str, object] | None = None) -> "Recipe":
        """Read a shipped recipe by name, or a TOML file, with changes on top.

        Parameters
        ----------
        name : a shipped recipe, or a path that ends in ``.toml``
        changes : ``{"section.key": value}``. With other training files and no word on validation, validation
            files of the recipe are dropped, since they belong to its own data: a share is held out instead.
            With another model and no word on the revision, the recipe's is dropped, since it is of its own model

        Raises
        ------
        UserError : no such recipe, no TOML, an unknown setting, a wrong type or an impossible value
        """
        source, text = _recipe_text(name)
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UserError(f"{source}: no valid TOML: {error}", "see 'civility recipes baseline'") from error
        changes = changes or {}
        if "model.name" in changes and isinstance(content.get("model"), dict):
            content["model"].pop("revision", None)
        for key, value in changes.items():
            _put(content, key, value)
        if "data.files" in changes and "data.validation" not in changes:
            data = content["data"]
            if isinstance(data, dict) and not isinstance(data.get("validation"), int | float):
                data.pop("validation", None)
        return cls.checked(content, source)

    @classmethod
    def checked(cls, content: dict[str, Any], source: str) -> "Recipe":
        """Validate a tree of settings that came from ``source``.

        Raises
        ------
        UserError : an unknown setting, a wrong type or an impossible value
        """
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            # One line a setting: every branch of a union complains, and so does every item of a list.
            problems = {_name(detail): _describe(detail) for detail in reversed(error.errors())}
            raise UserError(
                f"{source}: " + "\n       ".join(reversed(problems.values())),
                "'civility recipes baseline' shows every setting with its unit",
            ) from error

    def to_toml(self) -> str:
        """Return the recipe as TOML with every setting written out."""
        return tomli_w.dumps(self.model_dump(mode="json"))

    @property
    def scoring_length(self) -> int:
        """Tokens at which a comment is cut when it is scored, in validation and by the classifier."""
        return self.evaluation.max_length or self.data.max_length

    def with_batch(self, batch_size: int, gradient_accumulation: int) -> "Recipe":
        """Return the recipe with another sharing of a step, as settled: one that fits is no longer asked for."""
        changes = {"batch_size": batch_size, "gradient_accumulation": gradient_accumulation, "fit": False}
        return self.model_copy(update={"training": self.training.model_copy(update=changes)})

    def flat(self) -> dict[str, str | int | float | bool]:
        """Return ``{"section.key": value}``, lists joined by commas: what trackers take."""
        flat: dict[str, str | int | float | bool] = {"seed": self.seed}
        for section in ("data", "model", "training", "evaluation"):
            for key, value in getattr(self, section).model_dump(mode="json").items():
                flat[f"{section}.{key}"] = ",".join(value) if isinstance(value, list) else value
        return flat


def shipped_recipes() -> dict[str, str]:
    """Return the shipped recipes: TOML text by name, the baseline first."""
    folder = resources.files("civility") / "recipes"
    found = {
        entry.name.removesuffix(".toml"): entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    }
    return {name: found[name] for name in sorted(found, key=lambda name: (name != "baseline", name))}


def shipped_recipe(name: str) -> str:
    """Return the TOML text of one shipped recipe.

    Raises
    ------
    UserError : no such recipe
    """
    shipped = shipped_recipes()
    if name not in shipped:
        raise UserError(
            f"unknown recipe {name!r}{did_you_mean(name, shipped)}",
            f"shipped recipes: {', '.join(shipped)}; or name a .toml file",
        )
    return shipped[name]


def _recipe_text(name: str) -> tuple[str, str]:
    if not name.endswith(".toml"):
        return f"recipe {name}", shipped_recipe(name)
    path = Path(name)
    try:
        return name, path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"{name}: no such file", "'civility recipes' lists the shipped recipes") from error
    except OSError as error:
        raise UserError(f"{name}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: no UTF-8 text (byte {error.start})", "a recipe is a TOML file") from error


def change_of(text: str) -> tuple[str, object]:
    """Return the setting and the value of ``section.key=value``; the value is TOML, or a bare string.

    Raises
    ------
    UserError : it has not this form
    """
    key, separator, written = text.partition("=")
    if not separator or not all(key.strip().split(".")) or key.count(".") > 1:
        raise UserError(f"--set {text}: expected section.key=value", "as in --set training.epochs=3")
    try:
        return key.strip(), tomllib.loads(f"value = {written.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), written.strip()


def _put(content: dict[str, Any], key: str, value: object) -> None:
    *sections, last = key.split(".")
    for section in sections:
        content = content.setdefault(section, {})
        if not isinstance(content, dict):
            raise UserError(f"{key}: {section} is no section of the recipe")
    content[last] = value


_CLEARER = {
    "data.validation": "a share between 0 and 1, or the names of the validation files",
    "data": "a section",
    "model": "a section",
    "training": "a section",
    "evaluation": "a section",
}


def _name(detail: ErrorDetails) -> str:
    """Return the setting that is wrong, without the places that list items and unions add below it."""
    return ".".join(str(part) for part in detail["loc"][:2] if not isinstance(part, int))


def _describe(detail: ErrorDetails) -> str:
    """Say what is wrong with one setting: its name, what was found, what was expected."""
    name = _name(detail)
    if detail["type"] == "extra_forbidden":
        return f"unknown setting {name}{_closest_setting(name)}"
    found = detail["input"]
    expected = _CLEARER.get(name, detail["msg"].removeprefix("Input should be ").removeprefix("String should have "))
    return f"{name} = {found!r}: expected {expected}"


def _closest_setting(name: str) -> str:
    """Suggest a setting by its last word, one of the same section first."""
    section, _, last = name.rpartition(".")
    if not section:
        return did_you_mean(name, Recipe.model_fields)
    settings = list(Recipe().flat())
    for keys in ([key for key in settings if key.startswith(f"{section}.")], settings):
        key_of = {key.rpartition(".")[2]: key for key in keys}
        word = closest(last, key_of)
        if word is not None:
            return f" (did you mean {key_of[word]}?)"
    return ""
