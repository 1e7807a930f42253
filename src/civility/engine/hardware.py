"""Memory, disk and CPU cores of the machine, within this process's limits, and the largest micro-batch that fits."""

import contextlib
import ctypes
import math
import os
import platform
import shutil
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from civility.engine.devices import give_back_memory, is_out_of_memory

try:
    import resource
except ImportError:  # Windows has none
    resource = None  # type: ignore[assignment]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
_CLEAR_REFS = Path("/proc/self/clear_refs")
_UNLIMITED = 1 << 60  # version 1 of control groups writes a number near 2 ** 63 for 'no limit'

Peaks = Callable[[int], float]  # peak bytes of a micro-batch with this number of comments; infinite if memory ran out
_MARGIN = 0.1  # share of the memory kept free for workspaces inside kernels and for other programs


@dataclass(frozen=True)
class Memory:
    """Memory of a device in bytes: in total, and free now."""

    total: int
    available: int


def device_memory(device: str) -> Memory | None:
    """Return the memory for training on a device, the GPU's or main memory; None if the system does not report it."""
    if device == "cuda":
        available, total = torch.cuda.mem_get_info()
        return Memory(total, available)
    return main_memory()


def keep_freed_memory() -> bool:
    """Let the process keep the memory that tensors free, for the tensors of the next step; return whether it does.

    The allocator of glibc returns large blocks to the system at once and takes them again, page by page: tens of
    thousands of pages a step. Blocks beyond 256 MiB, which are rarer than steps, are still returned. A setting of the
    user in the environment stays (mallopt(3)).
    """
    own = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    if own or platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return all([libc.mallopt(_M_MMAP_THRESHOLD, 256 << 20), libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)])


def forget_peak_memory() -> None:
    """Reset `peak_memory`, so that one run of a process does not inherit the peak of another.

    Works on a GPU and on Linux (proc_pid_clear_refs(5): a 5 resets it); elsewhere the peak is that of the process.
    """
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # otherwise nothing was allocated
        torch.cuda.reset_peak_memory_stats()
    with contextlib.suppress(OSError):
        _CLEAR_REFS.write_text("5", encoding="ascii")


def peak_memory(device: str) -> int | None:
    """Return the peak of this process since `forget_peak_memory`, in bytes; None if the system does not report it.

    On a GPU the memory allocated there, otherwise the process's main memory.
    """
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # in bytes there, in KiB on Linux


def main_memory(root: Path = Path("/")) -> Memory | None:
    """Return main memory within the limits of this process's control groups; None if the system does not report it.

    ``root`` is the folder of the system's ``proc`` and ``sys``.
    """
    try:
        lines = (root / "proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:  # systems without ``/proc`` do not report how much is free
        try:
            total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (ValueError, OSError, AttributeError):
            return None
        return Memory(total, total)
    kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines) if rest.strip()}
    memory = Memory(kib["MemTotal"] * 1024, kib.get("MemAvailable", kib["MemFree"]) * 1024)
    for limit, used in _group_limits(root):
        memory = Memory(min(memory.total, limit), min(memory.available, max(0, limit - used)))
    return memory


def _group_limits(root: Path) -> list[tuple[int, int]]:
    """Return limit and use of each control group of this process that has a limit.

    The kernel's cache of files does not count as used, since the kernel frees it on demand.
    """
    names = {
        1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        2: ("memory.max", "memory.current", "inactive_file"),
    }
    found = [_limit_and_use(folder, *names[version]) for version, folder in _groups(root, "memory")]
    return [numbers for numbers in found if numbers is not None]


