"""The processes of a launcher, by the variables that torchrun and accelerate set; checked before any work begins.

Also the variables that say which GPUs and how many threads there are: a mistake in them is silent in the libraries.
"""

import re
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass

from civility.errors import UserError
from civility.plain_text import shortened

_NUM, _RANK, _LOCAL_NUM, _LOCAL_RANK = "WORLD_SIZE", "RANK", "LOCAL_WORLD_SIZE", "LOCAL_RANK"
_ADDRESS, _PORT, _GPUS = "MASTER_ADDR", "MASTER_PORT", "CUDA_VISIBLE_DEVICES"
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
# Not CUDA_VISIBLE_DEVICES: empty, it hides all GPUs.
_EMPTY_IS_UNSET = (_NUM, _RANK, _LOCAL_NUM, _LOCAL_RANK, _ADDRESS, _PORT, *_THREADS)
_OF_A_LAUNCHER = (_NUM, _RANK, _LOCAL_RANK, _ADDRESS, _PORT)
_FLAGS = ("ACCELERATE_USE_CPU", "ACCELERATE_DEBUG_MODE", "ACCELERATE_CPU_AFFINITY", "FORK_LAUNCHED")
_TRUE_OR_FALSE = frozenset(("y", "yes", "t", "true", "on", "1", "n", "no", "f", "false", "off", "0"))
_ACCUMULATION, _DEVICE = "ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "ACCELERATE_TORCH_DEVICE"
_OF_MPI = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
_MOST_PROCESSES = 100_000
_HIGHEST_PORT = 65_535
_MOST_THREADS = 100_000
# A number, -1 for none, an identifier as nvidia-smi -L prints it, and what Slurm writes for none.
_GPU = re.compile(r"-1|[0-9]{1,4}|(GPU|MIG)-[0-9A-Za-z/-]+|NoDevFiles|none", re.IGNORECASE)


@dataclass(frozen=True)
class Processes:
    """The processes that share a command, and which of them this one is.

    Parameters
    ----------
    num : processes, on all machines; 1 without a launcher
    rank : of this one, 0 to ``num - 1``
    local_rank : of this one on its machine
    num_here : processes on this machine; None where nothing says
    """

    num: int = 1
    rank: int = 0
    local_rank: int = 0
    num_here: int | None = None


def settle_environment(environment: MutableMapping[str, str]) -> Processes:
    """Remove the launcher's variables that are empty, check all that are left, and return the processes.

    An empty variable is taken as unset here, while torch and accelerate fail on it.

    Raises
    ------
    UserError : a variable has no value that it may have, or some that belong together are missing
    """
    _remove_empty(environment, _EMPTY_IS_UNSET)
    for name in _THREADS:
        value = environment.get(name, "1")
        for part in value.split(","):
            _whole(name, part, value, 1, _MOST_THREADS)
    _check_gpus(environment.get(_GPUS, ""))
    return processes_of(environment)


def settle_accelerate(environment: MutableMapping[str, str]) -> None:
    """Remove the variables of accelerate that are empty or that a run does not heed, and check all that are left.

    How many processes there are is WORLD_SIZE's to say: accelerate would believe MPI's variables before it.

    Raises
    ------
    UserError : a variable has no value that it may have, would put the run on another device, or tells of several
        processes of MPI and no launcher does
    """
    _remove_empty(environment, (*_FLAGS, _DEVICE, *_OF_MPI))
    for name in _FLAGS:
        value = environment.get(name, "false")
        if value.lower() not in _TRUE_OR_FALSE:
            raise UserError(
                "processes.todo",
                f"the environment variable {name} is {shortened(value, 40)!r}",
                expected="true or false",
                remedy=f"unset it (env -u {name} civility …), or set it to one of them",
            )
    if _DEVICE in environment:
        raise UserError(
            "processes.todo",
            f"the environment variable {_DEVICE} is {shortened(environment[_DEVICE], 40)!r}: "
            "the recipe says on which device a run is",
            remedy=f"unset it (env -u {_DEVICE} civility …), and use --set training.device=…",
        )
    environment.pop(_ACCUMULATION, None)  # the recipe's counts
    for name in _OF_MPI:
        num = _whole(name, environment[name], environment[name], 0, _MOST_PROCESSES) if name in environment else 1
        if num > 1 and _NUM not in environment:
            raise UserError(
                "processes.todo",
                f"{name} is {num}, and {_NUM} is not set: processes of MPI are not supported",
                remedy=f"for one process: env -u {name} civility …; for several: torchrun --nproc-per-node "
                "2 -m civility …",
            )
        environment.pop(name, None)


