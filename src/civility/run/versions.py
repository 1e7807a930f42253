"""Where a run ran: versions, commit and hardware, for whoever wants the same numbers again."""

import datetime as dt
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from typing import Any

_ENCODER_LIBRARIES = ("torch", "transformers", "accelerate", "tokenizers", "safetensors", "numpy", "pyarrow")
LINEAR_LIBRARIES = ("numpy", "scikit-learn", "scipy")


def library_versions(libraries: Sequence[str] = _ENCODER_LIBRARIES) -> dict[str, str]:
    """Return the versions of Python, civility and the libraries that can change a result."""
    versions = {"python": platform.python_version()}
    for name in ("civility", *libraries):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed as a package"
    return versions


def describe_environment(command: Sequence[str], libraries: Sequence[str] = _ENCODER_LIBRARIES) -> dict[str, Any]:
    """Return the command, time, versions, commit, platform and CPU count, as fields of a `SessionFacts`."""
    return {
        "command": tuple(command),
        "started": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "versions": library_versions(libraries),
        "commit": _commit(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "num_processors": os.cpu_count(),
    }


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
