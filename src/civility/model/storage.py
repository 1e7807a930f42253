"""Writing tensors with safetensors, whose errors of the disk are turned back into what they are."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError
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
