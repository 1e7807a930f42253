"""The parts that settings are made of: their types, units and ranges, and the settings that were removed."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from civility.data.file_format import encoding_of, separator_of


def _as_tuple(value: object) -> object:
    """Return a TOML list, or a string with commas from the command line, as a tuple."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return tuple(value) if isinstance(value, list) else value


def _share_or_own(value: float) -> float:
    if value != -1 and not 0 <= value < 1:
        raise PydanticCustomError("share_or_own", "Input should be a share from 0 to below 1, or -1")
    return value


def _parsed(parse: Callable[[str], str]) -> AfterValidator:
    """Return a validator of a text; a ValueError of the parser is what it expects."""

    def validate(text: str) -> str:
        try:
            return parse(text)
        except ValueError as error:
            raise PydanticCustomError("not_readable", "{reason}", {"reason": str(error)}) from error

    return AfterValidator(validate)


Separator = Annotated[str, _parsed(separator_of)]
Encoding = Annotated[str, _parsed(encoding_of)]
_FILES = ("files", "validation", "pseudo_labels")
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
"""NUL, and the surrogates that stand for bytes of a file name that are not UTF-8."""
Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
LINEAR_MODEL = "tf-idf"
"""The name of the linear model: logistic regression over TF-IDF."""


@dataclass(frozen=True)
class Unit:
    """The unit of a setting, for help and reference."""

    name: str


@dataclass(frozen=True)
class ValueRange:
    """The values of a setting in words, if its type and bounds do not give them."""

    text: str


Fraction = Annotated[float, Field(gt=0, lt=1)]
Held = Annotated[Fraction | Names, ValueRange("above 0, below 1; or file names")]
"""The validation comments: a share of the others, or files."""
Dropout = Annotated[float, Field(ge=-1, lt=1), AfterValidator(_share_or_own), ValueRange("0 to below 1, or -1")]
"""A share, or -1 for the value of the model."""
Bytes = Annotated[int, Unit("bytes")]
Tokens = Annotated[int, Unit("tokens")]
Comments = Annotated[int, Unit("comments")]
Steps = Annotated[int, Unit("optimizer steps")]
Epochs = Annotated[int, Unit("epochs")]
Minutes = Annotated[float, Unit("minutes")]
Layers = Annotated[int, Unit("layers")]


_NO_GAIN = "brought no gain in the project's experiments (docs/explanation/experiments.md)"
REMOVED: dict[str, tuple[int, str]] = {
    "regularization.reinit_layers": (0, f"re-initialising the top layers {_NO_GAIN}"),
    "regularization.multi_sample_dropout": (1, f"several dropout masks before the head {_NO_GAIN}"),
    "regularization.token_dropout": (0, f"masking tokens {_NO_GAIN}"),
}
"""Settings of older versions: the value that switches each off, and why it was removed."""
REMOVED_VALUES = {
    ("regularization.adversarial", "awp"): "no experiment of the project showed a gain from moving weight matrices; "
    "'fgm' moves the token embedding"
}
"""Values that a setting took in older versions, and why each was removed."""


def is_off(key: str, value: object) -> bool:
    """Whether a removed setting, ``section.key``, has the value that switches it off."""
    return key in REMOVED and not isinstance(value, bool) and value == REMOVED[key][0]


class SettingsSection(BaseModel):
    """A section of a recipe: frozen, without unknown settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @field_validator("*", mode="before")
    @classmethod
    def _is_text(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse text that TOML or a path cannot hold, before a run writes its recipe."""
        for one in value if isinstance(value, list | tuple) else (value,):
            if isinstance(one, str) and _NO_TEXT.search(one):
                remedy = " (rename the file)" if info.field_name in _FILES else ""
                raise PydanticCustomError(
                    "not_text", "Input should be UTF-8 text without NUL{remedy}", {"remedy": remedy}
                )
        return value


def setting(default: Any, description: str, **bounds: Any) -> Any:
    """Return the field of a setting.

    Parameters
    ----------
    default : the value of the baseline
    description : its help, in sentences
    bounds : ``ge``, ``gt``, ``le``, ``lt`` or ``min_length``, as pydantic takes them
    """
    return Field(default=default, description=description, **bounds)
