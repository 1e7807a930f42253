"""A checkpoint: a folder with everything that a run needs to resume, complete whenever it exists.

Random generators are not stored: order and dropout are functions of the place in the run. SHA256SUMS has the form of
``sha256sum``, so that anyone can check for truncated or edited files::

    model.safetensors        weights, tied ones once
    optimizer.safetensors    the state of the optimizer, such as the moments of AdamW
    average.safetensors      weights that are validated instead of those above, if there are any
    validation.safetensors   logits of the validation comments, (N, L) float32; only after an epoch
    progress.json            `civility.documents.checkpoint_state.CheckpointState`
    SHA256SUMS               of all of these
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from civility.arrays import Logits
from civility.documents.checkpoint_state import CheckpointState, Progress
from civility.engine.optimizer import counters, restore_counters
from civility.engine.parameter_groups import grouping
from civility.engine.weight_averaging import Average, put_weights
from civility.errors import UserError
from civility.models.model_files import save_tensors
from civility.plain_text import shortened
from civility.storage.atomic_files import digests_of, write_folder

_WEIGHTS, _OPTIMIZER, _AVERAGE = "model.safetensors", "optimizer.safetensors", "average.safetensors"
_LOGITS, _STATE, _SUMS = "validation.safetensors", "progress.json", "SHA256SUMS"


class DamagedCheckpoint(UserError):
    """A checkpoint that is not what was written: truncated, edited, or not a checkpoint at all."""

    def __init__(self, found: str, *, where: object, expected: str = "", remedy: str = "") -> None:
        super().__init__(
            "engine.damaged-checkpoint", found, where=where, expected=expected, remedy=remedy or CheckpointState.REMEDY
        )


@contextlib.contextmanager
def _explain_damage(folder: Path) -> Iterator[None]:
    """Turn errors of reading into a DamagedCheckpoint: files with the right digest may still hold something else."""
    try:
        yield
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        found = f"damaged: {type(error).__name__}: {shortened(str(error), 200)}"
        raise DamagedCheckpoint(found, where=folder) from error


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The state of a run at one place."""

    weights: dict[str, torch.Tensor]  # by name, tied ones once
    optimizer: dict[str, torch.Tensor]  # its state, ``{"parameter index.name": tensor}``
    state: CheckpointState  # everything that is not a tensor
    logits: Logits | None = None  # of the validation comments, (N, L), if they were scored with these weights
    # weights that are validated instead of those of the same names; empty if there are none
    average: dict[str, torch.Tensor] = field(default_factory=dict)

    def copied(self) -> "Snapshot":
        """Return a copy in main memory, which further training does not change."""
        weights, optimizer, average = (
            {name: torch.clone(tensor.cpu()) for name, tensor in tensors.items()}
            for tensors in (self.weights, self.optimizer, self.average)
        )
        return Snapshot(weights, optimizer, self.state, self.logits, average)

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
    """Return the state of a run. Its tensors are not copied: further training changes them.

    Parameters
    ----------
    model, optimizer, scaler, average : of the run; the model unwrapped
    progress : the place between two steps
    facts : anything else, ready for JSON; `read_facts` returns it
    logits : of the validation comments, if they were scored with these weights
    """
    groups = grouping(model, optimizer)
    state = CheckpointState(
        progress=progress,
        scaler=scaler.state_dict() if scaler is not None else None,
        facts=dict(facts or {}),
        groups=groups,
        counters=counters(optimizer) if groups else [],
        average=average.state() if average is not None else None,
    )
    averaged = average.weights() if average is not None else {}
    return Snapshot(_distinct(model.state_dict()), _flat_optimizer_state(optimizer), state, logits, averaged)


def save_checkpoint(folder: Path, snapshot: Snapshot) -> None:
    """Write a snapshot to a folder, which appears once it is complete; UserError without space or permission."""
    with write_folder(folder) as beside:
        save_tensors(snapshot.weights, beside / _WEIGHTS)
        save_tensors(snapshot.optimizer, beside / _OPTIMIZER)
        if snapshot.average:
            save_tensors(snapshot.average, beside / _AVERAGE)
        if snapshot.logits is not None:
            save_tensors({"logits": torch.from_numpy(snapshot.logits)}, beside / _LOGITS)
        (beside / _STATE).write_text(snapshot.state.to_json(), encoding="utf-8")
        (beside / _SUMS).write_text(_sums(_digests(beside)), encoding="utf-8")


def verify_checkpoint(folder: Path, *, for_resume: bool = True) -> None:
    """Read a checkpoint through, and compare its files with their digests.

    Without ``for_resume``, only what a classifier and its report are made of is needed.

    Raises
    ------
    DamagedCheckpoint : a file is missing, truncated or edited, or the folder is not a checkpoint
    """
    try:
        written = (folder / _SUMS).read_text(encoding="utf-8")
        recorded = {name: digest for digest, name in (line.split("  ", 1) for line in written.splitlines())}
        for_classifier = {_WEIGHTS, _LOGITS, *({_AVERAGE} & set(recorded))}
        needed = {_WEIGHTS, _OPTIMIZER, _STATE, *recorded} if for_resume else for_classifier
        found = {name: digest for name, digest in _digests(folder).items() if for_resume or name in needed}
    except (OSError, ValueError) as error:
        raise DamagedCheckpoint(f"not a checkpoint: {_SUMS} is missing or cannot be read", where=folder) from error
    missing = sorted(needed - set(found))
    if missing:
        raise DamagedCheckpoint(f"damaged: {missing[0]} is missing", where=folder)
    for name, digest in sorted(found.items()):
        if recorded.get(name) != digest:
            raise DamagedCheckpoint(f"damaged: the sha256 of {name} is not the one in {_SUMS}", where=folder)
    if not for_resume:
        return
    if written != _sums(found):
        raise DamagedCheckpoint(f"damaged: {_SUMS} has changed since it was written", where=folder)
    _read_state(folder)


