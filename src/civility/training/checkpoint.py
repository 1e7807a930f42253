"""A checkpoint: everything that a run needs to go on, in a folder that is complete if it exists.

No state of a random generator is stored: order and dropout are functions of the place in the run.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from civility.data.files import write_folder
from civility.errors import UserError
from civility.model.storage import save_tensors
from civility.training.loop import Progress

_WEIGHTS, _OPTIMIZER, _PROGRESS = "model.safetensors", "optimizer.safetensors", "progress.json"


def save_checkpoint(
    folder: Path, model: Any, optimizer: torch.optim.Optimizer, scaler: Any, progress: Progress
) -> None:
    """Write weights, optimiser state, the scale of mixed precision and the place in the run.

    Parameters
    ----------
    folder : appears when it is complete
    model : unwrapped; tied tensors are stored once
    optimizer : AdamW, whose state is a tensor or a number a parameter and name
    scaler : torch's gradient scaler, or None
    progress : the place between two steps

    Raises
    ------
    UserError : no space, no permission
    """
    with write_folder(folder) as beside:
        save_tensors(_distinct(model.state_dict()), beside / _WEIGHTS)
        save_tensors(_flat_optimizer_state(optimizer), beside / _OPTIMIZER)
        content = {
            "schema": 1,
            "progress": dataclasses.asdict(progress),
            "scaler": scaler.state_dict() if scaler is not None else None,
        }
        (beside / _PROGRESS).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def load_weights(folder: Path, model: Any) -> None:
    """Put the weights of a checkpoint into an unwrapped model.

    Raises
    ------
    UserError : the checkpoint belongs to another model
    """
    weights = load_file(folder / _WEIGHTS)
    own = model.state_dict()
    # Compared before anything is loaded: torch would copy what fits, and raise on a shape only then.
    missing = set(_distinct(own)) - set(weights)
    unknown = set(weights) - set(own)
    reshaped = {name for name in set(weights) & set(own) if weights[name].shape != own[name].shape}
    if missing or unknown or reshaped:
        raise UserError(
            f"{folder}: belongs to another model: {len(missing)} tensors are missing, "
            f"{len(unknown)} are unknown, {len(reshaped)} have another shape"
        )
    model.load_state_dict(weights, strict=False)


def load_checkpoint(folder: Path, model: Any, optimizer: torch.optim.Optimizer, scaler: Any) -> Progress:
    """Put a run's state back as `save_checkpoint` found it, bit for bit, and return its place.

    Raises
    ------
    UserError : the checkpoint belongs to another model
    """
    content = json.loads((folder / _PROGRESS).read_text(encoding="utf-8"))
    load_weights(folder, model)
    state = optimizer.state_dict()
    state["state"] = {}
    with safe_open(folder / _OPTIMIZER, framework="pt") as tensors:
        for key in tensors.keys():  # noqa: SIM118 (a file handle, not a mapping)
            index, name = key.split(".", 1)
            state["state"].setdefault(int(index), {})[name] = tensors.get_tensor(key)
    optimizer.load_state_dict(state)
    if scaler is not None and content["scaler"] is not None:
        scaler.load_state_dict(content["scaler"])
    return Progress(**content["progress"])


def _distinct(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Keep one name for each storage: safetensors refuses tied tensors under two names."""
    kept: dict[int, str] = {}
    for name, tensor in tensors.items():
        kept.setdefault(tensor.data_ptr() if tensor.numel() else id(tensor), name)
    return {name: tensors[name].contiguous() for name in kept.values()}


def _flat_optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Return the optimiser's state as ``{"parameter index.name": tensor}``."""
    return {
        f"{index}.{name}": torch.as_tensor(value).contiguous()
        for index, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }
