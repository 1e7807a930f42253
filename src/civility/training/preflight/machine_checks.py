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
from civility.plain_text import listed
from civility.recipe import Recipe
from civility.run.versions import library_versions
from civility.training.build_optimizer import costs_of
from civility.training.preflight import Check, outcome

_GIB = 2**30
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
    costs = costs_of(recipe)
    micro_batch = size.micro_batch_bytes(
        min(settings.batch_size, num_comments),
        recipe.data.max_length,
        half=precision.name in ("bf16", "fp16"),
        packed=device == "cpu" and settings.attention != "eager" and config.model_type in FAMILIES,
        checkpointed=settings.gradient_checkpointing,
        passes=costs.passes,
    )
    needed = size.training_bytes(micro_batch, shared=num_processes > 1)
    needed += (costs.kept + costs.in_step) * size.num_trained
    if device == "cpu" and settings.checkpoint_minutes:
        needed += size.checkpoint_bytes + costs.kept * size.num_trained  # the copy that a thread writes
    return [
        check_memory(
            needed,
            size.state_bytes + costs.kept * size.num_trained,
            device_memory(device),
            "the GPU" if device == "cuda" else "this machine",
            num_here,
        ),
        check_disk(size, free_disk(out), str(out), averaged=costs.kept),
        check_precision(precision.name, device, fast_bf16=has_fast_bf16(device), model_type=config.model_type),
        check_versions(library_versions(), traits, needed=own_requirements()),
    ]


def check_memory(needed: int, certain: int, memory: Memory | None, where: str, num_processes: int) -> Check:
    """Fail if not even weights, gradients and moments fit; warn if the estimate exceeds the free memory.

    Parameters
    ----------
    needed : estimated bytes of a process, with every comment at the maximum length
    certain : the part for weights, gradients and moments, which does not depend on the batch size
    where : the device in words; ``num_processes`` share it
    """
    each = f" in each of {num_processes} processes" if num_processes > 1 else ""
    found = f"about {gib(needed)}{each}, {gib(certain)} of it for weights and optimizer"
    if memory is None:
        return outcome("memory", f"{found}; how much is there is not known")
    found += f"; {gib(memory.available)} of {gib(memory.total)} free on {where}"
    if certain * num_processes > memory.total:
        return outcome("memory", found, "choose a smaller model (--model), or a machine with more memory", fails=True)
    remedy = (
        "halve training.batch_size and double training.gradient_accumulation: the steps stay the same; "
        "or cut comments at a smaller data.max_length"
    )
    return outcome("memory", found, remedy, warns=needed * num_processes > memory.available)


def check_fit(fit: Fit, batch_size: int, accumulation: int, *, estimated: bool) -> Check:
    """Report which micro-batch fits; this replaces the memory check.

    ``fit`` is of this process; batch size and accumulation are chosen for all.
    """
    takes = "is estimated to take" if estimated else "takes up to"
    found = f"a micro-batch of {batch_size:,} {takes} {gib(fit.peak)} of the {gib(fit.room)} that there are for it"
    if fit.batch_size != batch_size:
        found = f"a micro-batch of {batch_size:,} is the most that every process has the memory for"
    elif fit.next_size and fit.next_peak != float("inf"):
        found += f", one of {fit.next_size:,} would take {gib(fit.next_peak)}"
    return outcome("memory", f"{found}; {accumulation:,} to a step on each process")


def check_disk(size: ModelSize, free: int, where: str, *, averaged: int = 0) -> Check:
    """Fail if the disk is too small for a checkpoint and the classifier; warn if too small for all of a run's files.

    ``averaged``: bytes for each parameter of an average, which checkpoints hold too.
    """
    classifier = _CLASSIFIER_BYTES * size.num_parameters
    checkpoint = size.checkpoint_bytes + averaged * size.num_trained
    needed = _MOST_CHECKPOINTS * checkpoint + classifier
    found = f"up to {gib(needed)} for checkpoints and the classifier; {gib(free)} free at {where}"
    remedy = "make room, or put the run on another disk (--out)"
    return outcome("disk", found, remedy, fails=free < checkpoint + classifier, warns=free < needed)


def gib(num_bytes: float) -> str:
    """Return a number of bytes in GiB, as text."""
    return f"{num_bytes / _GIB:.1f} GiB"


def check_precision(precision: str, device: str, *, fast_bf16: bool, model_type: str) -> Check:
    """Warn of a precision that is slow on this hardware, or known to fail with this kind of model.

    ``fast_bf16``: whether the hardware multiplies bf16 itself.
    """
    emulated = precision == "bf16" and not fast_bf16
    overflows = precision == "fp16" and model_type.startswith("deberta")
    slow = precision == "fp32" and device == "cuda" and fast_bf16
    found = f"{precision} on {device}"
    if emulated:
        found += ", which this hardware only imitates: several times slower than fp32"
    if overflows:
        found += ": DeBERTa is known to overflow in fp16 (microsoft/DeBERTa#77)"
    if slow:
        found += ", though the hardware has bf16: two to four times slower"
    remedy = "--set training.precision=auto"
    if overflows:
        better = "bf16" if fast_bf16 else "fp32"
        remedy = f"--set training.precision={better}; or go on: steps that overflow are skipped and counted"
    return outcome("precision", found, remedy, warns=emulated or overflows or slow)


@dataclass(frozen=True)
class Fault:
    """A fault of some versions of a library; ``only_with`` a model type, "rocm" or a device, or with all if empty."""

    library: str
    versions: str
    only_with: str
    effect: str
    reference: str


FAULTS = (
    Fault(
        *("torch", ">=2.12,<2.13", "rocm"),
        effect="wrong gradients of LayerNorm on AMD RDNA GPUs, without an error",
        reference="pytorch/pytorch#183861",
    ),
    Fault("torch", "<2.10", "", "a prepared .bin file can run code though weights_only is set", "CVE-2026-24747"),
    Fault(
        *("transformers", ">=5.0,<5.4", "deberta-v2"),
        effect="the tokenizer of mDeBERTa sets no [CLS] and [SEP]",
        reference="huggingface/transformers#44568",
    ),
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
    found = []
    for fault in faults:
        meets = not fault.only_with or fault.only_with in traits
        if meets and _is_in(versions.get(fault.library, ""), fault.versions):
            found.append(f"{fault.library} {versions[fault.library]}: {fault.effect} ({fault.reference})")
    for requirement in map(Requirement, needed):
        version = versions.get(requirement.name, "")
        if _is_in(version, str(requirement.specifier)) is False:
            found.append(f"{requirement.name} {version}: civility is made for {requirement.specifier}")
    named = [f"{name} {versions[name]}" for name in ("torch", "transformers", "accelerate") if name in versions]
    text = "; ".join(found) if found else f"no known fault in {listed(named, most=3)}"
    return outcome("versions", text, "pip install --upgrade 'civility[train]'", warns=bool(found))


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
