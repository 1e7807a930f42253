"""What a model folder may ask of transformers: settings and weights, never code, kernels or another model.

Knows configurations as plain dictionaries; loads nothing.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from civility.errors import UserError
from civility.plain_text import shortened

_OWN_ATTENTION = (None, "eager", "sdpa")
"""What transformers and torch compute themselves; other names make transformers import or download kernels."""
_ATTENTION_SETTINGS = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal")
_ADAPTER = "adapter_config.json"
_CODE_REMEDY = (
    "choose a model whose architecture is part of transformers; if a newer release has it: "
    "pip install --upgrade transformers"
)


def refuse_foreign_settings(name: str, settings: dict[str, Any]) -> None:
    """Refuse a configuration that makes transformers fetch kernels or unpack quantised weights.

    Parameters
    ----------
    name : of the model, for the message
    settings : config.json as read; nested configurations are looked at too

    Raises
    ------
    UserError : it names another attention than transformers' own, or its weights are quantised
    """
    for part in _parts(settings):
        for key in _ATTENTION_SETTINGS:
            wanted = part.get(key)
            for implementation in wanted.values() if isinstance(wanted, dict) else (wanted,):
                if implementation not in _OWN_ATTENTION:
                    shown = shortened(str(implementation), 80)
                    raise UserError(
                        "models.todo",
                        f"config.json asks for the attention {shown!r}, which civility does not run: "
                        "transformers would import or download code for it",
                        where=name,
                        remedy=f'remove "{key}" from config.json, or set it to "eager" or "sdpa"',
                    )
        if part.get("quantization_config") is not None:
            raise UserError(
                "models.todo",
                "the weights are quantised (quantization_config in config.json); civility trains "
                "and runs float32 weights",
                where=name,
                remedy="choose the model from which this one was quantised",
            )


def refuse_adapter(name: str, place: str, revision: str) -> None:
    """Refuse a folder, or with peft installed a hub repository, that holds an adapter to another model.

    transformers would load the model that the adapter names, wherever that is.

    Parameters
    ----------
    name : of the model, for the message
    place : a folder, or the name of a hub repository
    revision : of the repository

    Raises
    ------
    UserError : it does
    """
    if Path(place).is_dir():
        found = (Path(place) / _ADAPTER).exists()
    else:
        from transformers.utils import find_adapter_config_file, is_peft_available

        found = is_peft_available() and find_adapter_config_file(place, revision=revision) is not None
    if found:
        raise UserError(
            "models.todo",
            f"{_ADAPTER}: an adapter to another model, not a whole model",
            where=name,
            remedy="merge it into its base model (in peft: merge_and_unload, then save_pretrained), "
            "and name the new folder",
        )


def explain_wish_for_code(name: str, error: Exception) -> UserError | None:
    """Return what to tell where transformers refused to run a model's own Python; None for any other error."""
    if "trust_remote_code" not in str(error):
        return None
    return UserError(
        "models.todo",
        "the model needs Python code that comes with it (auto_map), and civility never runs such code",
        where=name,
        remedy=_CODE_REMEDY,
    )


def _parts(settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a configuration and those nested in it, as that of the text part of a model of images and text."""
    waiting = [settings]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += [value for value in part.values() if isinstance(value, dict)]
