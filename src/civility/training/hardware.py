"""What the machine has to give: memory and disk. Asks the system; judges nothing."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

_UNLIMITED = 1 << 60
"""Version 1 of control groups has no word for 'no limit', but a number near 2 ** 63."""


@dataclass(frozen=True)
class Memory:
    """Memory of a device in bytes: all that a run could ever have, and what is free now."""

    total: int
    available: int


def device_memory(device: str) -> Memory | None:
    """Return the memory that training on a device has: the GPU's own, or main memory; None where nobody tells."""
    if device == "cuda":
        available, total = torch.cuda.mem_get_info()
        return Memory(total, available)
    return main_memory()


def main_memory(root: Path = Path("/")) -> Memory | None:
    """Return main memory, cut down to what the control group of this process may have; None where nobody tells.

    Parameters
    ----------
    root : where the system's ``proc`` and ``sys`` are
    """
    try:
        lines = (root / "proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return _memory_by_pages()
    kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines) if rest.strip()}
    memory = Memory(kib["MemTotal"] * 1024, kib.get("MemAvailable", kib["MemFree"]) * 1024)
    for limit, used in _group_limits(root):
        memory = Memory(min(memory.total, limit), min(memory.available, max(0, limit - used)))
    return memory


def _memory_by_pages() -> Memory | None:
    """Return what systems without ``/proc`` tell: how much there is, not how much is free."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None
    return Memory(total, total)


def _group_limits(root: Path) -> list[tuple[int, int]]:
    """Return limit and use of the control groups of this process that have a limit, up to the outermost.

    What the kernel would give back (its cache of files) does not count as used.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            base, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            base = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        inner = Path(path.lstrip("/"))
        for folder in {base / part for part in (inner, *inner.parents)}:
            numbers = _limit_and_use(folder, *names)
            if numbers is not None:
                found.append(numbers)
    return found


def _limit_and_use(folder: Path, limit_file: str, use_file: str, cache_name: str) -> tuple[int, int] | None:
    try:
        limit = (folder / limit_file).read_text(encoding="ascii").strip()
        used = int((folder / use_file).read_text(encoding="ascii"))
        counters = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
    except (OSError, ValueError):
        return None
    if limit == "max" or int(limit) >= _UNLIMITED:
        return None
    return int(limit), used - int(counters.get(cache_name, 0))


def free_disk(path: Path) -> int:
    """Return the free bytes where a path is, or would be made."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free
