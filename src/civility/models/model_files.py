"""The files of a model: what config.json may ask of transformers, whether the weights are its own, and writing weights.

Settings and weights only, never code, kernels or another model. config.json is checked as a plain dictionary before
anything is built from it. A damaged number could cost hours or all memory (a million layers), or give every comment the
same score without an error (an epsilon of 1e300).
"""

import contextlib
import math
import os
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from civility.errors import UserError
from civility.plain_text import shortened
from civility.storage.parsing import read_json, text_table

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
    """Raise a UserError for settings in config.json that civility does not run, or a number that no model has.

    That is another attention than transformers' own, quantised weights, too many labels or layers, and numbers that
    are not finite or out of range.
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
    """Raise a UserError for a folder, or with peft installed a hub repository, with an adapter to another model.

    transformers would load the model that the adapter names, wherever that is.
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


_SPARE_PARAMETERS = 50_000_000  # a head and a pooler that the file may lack


@contextlib.contextmanager
def plain_os_errors() -> Iterator[None]:
    """Raise as OSError what safetensors wraps in an error of its own, such as a full disk."""
    try:
        yield
    except SafetensorError as error:
        found = re.search(r"os error (\d+)", str(error))
        if found is None:
            raise
        number = int(found.group(1))
        raise OSError(number, os.strerror(number)) from error


def save_tensors(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Write named tensors to a safetensors file; OSError if the disk refuses."""
    with plain_os_errors():
        save_file(tensors, path)


def not_floating(path: Path) -> dict[str, str]:
    """Return the types, by name, of the tensors in a file that are not real floating-point numbers.

    It is a safetensors file, or a file of torch, of which only tensors are loaded and nothing is called.
    """
    if path.suffix == ".safetensors":
        with safe_open(path, "pt") as file:
            types = {name: str(file.get_slice(name).get_dtype()) for name in file.keys()}  # noqa: SIM118
        return {name: kind for name, kind in types.items() if not kind.startswith(("F", "BF"))}
    loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    tensors = {name: value for name, value in loaded.items() if isinstance(value, torch.Tensor)}
    return {name: str(value.dtype) for name, value in tensors.items() if not value.is_floating_point()}


def check_size(name: str, config: Any, folder: str) -> None:
    """Raise a UserError if a configuration describes a far larger model than the weights in its folder can hold.

    The name of a hub repository passes.
    """
    from transformers import AutoModelForSequenceClassification

    sizes = [path.stat().st_size for path in Path(folder).glob("*") if path.suffix in (".safetensors", ".bin")]
    if not sum(sizes):
        return
    with torch.device("meta"):  # shapes only: nothing is allocated
        model = AutoModelForSequenceClassification.from_config(config, trust_remote_code=False)
    num_described = sum(parameter.numel() for parameter in model.parameters())
    if num_described > 2 * sum(sizes) + _SPARE_PARAMETERS:  # a parameter takes at least two bytes
        held = f"the weights have {sum(sizes) // 2:,} at most"
        found = f"config.json describes a model of {num_described:,} parameters, {held}"
        raise UserError("models.config", found, where=name, remedy=CONFIG_REMEDY)


def files_of_weights(place: str, revision: str, config: Any) -> list[Path]:
    """Return the files from which transformers loads a model's weights, in its folder or the hub's local cache."""

    def find(file: str) -> Path | None:
        if Path(place).is_dir():
            path = Path(place) / file
            return path if path.is_file() else None
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(place, file, revision=revision)
        return Path(cached) if isinstance(cached, str) else None

    for file in filter(None, (getattr(config, "transformers_weights", None), "model.safetensors", "pytorch_model.bin")):
        if whole := find(file):
            return [whole]
        if index := find(f"{file}.index.json"):
            parts = sorted(set(text_table(read_json(index), "weight_map").values()))
            return [part for part in map(find, parts) if part is not None]
    return []


def _refused(name: str, found: str, remedy: str, *, expected: str = "") -> UserError:
    found = f"cannot load the model: {found}"
    return UserError("models.weights", found, where=name, expected=expected, remedy=remedy)


def check_types(name: str, model: Any, files: Sequence[Path]) -> None:
    """Raise a UserError for weights stored as whole or complex numbers, which transformers converts silently."""
    prefix = f"{model.base_model_prefix}."
    own = {key.removeprefix(prefix) for key, tensor in model.state_dict().items() if tensor.is_floating_point()}
    for path in files:
        for tensor, kind in not_floating(path).items():
            if tensor.removeprefix(prefix) in own:
                raise _refused(
                    name,
                    f"{tensor} in {path.name} has numbers of the type {kind}",
                    "the file was changed or written by another program: put back the weights that belong to the model",
                    expected="floating-point ones",
                )


def check_keys(name: str, model: Any, loaded: Mapping[str, Any], *, any_head: bool) -> None:
    """Raise a UserError for tensors that transformers has filled with random values, or has left out.

    With ``any_head`` the head may be missing or of another shape.
    """
    lacking = {*loaded["missing_keys"], *(key[0] for key in loaded["mismatched_keys"])}
    if any_head:  # outside the encoder, or in its pooler, which only the head reads
        prefix = f"{model.base_model_prefix}."
        lacking = {key for key in lacking if key.startswith(prefix) and not key.startswith(f"{prefix}pooler.")}
        foreign: set[str] = set()  # such as a language model's own head
    else:
        foreign = {key for key in loaded["unexpected_keys"] if not key.endswith("position_ids")}
    for tensors, problem in ((lacking, "missing or of another shape"), (foreign, "not of this model")):
        if tensors:
            some = ", ".join(sorted(tensors)[:3]) + (", …" if len(tensors) > 3 else "")
            remedy = "config.json and the weights do not belong together: put back the one that was replaced"
            raise _refused(name, f"{len(tensors)} of its tensors are {problem}: {some}", remedy)


def check_finite(name: str, model: torch.nn.Module) -> None:
    """Raise a UserError for a weight that is NaN or infinite: all scores would be NaN or the same."""
    for tensor, parameter in model.named_parameters():
        # One pass over the memory: a sum is finite unless an element is not, or the sum itself overflows.
        if not parameter.detach().sum().isfinite() and not parameter.detach().isfinite().all():
            remedy = "the training that wrote these weights broke down: use another checkpoint"
            raise _refused(name, f"{tensor} holds NaN or infinity", remedy)
