"""Preflight checks of the machine: memory, disk, precision, and versions of libraries with known faults."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from civility.engine.hardware import Fit, Memory
from civility.models.model_size import ModelSize
from civility.plain_text import listed
from civility.training.preflight.check import Check, outcome

_GIB = 2**30
_CLASSIFIER_BYTES = 4
"""A parameter on disk, in the classifier."""

_MOST_CHECKPOINTS = 4
"""On the disk at once: the last two, the best, and the one that is being written."""


def check_memory(needed: int, certain: int, memory: Memory | None, where: str, num_processes: int) -> Check:
    """Fail if not even weights, gradients and moments fit; warn if the estimate exceeds the free memory.

    Parameters
    ----------
    needed : estimated bytes of a process, with every comment at the maximum length
    certain : the part for weights, gradients and moments, which does not depend on the batch size
    memory : of the device; None if unknown
    where : the device in words
    num_processes : number of processes that share it
    """
    each = f" in each of {num_processes} processes" if num_processes > 1 else ""
    found = f"about {gib(needed)}{each}, {gib(certain)} of it for weights and optimizer"
    if memory is None:
        return outcome("memory", f"{found}; how much is there is not known")
    found += f"; {gib(memory.available)} of {gib(memory.total)} free on {where}"
    fits_never = certain * num_processes > memory.total
    return outcome(
        "memory",
        found,
        fails=fits_never,
        warns=needed * num_processes > memory.available,
        remedy="choose a smaller model (--model), or a machine with more memory"
        if fits_never
        else "halve training.batch_size and double training.gradient_accumulation: the steps stay the same; "
        "or cut comments at a smaller data.max_length",
    )


def check_fit(fit: Fit, batch_size: int, accumulation: int, *, estimated: bool) -> Check:
    """Report which micro-batch fits; this replaces the memory check.

    Parameters
    ----------
    fit : of this process
    batch_size, accumulation : chosen for all processes
    estimated : whether the peak is an estimate, not a measurement
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

    Parameters
    ----------
    size : of the model
    free : bytes
    where : path of the run directory
    averaged : bytes for each parameter of an average, which checkpoints hold too
    """
    classifier = _CLASSIFIER_BYTES * size.num_parameters
    checkpoint = size.checkpoint_bytes + averaged * size.num_trained
    needed = _MOST_CHECKPOINTS * checkpoint + classifier
    return outcome(
        "disk",
        f"up to {gib(needed)} for checkpoints and the classifier; {gib(free)} free at {where}",
        fails=free < checkpoint + classifier,
        warns=free < needed,
        remedy="make room, or put the run on another disk (--out)",
    )


def gib(num_bytes: float) -> str:
    """Return a number of bytes in GiB, as text."""
    return f"{num_bytes / _GIB:.1f} GiB"


def check_precision(precision: str, device: str, *, fast_bf16: bool, model_type: str) -> Check:
    """Warn of a precision that is slow on this hardware, or known to fail with this kind of model.

    Parameters
    ----------
    precision : "bf16", "fp16", "tf32" or "fp32", as chosen
    device : "cuda", "mps" or "cpu"
    fast_bf16 : whether the hardware multiplies bf16 itself
    model_type : as the configuration names it
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
    better = "bf16" if fast_bf16 else "fp32"
    return outcome(
        "precision",
        found,
        warns=emulated or overflows or slow,
        remedy=f"--set training.precision={better}; or go on: steps that overflow are skipped and counted"
        if overflows
        else "--set training.precision=auto",
    )


@dataclass(frozen=True)
class Fault:
    """A fault of some versions of a library.

    Parameters
    ----------
    library, versions : whose, and of which versions
    only_with : the trait of a run that meets it: a model type, "rocm" or a device; empty: all
    effect : what happens
    reference : an issue or an advisory
    """

    library: str
    versions: str
    only_with: str
    effect: str
    reference: str


FAULTS = (
    Fault(
        "torch",
        ">=2.12,<2.13",
        "rocm",
        "wrong gradients of LayerNorm on AMD RDNA GPUs, without an error",
        "pytorch/pytorch#183861",
    ),
    Fault("torch", "<2.10", "", "a prepared .bin file can run code though weights_only is set", "CVE-2026-24747"),
    Fault(
        "transformers",
        ">=5.0,<5.4",
        "deberta-v2",
        "the tokenizer of mDeBERTa sets no [CLS] and [SEP]",
        "huggingface/transformers#44568",
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
    faults : known ones
    needed : requirements as packaging writes them, as in ``torch>=2.11``
    """
    found = []
    for fault in faults:
        meets = not fault.only_with or fault.only_with in traits
        if meets and _is_in(versions.get(fault.library, ""), fault.versions):
            found.append(f"{fault.library} {versions[fault.library]}: {fault.effect} ({fault.reference})")
    for requirement in map(Requirement, needed):
        version = versions.get(requirement.name, "")
        if _is_version(version) and not _is_in(version, str(requirement.specifier)):
            found.append(f"{requirement.name} {version}: civility is made for {requirement.specifier}")
    named = [f"{name} {versions[name]}" for name in ("torch", "transformers", "accelerate") if name in versions]
    return outcome(
        "versions",
        "; ".join(found) if found else f"no known fault in {listed(named, most=3)}",
        warns=bool(found),
        remedy="pip install --upgrade 'civility[train]'",
    )


def own_requirements() -> tuple[str, ...]:
    """Return what civility's own package asks of the libraries that train; empty where it is not installed as one."""
    try:
        lines = metadata.requires("civility") or []
    except metadata.PackageNotFoundError:
        return ()
    return tuple(re.sub(r";.*", "", line).strip() for line in lines if re.search(r"extra == .train.", line))


def _is_in(version: str, specifier: str) -> bool:
    return _is_version(version) and SpecifierSet(specifier, prereleases=True).contains(version)


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True
