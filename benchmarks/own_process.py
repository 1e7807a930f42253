"""What benchmarks measure in a process of its own, and the highest memory of a process."""

import multiprocessing
import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

_STATUS, _FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_FORGET_THE_PEAK = "5"  # proc(5)

P = ParamSpec("P")
T = TypeVar("T")


def in_own_process(measure: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function of a module in a fresh process, and return what it returns or raise what it raises.

    Started anew and not forked: a fork begins with the memory of its parent.

    Raises
    ------
    concurrent.futures.process.BrokenProcessPool : the process was killed, as for want of memory
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, *args, **kwargs).result()


def peak_bytes() -> int:
    """Return the most memory that this process has had resident, since it began or since `forget_peak`."""
    if _STATUS.exists():
        # Not from getrusage, which goes on counting what a process was before it became this program.
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def forget_peak() -> bool:
    """Let `peak_bytes` begin anew from the memory that is resident now; False where the system has no such way."""
    try:
        _FORGET.write_text(_FORGET_THE_PEAK, encoding="ascii")
    except OSError:
        return False
    return True
