"""A checkpoint: everything that a run needs to go on, in a folder that is complete if it exists, and says so.

No state of a random generator is stored: order and dropout are functions of the place in the run. The folder holds
the sha256 of its files in the form of ``sha256sum``, so that a cut or edited one is found out by anybody::

    model.safetensors        weights, tied ones once
    optimizer.safetensors    the moments of AdamW, or what another optimiser keeps
    average.safetensors      weights that are validated in the place of those above, where there are such
    validation.safetensors   logits of the validation comments, (N, L) float32; after an epoch only
    progress.json            the place in the run, the scale of fp16, and what the run wants to know of itself
    SHA256SUMS               of all of these
"""

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from civility.arrays import Logits
from civility.engine.optimizer import counters, restore_counters
from civility.engine.parameter_groups import grouping
from civility.engine.progress import Progress
from civility.engine.weight_averaging import Average, put_weights
from civility.errors import UserError
from civility.models.weight_files import save_tensors
from civility.plain_text import shortened
from civility.storage.atomic_files import write_folder
from civility.storage.digests import digests_of
from civility.storage.parsing import read_json

_WEIGHTS, _OPTIMIZER, _LOGITS = "model.safetensors", "optimizer.safetensors", "validation.safetensors"
_AVERAGE = "average.safetensors"
_PROGRESS, _SUMS = "progress.json", "SHA256SUMS"
_SCHEMA = 3


class DamagedCheckpoint(UserError):
    """A checkpoint that is not what was written: truncated, edited, or not a checkpoint at all."""

    def __init__(self, found: str, *, where: object, remedy: str = "") -> None:
        super().__init__("engine.damaged-checkpoint", found, where=where, remedy=remedy)


@contextlib.contextmanager
def _explain_damage(folder: Path) -> Iterator[None]:
    """Turn what reading raises into a DamagedCheckpoint: a file whose sum is right need not hold what it should."""
    try:
        yield
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedCheckpoint(
            f"damaged: {type(error).__name__}: {shortened(str(error), 200)}",
            where=folder,
            remedy="remove this folder to resume from the checkpoint before it, or begin again with --restart",
        ) from error


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The state of a run at one place.

    Parameters
    ----------
    weights : by name, tied ones once
    optimizer : its state, ``{"parameter index.name": tensor}``
    content : the place, the scale of fp16, and the caller's facts, as JSON
    logits : of the validation comments, (N, L), if they were scored with these weights
    average : weights that are validated in the place of those of the same names; empty: all are the model's own
    """

    weights: dict[str, torch.Tensor]
    optimizer: dict[str, torch.Tensor]
    content: dict[str, Any]
    logits: Logits | None = None
    average: dict[str, torch.Tensor] = field(default_factory=dict)

    def copied(self) -> "Snapshot":
        """Return a copy in the processor's memory, which training on does not change."""
        weights, optimizer, average = (
            {name: torch.clone(tensor.cpu()) for name, tensor in tensors.items()}
            for tensors in (self.weights, self.optimizer, self.average)
        )
        return Snapshot(weights, optimizer, self.content, self.logits, average)

    def put_best(self, model: Any) -> None:
        """Put the weights that were validated into a model."""
        put_weights(model, self.weights)
        put_weights(model, self.average)


def take_snapshot(
    model: Any,
    optimizer: torch.optim.Optimizer,
    scaler: Any,
    progress: Progress,
    *,
    average: Average | None = None,
    facts: Mapping[str, Any] | None = None,
    logits: Logits | None = None,
) -> Snapshot:
    """Return the state of a run, its tensors not copied: training on changes them.

    Parameters
    ----------
    model : unwrapped
    optimizer : whose state is a tensor or a number a parameter and name
    scaler : torch's gradient scaler, or None
    progress : the place between two steps
    average : of the weights, if they are averaged
    facts : whatever else is to come back with `read_facts`, as JSON
    logits : of the validation comments, if they have been scored with these weights
    """
    content = {
        "schema": _SCHEMA,
        "progress": dataclasses.asdict(progress),
        "scaler": scaler.state_dict() if scaler is not None else None,
        "facts": dict(facts or {}),
    }
    groups = grouping(model, optimizer)
    if groups:
        content["groups"], content["counters"] = groups, counters(optimizer)
    averaged: dict[str, torch.Tensor] = {}
    if average is not None:
        averaged, content["average"] = average.weights(), average.state()
    return Snapshot(_distinct(model.state_dict()), _flat_optimizer_state(optimizer), content, logits, averaged)


