"""Preflight checks of the machine: memory, disk, precision, and versions of libraries with known faults."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from civility.engine.devices import MixedPrecision, has_fast_bf16, processes_here
from civility.engine.hardware import Fit, Memory, device_memory, free_disk
from civility.models.model_size import ModelSize
from civility.models.packed_forward import FAMILIES
from civility.recipe import Recipe
from civility.run.versions import library_versions
from civility.training.build_optimizer import FLOAT_BYTES, costs_of
from civility.training.preflight import Check, outcome

_CLASSIFIER_BYTES = 4
"""A parameter on disk, in the classifier."""

_MOST_CHECKPOINTS = 4
"""On the disk at once: the last two, the best, and the one that is being written."""


def checks_of_the_machine(
    recipe: Recipe,
    num_comments: int,
    out: Path,
    size: ModelSize,
    config: Any,
    precision: MixedPrecision,
    num_processes: int,
) -> list[Check]:
    """Check memory, disk, precision and versions, before the weights are loaded.

    Parameters
    ----------
    num_comments : in training
    out : path of the run directory
    size : of the model, and of its trained part
    config : of the model, from transformers
    precision : as chosen, with its device
    num_processes : that train together
    """
    settings, device = recipe.training, precision.device
    # Processes share the memory of a CPU only, and only those on this machine.
    num_here = processes_here(num_processes) if device == "cpu" else 1
    traits = {config.model_type, device, *(("rocm",) if torch.version.hip else ())}
    kept = costs_of(recipe).kept
    micro_batch = micro_batch_bytes(
        recipe,
        size,
        precision,
        min(settings.batch_size, num_comments),
        recipe.data.max_length,
        # A guess: the forward pass is chosen by trying the loaded model.
        packed=device == "cpu" and settings.attention != "eager" and config.model_type in FAMILIES,
    )
    needed = size.training_bytes(micro_batch, shared=num_processes > 1)
    needed += further_bytes(recipe, device, size.num_trained, size.moment_bytes)
    return [
        check_memory(
            needed,
            size.state_bytes + kept * size.num_trained,
            device_memory(device),
            device,
            num_here,
        ),
        check_disk(size, free_disk(out), str(out), averaged=kept),
        check_precision(precision.name, device, fast_bf16=has_fast_bf16(device), model_type=config.model_type),
        check_versions(library_versions(), traits, needed=own_requirements()),
    ]


def micro_batch_bytes(
    recipe: Recipe, size: ModelSize, precision: MixedPrecision, num_comments: int, length: int, *, packed: bool
) -> int:
    """Estimate the bytes of a micro-batch, whose comments have ``length`` tokens each, as trained by a recipe.

    ``packed``: the forward pass takes texts without padding.
    """
    return size.micro_batch_bytes(
        num_comments,
        length,
        half=precision.name in ("bf16", "fp16"),
        packed=packed,
        checkpointed=recipe.training.gradient_checkpointing,
        passes=costs_of(recipe).passes,
    )


def further_bytes(recipe: Recipe, device: str, num_trained: int, moment_bytes: int) -> int:
    """Return the bytes that a process needs besides weights, gradients, moments and micro-batches.

    These are an average of the weights, what adversarial training sets aside in a step, and the copy from which a
    thread writes a checkpoint.

    Parameters
    ----------
    num_trained : parameters that are trained
    moment_bytes : of the optimizer besides weights and gradients
    """
    costs = costs_of(recipe)
    needed = (costs.kept + costs.in_step) * num_trained
    # The copy is in main memory, where every device trains that has no memory of its own.
    if device != "cuda" and recipe.training.checkpoint_minutes:
        needed += (FLOAT_BYTES + costs.kept) * num_trained + moment_bytes
    return needed


def check_memory(needed: int, certain: int, memory: Memory | None, device: str, num_processes: int) -> Check:
    """Fail if not even weights, gradients and moments fit; warn if the estimate exceeds the free memory.

    Parameters
    ----------
    needed : estimated bytes of a process, with every comment at the maximum length
    certain : the part for weights, gradients and moments, which does not depend on the batch size
    device : "cuda", "mps" or "cpu"; ``num_processes`` share it
    """
    return outcome(
        "memory",
        fails=memory is not None and certain * num_processes > memory.total,
        warns=memory is not None and needed * num_processes > memory.available,
        needed=needed,
        certain=certain,
        num_processes=num_processes,
        device=device,
        available=memory and memory.available,
        total=memory and memory.total,
    )


def fit_outcome(fit: Fit, batch_size: int, accumulation: int, *, estimated: bool) -> Check:
    """Return which micro-batch fits, as an outcome that always passes; it replaces that of the memory check.

    ``fit`` is of this process; batch size and accumulation are chosen for all.
    """
    return outcome(
        "memory",
        batch_size=batch_size,
        accumulation=accumulation,
        is_estimated=estimated,
        fitting=fit.batch_size,
        peak=fit.peak,
        room=fit.room,
        next_size=fit.next_size,
        next_peak=fit.next_peak if fit.next_size and fit.next_peak != float("inf") else None,
    )


def check_disk(size: ModelSize, free: int, where: str, *, averaged: int = 0) -> Check:
    """Fail if the disk is too small for a checkpoint and the classifier; warn if too small for all of a run's files.

    ``averaged``: bytes for each parameter of an average, which checkpoints hold too.
    """
    classifier = _CLASSIFIER_BYTES * size.num_parameters
    checkpoint = size.checkpoint_bytes + averaged * size.num_trained
    needed = _MOST_CHECKPOINTS * checkpoint + classifier
    return outcome(
        "disk",
        fails=free < checkpoint + classifier,
        warns=free < needed,
        needed=needed,
        free=free,
        path=where,
    )


def check_precision(precision: str, device: str, *, fast_bf16: bool, model_type: str) -> Check:
    """Warn of a precision that is slow on this hardware, or known to fail with this kind of model.

    ``fast_bf16``: whether the hardware multiplies bf16 itself.
    """
    problem = ""
    if precision == "bf16" and not fast_bf16:
        problem = "imitated"
    elif precision == "fp16" and model_type.startswith("deberta"):
        problem = "overflows"
    elif precision == "fp32" and device == "cuda" and fast_bf16:
        problem = "slow"
    return outcome(
        "precision",
        warns=bool(problem),
        precision=precision,
        device=device,
        problem=problem,
        fast_bf16=fast_bf16,
    )


@dataclass(frozen=True)
class Fault:
    """A fault of some versions of a library; ``only_with`` a model type, "rocm" or a device, or with all if empty.

    The ``reference`` is an issue or an advisory; `civility.render.sentences.preflight_sentences` says what happens.
    """

    library: str
    versions: str
    only_with: str
    reference: str


FAULTS = (
    Fault("torch", ">=2.12,<2.13", "rocm", "pytorch/pytorch#183861"),
    Fault("torch", "<2.10", "", "CVE-2026-24747"),
    Fault("transformers", ">=5.0,<5.4", "deberta-v2", "huggingface/transformers#44568"),
)


def check_versions(
    versions: Mapping[str, str], traits: Collection[str], faults: Sequence[Fault] = FAULTS, needed: Sequence[str] = ()
) -> Check:
    """Warn of installed versions with a known fault, or that civility is not made for.

    Parameters
    ----------
    versions : installed, by library
    traits : of the run: the model type, the device, "rocm"
    needed : requirements as packaging writes them, as in ``torch>=2.11``
    """
    found = {}
    for fault in faults:
        meets = not fault.only_with or fault.only_with in traits
        if meets and _is_in(versions.get(fault.library, ""), fault.versions):
            found[fault.reference] = fault.library
    made_for = {}
    for requirement in map(Requirement, needed):
        version = versions.get(requirement.name, "")
        if _is_in(version, str(requirement.specifier)) is False:
            made_for[requirement.name] = str(requirement.specifier)
    warns = bool(found or made_for)
    return outcome("versions", warns=warns, versions=dict(versions), faults=found, made_for=made_for)


def own_requirements() -> tuple[str, ...]:
    """Return what civility's own package asks of the libraries that train; empty where it is not installed as one."""
    try:
        lines = metadata.requires("civility") or []
    except metadata.PackageNotFoundError:
        return ()
    return tuple(re.sub(r";.*", "", line).strip() for line in lines if re.search(r"extra == .train.", line))


def _is_in(version: str, specifier: str) -> bool | None:
    """Whether a version is in a range; None if it is not a version."""
    try:
        return SpecifierSet(specifier, prereleases=True).contains(Version(version))
    except InvalidVersion:
        return None
