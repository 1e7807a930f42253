"""Writing tensors with safetensors, whose errors of the disk are turned back into what they are; types in a file."""

import contextlib
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file


@contextlib.contextmanager
def plain_os_errors() -> Iterator[None]:
    """Raise as OSError what safetensors wraps in an error of its own, as a full disk."""
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
    """Return the tensors of a file of weights that are not of a real floating-point type: their types, by name.

    Parameters
    ----------
    path : a safetensors file, or one of torch, from which tensors are taken and nothing is called
    """
    if path.suffix == ".safetensors":
        with safe_open(path, "pt") as file:
            types = {name: str(file.get_slice(name).get_dtype()) for name in file.keys()}  # noqa: SIM118
        return {name: kind for name, kind in types.items() if not kind.startswith(("F", "BF"))}
    loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    tensors = {name: value for name, value in loaded.items() if isinstance(value, torch.Tensor)}
    return {name: str(value.dtype) for name, value in tensors.items() if not value.is_floating_point()}
