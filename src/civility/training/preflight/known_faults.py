"""Versions of libraries with faults that matter to training, as data, each with the thread that tells of it."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from civility.plain_text import listed
from civility.training.preflight.check import Check, judge


@dataclass(frozen=True)
class Fault:
    """A fault of some versions of a library.

    Parameters
    ----------
    library, versions : whose, and of which versions
    only_with : the trait of a run that meets it: a model type, "rocm" or a device; empty: all
    effect : what happens
    reference : the thread that tells of it
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
    return judge(
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