def save_checkpoint(folder: Path, snapshot: Snapshot) -> None:
    """Write a snapshot to a folder, which appears when it is complete.

    Raises
    ------
    UserError : no space, no permission
    """
    with write_folder(folder) as beside:
        save_tensors(snapshot.weights, beside / _WEIGHTS)
        save_tensors(snapshot.optimizer, beside / _OPTIMIZER)
        if snapshot.average:
            save_tensors(snapshot.average, beside / _AVERAGE)
        if snapshot.logits is not None:
            save_tensors({"logits": torch.from_numpy(snapshot.logits)}, beside / _LOGITS)
        (beside / _PROGRESS).write_text(json.dumps(snapshot.content, indent=2) + "\n", encoding="utf-8")
        (beside / _SUMS).write_text(_sums(_digests(beside)), encoding="utf-8")


def verify_checkpoint(folder: Path, *, to_go_on: bool = True) -> None:
    """Read a checkpoint through, and compare its files with their sha256.

    Parameters
    ----------
    to_go_on : whether all of it is needed; else only what a classifier and its report are made of

    Raises
    ------
    DamagedCheckpoint : a file is missing, cut or edited, or the folder holds no checkpoint
    """
    try:
        written = (folder / _SUMS).read_text(encoding="utf-8")
        recorded = {name: digest for digest, name in (line.split("  ", 1) for line in written.splitlines())}
        of_classifier = {_WEIGHTS, _LOGITS, *({_AVERAGE} & set(recorded))}
        needed = {_WEIGHTS, _OPTIMIZER, _PROGRESS, *recorded} if to_go_on else of_classifier
        found = {name: digest for name, digest in _digests(folder).items() if to_go_on or name in needed}
    except (OSError, ValueError) as error:
        raise DamagedCheckpoint(f"no checkpoint: {_SUMS} is missing, or cannot be read", where=folder) from error
    missing = sorted(needed - set(found))
    if missing:
        raise DamagedCheckpoint(f"damaged: {missing[0]} is missing", where=folder)
    for name, digest in sorted(found.items()):
        if recorded.get(name) != digest:
            raise DamagedCheckpoint(f"damaged: the sha256 of {name} is not the one in {_SUMS}", where=folder)
    if not to_go_on:
        return
    if written != _sums(found):
        raise DamagedCheckpoint(f"damaged: {_SUMS} is not as it was written", where=folder)
    try:
        content = _read(folder)
        schema = content["schema"]
    except (UserError, KeyError) as error:
        raise DamagedCheckpoint(f"no checkpoint: {_PROGRESS} is of another kind", where=folder) from error
    if schema != _SCHEMA or not {"progress", "scaler", "facts"} <= set(content):
        raise DamagedCheckpoint(f"written by another version of civility: schema {_SCHEMA} was expected", where=folder)


def _sums(digests: Mapping[str, str]) -> str:
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))


