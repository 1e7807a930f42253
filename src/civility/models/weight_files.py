"""Files of weights: writing them with safetensors, and checking what was loaded from them."""

import contextlib
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
from civility.models.config_checks import CONFIG_REMEDY
from civility.storage.parsing import read_json, text_table

_SPARE_PARAMETERS = 50_000_000
"""A head and a pooler that the file may lack."""


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

    Parameters
    ----------
    path : a safetensors file, or a file of torch, of which only tensors are loaded and nothing is called
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
    if num_described > 2 * sum(sizes) + _SPARE_PARAMETERS:  # a parameter takes at least two bytes
        raise UserError(
            "models.config",
            f"config.json describes a model of {num_described:,} parameters, the weights have "
            f"{sum(sizes) // 2:,} at most",
            where=name,
            remedy=CONFIG_REMEDY,
        )


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


def check_types(name: str, model: Any, files: Sequence[Path]) -> None:
    """Raise a UserError for weights stored as whole or complex numbers, which transformers converts silently."""
    prefix = f"{model.base_model_prefix}."
    own = {key.removeprefix(prefix) for key, tensor in model.state_dict().items() if tensor.is_floating_point()}
    for path in files:
        for tensor, kind in not_floating(path).items():
            if tensor.removeprefix(prefix) in own:
                raise UserError(
                    "models.weights",
                    f"cannot load the model: {tensor} in {path.name} has numbers of the type {kind}",
                    where=name,
                    expected="floating-point ones",
                    remedy="the file was changed or written by another program: put back the weights that "
                    "belong to the model",
                )


def check_keys(name: str, model: Any, loaded: Mapping[str, Any], *, any_head: bool) -> None:
    """Raise a UserError for tensors that transformers has filled with random values, or has left out.

    Parameters
    ----------
    name : of the model, for the error
    model : as loaded
    loaded : the loading information of transformers
    any_head : whether the head may be missing or of another shape
    """
    lacking = {*loaded["missing_keys"], *(key[0] for key in loaded["mismatched_keys"])}
    if any_head:
        lacking = {key for key in lacking if not _is_of_head(model, key)}
        foreign: set[str] = set()  # such as a language model's own head
    else:
        foreign = {key for key in loaded["unexpected_keys"] if not key.endswith("position_ids")}
    for tensors, problem in ((lacking, "missing or of another shape"), (foreign, "not of this model")):
        if tensors:
            some = ", ".join(sorted(tensors)[:3]) + (", …" if len(tensors) > 3 else "")
            raise UserError(
                "models.weights",
                f"cannot load the model: {len(tensors)} of its tensors are {problem}: {some}",
                where=name,
                remedy="config.json and the weights do not belong together: put back the one that was replaced",
            )


def _is_of_head(model: Any, key: str) -> bool:
    """Whether a tensor belongs to the head: outside the encoder, or in its pooler, which only the head reads."""
    prefix = f"{model.base_model_prefix}."
    return not key.startswith(prefix) or key.startswith(f"{prefix}pooler.")


def check_finite(name: str, model: torch.nn.Module) -> None:
    """Raise a UserError for a weight that is NaN or infinite: all scores would be NaN or the same."""
    for tensor, parameter in model.named_parameters():
        # One pass over the memory: a sum is finite unless an element is not, or the sum itself overflows.
        if not parameter.detach().sum().isfinite() and not parameter.detach().isfinite().all():
            raise UserError(
                "models.weights",
                f"cannot load the model: {tensor} holds NaN or infinity",
                where=name,
                remedy="the training that wrote these weights broke down: use another checkpoint",
            )
