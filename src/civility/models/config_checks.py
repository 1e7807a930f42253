"""What a model folder may ask of transformers: settings and weights, never code, kernels or another model.

Checks config.json as a plain dictionary before anything is built from it. A damaged number could cost hours or all
memory (a million layers), or give every comment the same score without an error (an epsilon of 1e300).
"""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from civility.errors import UserError
from civility.plain_text import shortened

_OWN_ATTENTION = (None, "eager", "sdpa")
"""What transformers and torch compute themselves; other names make transformers import or download kernels."""
_ATTENTION_SETTINGS = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal")
_ADAPTER = "adapter_config.json"
_LAYERS = re.compile(r"(^|_)n?_?layers?$|(^|_)(num_)?blocks?$|^num_hidden_groups$|^inner_group_num$|^block_repeats$")
"""Settings that count layers."""
_EPSILON = re.compile(r"(^|_)(eps|epsilon)$")
_NAMES = frozenset({"label2id", "id2label", "task_specific_params"})
"""Settings whose keys are free text: a label may be called "sepsis"."""
_MOST_LAYERS, _MOST_LABELS, _LARGEST_EPSILON = 1_000, 10_000, 0.1
_LARGEST_WHOLE, _LARGEST = 2**31, 3.4e38
_MAY_BE_INFINITE = frozenset({"time_step_limit"})
CONFIG_REMEDY = "put back the config.json that belongs to these weights, or copy the folder again"


def check_config(name: str, settings: Mapping[str, Any]) -> None:
    """Raise a UserError for settings that civility does not run, and for a number that no model has.

    Parameters
    ----------
    name : of the model, for the error
    settings : what config.json holds

    Raises
    ------
    UserError : another attention than transformers' own, quantised weights, too many labels or layers, a number that
        is not finite or out of range
    """
    for part in _nested(settings):
        _refuse_foreign_attention(name, part)
        if part.get("quantization_config") is not None:
            raise UserError(
                "models.untrusted",
                "the weights are quantised (quantization_config in config.json); civility trains "
                "and runs float32 weights",
                where=name,
                remedy="choose the model from which this one was quantised",
            )
    for key, value in _numbers(settings):
        expected = _expected(key, value)
        if expected:
            found = f"config.json: {shortened(key)} is {shortened(str(value), 40)}"
            raise UserError("models.config", found, where=name, expected=expected, remedy=CONFIG_REMEDY)
    if len(settings.get("id2label") or ()) > _MOST_LABELS:
        found = f"config.json: more than {_MOST_LABELS:,} labels in id2label"
        raise UserError("models.config", found, where=name, remedy=CONFIG_REMEDY)


def _refuse_foreign_attention(name: str, settings: Mapping[str, Any]) -> None:
    for key in _ATTENTION_SETTINGS:
        wanted = settings.get(key)
        for implementation in wanted.values() if isinstance(wanted, dict) else (wanted,):
            if implementation not in _OWN_ATTENTION:
                raise UserError(
                    "models.untrusted",
                    f"config.json asks for the attention {shortened(str(implementation), 80)!r}, which civility does "
                    "not run: transformers would import or download code for it",
                    where=name,
                    remedy=f'remove "{key}" from config.json, or set it to "eager" or "sdpa"',
                )


def refuse_adapter(name: str, place: str, revision: str) -> None:
    """Refuse a folder, or with peft installed a hub repository, that holds an adapter to another model.

    transformers would load the model that the adapter names, wherever that is.

    Parameters
    ----------
    name : of the model, for the error
    place : a folder, or the name of a hub repository
    revision : commit, tag or branch of the repository

    Raises
    ------
    UserError : it is an adapter
    """
    if Path(place).is_dir():
        found = (Path(place) / _ADAPTER).exists()
    else:
        from transformers.utils import find_adapter_config_file, is_peft_available

        found = is_peft_available() and find_adapter_config_file(place, revision=revision) is not None
    if found:
        raise UserError(
            "models.untrusted",
            f"{_ADAPTER}: an adapter to another model, not a whole model",
            where=name,
            remedy="merge it into its base model (in peft: merge_and_unload, then save_pretrained), "
            "and name the new folder",
        )


def needs_remote_code(error: Exception) -> bool:
    """Whether transformers raised this because it may not run a model's own Python code."""
    return "trust_remote_code" in str(error)


def _nested(settings: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield a configuration and those inside it, such as that of the text part of a model of images and text."""
    waiting = [settings]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += [value for value in part.values() if isinstance(value, dict)]


def _numbers(value: Any, key: str = "") -> Iterator[tuple[str, int | float]]:
    """Yield every number of a document with the name of its setting."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name == "__float__":  # how transformers writes numbers that JSON does not have
                yield key, float(inner) if inner in ("NaN", "Infinity", "-Infinity") else 0
            elif name not in _NAMES:
                yield from _numbers(inner, str(name))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _numbers(inner, key)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield key, value


def _expected(key: str, value: int | float) -> str:
    """Return what the value of a setting should be; empty if the value is plausible."""
    if isinstance(value, int) and abs(value) > _LARGEST_WHOLE:  # may be too large for a float
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
