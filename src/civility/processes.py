"""The processes of a launcher, from the variables that torchrun and accelerate set, checked before any work begins.

Also checks the variables for GPUs and threads, in which the libraries do not report a mistake.
"""

import re
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass

from civility.errors import UserError
from civility.plain_text import shortened

_NUM, _RANK, _LOCAL_NUM, _LOCAL_RANK = "WORLD_SIZE", "RANK", "LOCAL_WORLD_SIZE", "LOCAL_RANK"
_ADDRESS, _PORT, _GPUS = "MASTER_ADDR", "MASTER_PORT", "CUDA_VISIBLE_DEVICES"
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
# Not CUDA_VISIBLE_DEVICES, which hides all GPUs if it is empty.
_EMPTY_IS_UNSET = (_NUM, _RANK, _LOCAL_NUM, _LOCAL_RANK, _ADDRESS, _PORT, *_THREADS)
_OF_A_LAUNCHER = (_NUM, _RANK, _LOCAL_RANK, _ADDRESS, _PORT)
_FLAGS = ("ACCELERATE_USE_CPU", "ACCELERATE_DEBUG_MODE", "ACCELERATE_CPU_AFFINITY", "FORK_LAUNCHED")
_TRUE_OR_FALSE = frozenset(("y", "yes", "t", "true", "on", "1", "n", "no", "f", "false", "off", "0"))
_ACCUMULATION, _DEVICE = "ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "ACCELERATE_TORCH_DEVICE"
_OF_MPI = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
_MOST_PROCESSES = 100_000
_HIGHEST_PORT = 65_535
_MOST_THREADS = 100_000
# A number, -1 for none, an identifier as nvidia-smi -L prints it, and Slurm's words for none.
_GPU = re.compile(r"-1|[0-9]{1,4}|(GPU|MIG)-[0-9A-Za-z/-]+|NoDevFiles|none", re.IGNORECASE)
_LAUNCH = "for several: torchrun --nproc-per-node 2 -m civility …"


@dataclass(frozen=True)
class Processes:
    """The processes that run a command together, and the place of this one among them.

    Parameters
    ----------
    num : processes on all machines; 1 without a launcher
    rank : of this process, 0 to ``num - 1``
    local_rank : of this process on its machine
    num_here : processes on this machine; None if not known
    """

    num: int = 1
    rank: int = 0
    local_rank: int = 0
    num_here: int | None = None


def settle_environment(environment: MutableMapping[str, str]) -> Processes:
    """Remove the launcher's empty variables, on which torch and accelerate fail, and return the processes.

    A UserError if a variable has an invalid value, or others that belong to it are missing; also of threads and GPUs.
    """
    _remove_empty(environment, _EMPTY_IS_UNSET)
    for name in _THREADS:
        value = environment.get(name, "1")
        for part in value.split(","):
            _whole(name, part, value, 1, _MOST_THREADS)
    _check_gpus(environment.get(_GPUS, ""))
    return processes_of(environment)


def settle_waiting(environment: MutableMapping[str, str]) -> None:
    """Let threads that wait for each other spin only briefly before they sleep; call it before torch is imported.

    OpenMP of GNU spins 15 times as long by default: as fast on free cores, but only half as fast beside a busy process.
    Threads that sleep at once were an eighth slower on free cores (docs/explanation/speed.md). A choice of the user
    stays.
    """
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", "20000")


def settle_accelerate(environment: MutableMapping[str, str]) -> None:
    """Remove the variables of accelerate that are empty or that a run does not use, and check the others.

    WORLD_SIZE gives the number of processes, although accelerate prefers MPI's variables. A UserError for an invalid
    value, another device, and several processes of MPI without a launcher.
    """
    _remove_empty(environment, (*_FLAGS, _DEVICE, *_OF_MPI))
    for name in _FLAGS:
        value = environment.get(name, "false")
        if value.lower() not in _TRUE_OR_FALSE:
            raise _bad(name, value, "true or false", f"unset it (env -u {name} civility …), or set it to one of them")
    if _DEVICE in environment:
        remedy = f"unset it (env -u {_DEVICE} civility …), and use --set training.device=…"
        raise _bad(_DEVICE, environment[_DEVICE], "no such variable, since the recipe chooses the device", remedy)
    environment.pop(_ACCUMULATION, None)  # the recipe gives it
    for name in _OF_MPI:
        num = _whole(name, environment[name], environment[name], 0, _MOST_PROCESSES) if name in environment else 1
        if num > 1 and _NUM not in environment:
            raise _incomplete(f"{name} is {num} without {_NUM}: processes of MPI are not supported", f"-u {name}")
        environment.pop(name, None)


def _remove_empty(environment: MutableMapping[str, str], names: Iterable[str]) -> None:
    for name in names:
        if not environment.get(name, "unset").strip():
            del environment[name]


def processes_of(environment: Mapping[str, str]) -> Processes:
    """Return the processes that the environment describes; raises as `settle_environment` does."""
    known = {name: environment[name] for name in _EMPTY_IS_UNSET if environment.get(name, "").strip()}
    num = _number(known, _NUM, 1, 1, _MOST_PROCESSES)
    if _NUM not in known and known.get(_RANK, "0").strip("0 "):
        found = f"the environment variable {_RANK} is {shortened(known[_RANK], 40)!r} without {_NUM}"
        raise _incomplete(found, f"-u {_RANK}")
    if _PORT in known:
        _number(known, _PORT, 1, 1, _HIGHEST_PORT)
    num_here = _number(known, _LOCAL_NUM, 0, 1, _MOST_PROCESSES) or None
    rank, local_rank = (_number(known, name, 0, 0, num - 1) for name in (_RANK, _LOCAL_RANK))
    missing = [name for name in _OF_A_LAUNCHER if name not in known]
    if (num > 1 or _LOCAL_RANK in known) and missing:
        which = f"{_NUM} is {num}" if num > 1 else f"{_LOCAL_RANK} is set"
        found = f"{which} without {', '.join(missing)}: a launcher sets them all"
        raise _incomplete(found, f"-u {_NUM} -u {_LOCAL_RANK}")
    return Processes(num, rank, local_rank, num_here)


def _number(known: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    return _whole(name, known[name], known[name], low, high) if name in known else default


def _whole(name: str, text: str, value: str, low: int, high: int) -> int:
    """Return ``text``, which is all or part of a variable's value, as an integer from ``low`` to ``high``."""
    if not re.fullmatch(r"\s*[0-9]{1,9}\s*", text) or not low <= int(text) <= high:
        remedy = f"unset it (env -u {name} civility …), or set it to such a number"
        raise _bad(name, value, f"a whole number from {low} to {high}", remedy)
    return int(text)


def _check_gpus(value: str) -> None:
    """Refuse a list of GPUs with an entry that CUDA does not know: CUDA would silently hide it and all after it."""
    for part in value.split(",") if value.strip() else ():
        if not _GPU.fullmatch(part.strip()):
            remedy = f"unset it (env -u {_GPUS} civility …) for all GPUs, or use the numbers that nvidia-smi shows"
            raise _bad(_GPUS, value, "numbers of GPUs such as 0,1", remedy)


def _incomplete(found: str, unset: str) -> UserError:
    remedy = f"for one process: env {unset} civility …; {_LAUNCH}"
    return UserError("processes.incomplete-launch", found, remedy=remedy)


def _bad(name: str, value: str, expected: str, remedy: str) -> UserError:
    found = f"the environment variable {name} is {shortened(value, 40)!r}"
    return UserError("processes.bad-variable", found, expected=expected, remedy=remedy)