def _groups(root: Path, controller: str) -> Iterator[tuple[int, Path]]:
    """Yield version and folder of this process's control groups for a controller, from the innermost out."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number != "0" and controller not in controllers.split(","):
            continue
        base = root / "sys/fs/cgroup" / ("" if number == "0" else controller)
        inner = Path(path.lstrip("/"))
        for part in (inner, *inner.parents):
            yield (2 if number == "0" else 1), base / part


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


def num_cores(root: Path = Path("/"), allowed: Collection[int] | None = None) -> int:
    """Return how many physical cores this process may keep busy, by its affinity and the quota of its control groups.

    Two hardware threads of a core share its multipliers, so they count as one if the system reports them. Quotas are
    rounded down: one more thread would be suspended in the middle of a step, and all others would wait for it.
    ``allowed`` are the numbers of the logical CPUs that this process may use; None: as the system reports them.
    """
    if allowed is None:
        # Only some systems can restrict a process to some CPUs.
        ask = getattr(os, "sched_getaffinity", None)
        allowed = ask(0) if ask else range(os.cpu_count() or 1)
    cores = len({_core_of(root, number) for number in allowed})
    quotas = [_quota(folder, version) for version, folder in _groups(root, "cpu")]
    return max(1, min([cores, *(int(quota) for quota in quotas if quota is not None)]))


def _core_of(root: Path, number: int) -> str:
    """Return a name that is the same for all hardware threads of a core."""
    try:
        topology = root / f"sys/devices/system/cpu/cpu{number}/topology"
        return (topology / "thread_siblings_list").read_text(encoding="ascii").strip()
    except OSError:
        return str(number)


def _quota(folder: Path, version: int) -> float | None:
    """Return how many CPUs' time a control group may use; None if it has no limit."""
    names = ("cpu.max",) if version == 2 else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    try:
        limit, period = " ".join((folder / name).read_text(encoding="ascii") for name in names).split()
        return None if limit in ("max", "-1") else int(limit) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def free_disk(path: Path) -> int:
    """Return the free bytes on the disk of a path, which need not exist."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


@dataclass(frozen=True)
class Fit:
    """The largest micro-batch that fits."""

    batch_size: int  # its comments; 0 if not even one fits
    peak: float  # bytes that it takes besides weights, gradients and moments; of one comment if none fits
    room: float  # bytes available for it
    next_size: int = 0  # the next larger size that was considered, which does not fit; 0 if there is none
    next_peak: float = 0.0


def sizes_that_share(num_comments: int) -> list[int]:
    """Return the divisors of a number of comments, ascending: the sizes of equal micro-batches."""
    small = [size for size in range(1, math.isqrt(num_comments) + 1) if num_comments % size == 0]
    return sorted({*small, *(num_comments // size for size in small)})


def largest_that_fits(sizes: Sequence[int], peak_of: Peaks, room: float) -> Fit:
    """Return the largest size that fits in ``room`` bytes; ascending sizes are tried up to the first that does not."""
    fit = Fit(0, 0.0, room)
    for size in sizes:
        peak = peak_of(size)
        if peak > room:
            return Fit(fit.batch_size, fit.peak or peak, room, size, peak)
        fit = Fit(size, peak, room)
    return fit


def room_for_activations(available: float, reserved: float) -> float:
    """Return the bytes that a micro-batch may take; negative if the rest does not fit.

    ``available`` bytes are free now, with the weights loaded; training will take ``reserved`` with any batch.
    """
    return (1 - _MARGIN) * available - reserved


def measured_peaks(try_out: Callable[[int], None], parameters: Sequence[torch.nn.Parameter]) -> Peaks:
    """Return a function that measures peaks with the GPU's allocator.

    ``try_out`` runs a micro-batch of the given number of comments forwards and backwards; ``parameters`` are trained.
    """

    def peak_of(size: int) -> float:
        with _untouched(parameters):
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            try:
                try_out(size)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                return math.inf
            return float(torch.cuda.max_memory_allocated() - before)

    return peak_of


@contextmanager
def _untouched(parameters: Sequence[torch.nn.Parameter]) -> Iterator[None]:
    """Run a block with gradients allocated, as in the middle of a step; remove them and restore random numbers.

    The second micro-batch of a step adds to the gradients of the first, so that each exists twice for a moment. For the
    token embedding this can be the peak of the whole step.
    """
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    try:
        with torch.random.fork_rng(sorted({p.device.index for p in parameters if p.is_cuda})):
            yield
    finally:
        for parameter in parameters:
            parameter.grad = None
        give_back_memory()