def _remove_empty(environment: MutableMapping[str, str], names: Iterable[str]) -> None:
    for name in names:
        if not environment.get(name, "unset").strip():
            del environment[name]


def processes_of(environment: Mapping[str, str]) -> Processes:
    """Return the processes that the environment tells of.

    Raises
    ------
    UserError : a variable has no value that it may have, or some that belong together are missing
    """
    told = {name: environment[name] for name in _EMPTY_IS_UNSET if environment.get(name, "").strip()}
    num = _told(told, _NUM, 1, 1, _MOST_PROCESSES)
    if _NUM not in told and told.get(_RANK, "0").strip("0 "):
        raise UserError(
            "processes.todo",
            f"the environment variable {_RANK} is {shortened(told[_RANK], 40)!r}, and {_NUM} is not set",
            remedy=f"for one process: env -u {_RANK} civility …; for several: torchrun "
            "--nproc-per-node 2 -m civility …",
        )
    if _PORT in told:
        _told(told, _PORT, 1, 1, _HIGHEST_PORT)
    num_here = _told(told, _LOCAL_NUM, 0, 1, _MOST_PROCESSES) or None
    rank, local_rank = (_told(told, name, 0, 0, num - 1) for name in (_RANK, _LOCAL_RANK))
    missing = [name for name in _OF_A_LAUNCHER if name not in told]
    if (num > 1 or _LOCAL_RANK in told) and missing:
        which = f"{_NUM} is {num}" if num > 1 else f"{_LOCAL_RANK} is set"
        are = "is" if len(missing) == 1 else "are"
        raise UserError(
            "processes.todo",
            f"{which}, and {', '.join(missing)} {are} not set: a launcher sets them all",
            remedy=f"for one process: env -u {_NUM} -u {_LOCAL_RANK} civility …; for several: torchrun "
            "--nproc-per-node 2 -m civility …",
        )
    return Processes(num, rank, local_rank, num_here)


def _told(told: Mapping[str, str], name: str, otherwise: int, least: int, most: int) -> int:
    return _whole(name, told[name], told[name], least, most) if name in told else otherwise


def _whole(name: str, text: str, value: str, least: int, most: int) -> int:
    """Return a variable, or a part of it, as a whole number in this range."""
    if not re.fullmatch(r"\s*[0-9]{1,9}\s*", text) or not least <= int(text) <= most:
        raise UserError(
            "processes.todo",
            f"the environment variable {name} is {shortened(value, 40)!r}",
            expected=f"a whole number from {least} to {most}",
            remedy=f"unset it (env -u {name} civility …), or set it to such a number",
        )
    return int(text)


def _check_gpus(value: str) -> None:
    """Refuse a list of GPUs with an entry that CUDA would not know: it and all after it would be hidden silently."""
    for part in value.split(",") if value.strip() else ():
        if not _GPU.fullmatch(part.strip()):
            raise UserError(
                "processes.todo",
                f"the environment variable {_GPUS} is {shortened(value, 40)!r}",
                expected="numbers of GPUs such as 0,1",
                remedy=f"unset it (env -u {_GPUS} civility …) for all GPUs, or set it to the numbers that "
                "nvidia-smi shows",
            )