def _digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of each file in a checkpoint but the list of them."""
    return digests_of(folder, (path.name for path in folder.iterdir() if path.is_file() and path.name != _SUMS))


def _read(folder: Path) -> dict[str, Any]:
    try:
        # Before the first epoch the best score was -Infinity in the checkpoints of older versions.
        return read_json(folder / _PROGRESS, finite=False)
    except UserError as error:
        raise DamagedCheckpoint(error.found, where=error.where) from error


def read_facts(folder: Path) -> dict[str, Any]:
    """Return the ``facts`` that were saved with a checkpoint.

    Raises
    ------
    UserError : there are none, or they are damaged
    """
    facts = _read(folder).get("facts")
    if not isinstance(facts, dict):
        raise DamagedCheckpoint(f"damaged: {_PROGRESS} says nothing of the run", where=folder)
    return facts


def has_logits(folder: Path) -> bool:
    """Whether a checkpoint was made after the validation of an epoch."""
    return (folder / _LOGITS).is_file()


def load_logits(folder: Path) -> Logits:
    """Return the validation logits of a checkpoint that was made after an epoch, (N, L).

    Raises
    ------
    DamagedCheckpoint : they cannot be read, or are not finite
    """
    with _explain_damage(folder):
        return np.asarray(_finite_tensors(folder / _LOGITS)["logits"].numpy(), dtype=np.float32)


def _finite_tensors(path: Path) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = load_file(path)
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{path.name} has numbers in {name} that are not finite")
    return tensors


def load_weights(folder: Path, model: Any) -> None:
    """Put the weights of a checkpoint into an unwrapped model.

    Raises
    ------
    UserError : the checkpoint is damaged, or belongs to another model
    """
    with _explain_damage(folder):
        weights = _finite_tensors(folder / _WEIGHTS)
    own = model.state_dict()
    # Compared before anything is loaded: torch would copy what fits, and raise on a shape only then.
    missing = set(_distinct(own)) - set(weights)
    unknown = set(weights) - set(own)
    reshaped = {name for name in set(weights) & set(own) if weights[name].shape != own[name].shape}
    if missing or unknown or reshaped:
        raise UserError(
            "engine.todo",
            f"belongs to another model: {len(missing)} tensors are missing, {len(unknown)} are "
            f"unknown, {len(reshaped)} have another shape",
            where=folder,
        )
    model.load_state_dict(weights, strict=False)


def load_best_weights(folder: Path, model: Any) -> None:
    """Put the weights that were validated into an unwrapped model: the averaged ones, where there are such.

    Raises
    ------
    UserError : the checkpoint is damaged, or belongs to another model
    """
    load_weights(folder, model)
    if (folder / _AVERAGE).is_file():
        with _explain_damage(folder):
            put_weights(model, _finite_tensors(folder / _AVERAGE))


def load_checkpoint(
    folder: Path, model: Any, optimizer: torch.optim.Optimizer, scaler: Any, average: Average | None = None
) -> Progress:
    """Put a run's state back as `save_checkpoint` found it, bit for bit, and return its place.

    An average that the checkpoint does not know of begins where it stands.

    Raises
    ------
    UserError : the checkpoint is damaged, belongs to another model, or its optimiser is another, or has other groups
    """
    with _explain_damage(folder):
        content = _read(folder)
        progress = _progress_of(content["progress"])
    if content.get("groups", "") != grouping(model, optimizer):
        raise UserError(
            "engine.todo",
            "its optimiser is of another kind, or has the parameters in other groups",
            where=folder,
            remedy="training.optimizer, training.weight_decay_on and regularization.layer_decay must be as they were",
        )
    load_weights(folder, model)
    with _explain_damage(folder):
        _restore_optimizer(folder, optimizer, content)
        if scaler is not None and content["scaler"] is not None:
            scaler.load_state_dict(content["scaler"])
        if average is not None and "average" in content:
            average.restore(_averaged(folder, model), content["average"])
    return progress


def _progress_of(content: Mapping[str, Any]) -> Progress:
    counts = {"epoch", "num_comments", "step", "num_known"}
    if any(type(content[name]) is not int or content[name] < 0 for name in counts):
        raise ValueError(f"progress {dict(content)}: expected whole numbers from 0 up")
    return Progress(**{name: content[name] for name in counts}, loss_sum=float(content["loss_sum"]))


def _restore_optimizer(folder: Path, optimizer: torch.optim.Optimizer, content: Mapping[str, Any]) -> None:
    state = optimizer.state_dict()
    state["state"] = {}
    with safe_open(folder / _OPTIMIZER, framework="pt") as tensors:
        for key in tensors.keys():  # noqa: SIM118 (a file handle, not a mapping)
            index, name = key.split(".", 1)
            state["state"].setdefault(int(index), {})[name] = tensors.get_tensor(key)
    optimizer.load_state_dict(state)
    restore_counters(optimizer, content.get("counters", []))


def _averaged(folder: Path, model: Any) -> dict[str, torch.Tensor]:
    """Return the averaged weights of a checkpoint, each where the model has its own; none where it has not begun."""
    if not (folder / _AVERAGE).is_file():
        return {}
    own = model.state_dict()
    return {name: tensor.to(own[name].device) for name, tensor in load_file(folder / _AVERAGE).items()}


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