def _sums(digests: Mapping[str, str]) -> str:
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))


def _digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of each file in a checkpoint except the list of them."""
    return digests_of(folder, (path.name for path in folder.iterdir() if path.is_file() and path.name != _SUMS))


def _read_state(folder: Path) -> CheckpointState:
    try:
        return CheckpointState.read(folder / _STATE)
    except UserError as error:
        raise DamagedCheckpoint(error.found, where=error.where, expected=error.expected, remedy=error.remedy) from error


def read_facts(folder: Path) -> dict[str, Any]:
    """Return the ``facts`` that were saved with a checkpoint; DamagedCheckpoint if they cannot be read."""
    return _read_state(folder).facts


def has_logits(folder: Path) -> bool:
    """Whether a checkpoint was made after the validation of an epoch."""
    return (folder / _LOGITS).is_file()


def load_logits(folder: Path) -> Logits:
    """Return the validation logits, (N, L), of an epoch; DamagedCheckpoint if they cannot be read or are not finite."""
    with _explain_damage(folder):
        return np.asarray(_finite_tensors(folder / _LOGITS)["logits"].numpy(), dtype=np.float32)


def _finite_tensors(path: Path) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = load_file(path)
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{path.name} has numbers in {name} that are not finite")
    return tensors


def load_weights(folder: Path, model: Any) -> None:
    """Put the weights of a checkpoint into an unwrapped model; UserError if it is damaged or of another model."""
    with _explain_damage(folder):
        weights = _finite_tensors(folder / _WEIGHTS)
    own = model.state_dict()
    # Compare before loading: torch would copy what fits, and only then raise for a shape.
    missing = set(_distinct(own)) - set(weights)
    unknown = set(weights) - set(own)
    reshaped = {name for name in set(weights) & set(own) if weights[name].shape != own[name].shape}
    if missing or unknown or reshaped:
        counts = f"{len(missing)} tensors are missing, {len(unknown)} are unknown, {len(reshaped)} have another shape"
        remedy = "load it into the model of its own run, with the same labels and settings"
        raise UserError("engine.other-model", f"belongs to another model: {counts}", where=folder, remedy=remedy)
    model.load_state_dict(weights, strict=False)


def load_best_weights(folder: Path, model: Any) -> None:
    """Put the weights that were validated into an unwrapped model: the averaged ones, if there are any."""
    load_weights(folder, model)
    if (folder / _AVERAGE).is_file():
        with _explain_damage(folder):
            put_weights(model, _finite_tensors(folder / _AVERAGE))


def load_checkpoint(
    folder: Path, model: Any, optimizer: torch.optim.Optimizer, scaler: Any, average: Average | None = None
) -> Progress:
    """Restore a run's state bit for bit, and return its place.

    The state of ``model``, ``optimizer`` and ``scaler``, built as for `take_snapshot`, is replaced. The average starts
    afresh if the checkpoint has none.

    Raises
    ------
    UserError : the checkpoint is damaged, or belongs to another model or to an optimizer of another kind or grouping
    """
    state = _read_state(folder)
    if state.groups != grouping(model, optimizer):
        found = "its optimizer is of another kind, or has the parameters in other groups"
        remedy = "training.optimizer, training.weight_decay_on and regularization.layer_decay must be as they were"
        raise UserError("engine.other-model", found, where=folder, remedy=remedy)
    load_weights(folder, model)
    with _explain_damage(folder):
        _restore_optimizer(folder, optimizer, state)
        if scaler is not None and state.scaler is not None:
            scaler.load_state_dict(state.scaler)
        if average is not None and state.average is not None:
            average.restore(_averaged(folder, model), state.average)
    return state.progress


def _restore_optimizer(folder: Path, optimizer: torch.optim.Optimizer, state: CheckpointState) -> None:
    restored = {**optimizer.state_dict(), "state": {}}
    with safe_open(folder / _OPTIMIZER, framework="pt") as tensors:
        for key in tensors.keys():  # noqa: SIM118 (a file handle, not a mapping)
            index, name = key.split(".", 1)
            restored["state"].setdefault(int(index), {})[name] = tensors.get_tensor(key)
    optimizer.load_state_dict(restored)
    restore_counters(optimizer, state.counters)


def _averaged(folder: Path, model: Any) -> dict[str, torch.Tensor]:
    """Return the averaged weights of a checkpoint on the model's devices; none if the average has not begun."""
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
    """Return the optimizer's state as ``{"parameter index.name": tensor}``."""
    return {
        f"{index}.{name}": torch.as_tensor(value).contiguous()
        for index, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }
