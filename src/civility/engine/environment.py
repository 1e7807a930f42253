"""The environment of a run, for reproducing it: versions, commit, platform, comments."""

import datetime as dt
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from typing import Any

from civility.data.dataset import Dataset

_LIBRARIES = (
    "civility",
    "torch",
    "transformers",
    "accelerate",
    "tokenizers",
    "safetensors",
    "numpy",
    "pyarrow",
)


def library_versions(libraries: Sequence[str] = ()) -> dict[str, str]:
    """Return versions by library: of Python, civility, numpy and ``libraries``; empty: of all that an encoder needs."""
    versions = {"python": platform.python_version()}
    for name in ("civility", "numpy", *libraries) if libraries else _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed as a package"
    return versions


def _commit() -> str | None:
    """Return the git commit of the working directory, with '+' if files differ from it; None outside git."""
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10)
        status = subprocess.run(["git", "status", "--porcelain", "-uno"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if head.returncode:
        return None
    return head.stdout.strip() + ("+" if status.stdout.strip() else "")


def describe_environment(command: Sequence[str], libraries: Sequence[str] = ()) -> dict[str, Any]:
    """Return the command, versions as `library_versions`, commit, platform and number of CPUs, ready for JSON."""
    return {
        "command": list(command),
        "started": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "versions": library_versions(libraries),
        "commit": _commit(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "num_processors": os.cpu_count(),
    }


def describe_comments(dataset: Dataset, files: Sequence[str]) -> dict[str, Any]:
    """Return what a run records about its training or validation comments, ready for JSON."""
    return {
        "files": list(files),
        "num_comments": len(dataset),
        "digest": dataset.digest,
        "comments_digest": dataset.comments_digest,
    }
