"""Whether the numbers of a config.json can be those of a model, checked before transformers builds anything of them.

A damaged number would cost hours or all memory (a million layers), or give every comment the same score (an epsilon of
1e300), without an error.
"""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from civility.errors import UserError
from civility.plain_text import shortened

_LAYERS = re.compile(r"(^|_)n?_?layers?$|(^|_)(num_)?blocks?$|^num_hidden_groups$|^inner_group_num$|^block_repeats$")
"""Settings that count layers."""
_EPSILON = re.compile(r"(^|_)(eps|epsilon)$")
_NAMES = frozenset({"label2id", "id2label", "task_specific_params"})
"""Settings whose keys are anybody's words: a label may be called "sepsis"."""
_MOST_LAYERS, _MOST_LABELS, _LARGEST_EPSILON = 1_000, 10_000, 0.1
_LARGEST_WHOLE, _LARGEST = 2**31, 3.4e38
_MAY_BE_INFINITE = frozenset({"time_step_limit"})
"""Settings that infinity is a value of."""
_SPARE_PARAMETERS = 50_000_000
"""A head and a pooler that the file lacks."""
CONFIG_REMEDY = "put back the config.json that belongs to these weights, or copy the folder again"


def check_numbers(name: str, settings: Mapping[str, Any]) -> None:
    """Raise a UserError for a number that no model has.

    Parameters
    ----------
    name : of the model, for the error
    settings : what config.json says
    """
    for key, value in _numbers(settings):
        expected = _expected(key, value)
        if expected:
            shown = shortened(str(value), 40)
            raise UserError(
                "models.todo",
                f"config.json: {shortened(key)} is {shown}",
                where=name,
                expected=f"{expected}",
                remedy=CONFIG_REMEDY,
            )
    if len(settings.get("id2label") or ()) > _MOST_LABELS:
        raise UserError(
            "models.todo",
            f"config.json: more than {_MOST_LABELS:,} labels in id2label",
            where=name,
            remedy=CONFIG_REMEDY,
        )


def check_size(name: str, config: Any, folder: str) -> None:
    """Raise a UserError where a configuration describes a far larger model than the weights of its folder can be.

    Parameters
    ----------
    name : of the model, for the error
    config : of transformers
    folder : of the weights; the name of a hub repository passes
    """
    from transformers import AutoModelForSequenceClassification

    sizes = [path.stat().st_size for path in Path(folder).glob("*") if path.suffix in (".safetensors", ".bin")]
    if not sum(sizes):
        return
    with torch.device("meta"):  # shapes only: nothing is allocated
        model = AutoModelForSequenceClassification.from_config(config, trust_remote_code=False)
    num_described = sum(parameter.numel() for parameter in model.parameters())
    if num_described > 2 * sum(sizes) + _SPARE_PARAMETERS:  # a parameter takes two bytes at least
        raise UserError(
            "models.todo",
            f"config.json describes a model of {num_described:,} parameters, the weights have "
            f"{sum(sizes) // 2:,} at most",
            where=name,
            remedy=CONFIG_REMEDY,
        )


def _numbers(value: Any, key: str = "") -> Iterator[tuple[str, int | float]]:
    """Yield every number of a document with the name of its setting."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name == "__float__":  # as transformers writes what JSON has no number for
                yield key, float(inner) if inner in ("NaN", "Infinity", "-Infinity") else 0
            elif name not in _NAMES:
                yield from _numbers(inner, str(name))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _numbers(inner, key)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield key, value


def _expected(key: str, value: int | float) -> str:
    """Return what a setting should be, or nothing if it may be so."""
    if isinstance(value, int) and abs(value) > _LARGEST_WHOLE:  # one beyond float, too
        return f"a number up to {_LARGEST_WHOLE:,}"
    if math.isnan(value) or (math.isinf(value) and key not in _MAY_BE_INFINITE):
        return "a finite number"
    if _EPSILON.search(key) and not 0 <= value <= _LARGEST_EPSILON:
        return f"a number from 0 to {_LARGEST_EPSILON}"
    if isinstance(value, int) and _LAYERS.search(key) and not 0 <= value <= _MOST_LAYERS:
        return f"a number from 0 to {_MOST_LAYERS:,}"
    if math.isfinite(value) and abs(value) > _LARGEST:
        return "a number that float32 has"
    return ""
