"""Several workers on one machine: the same command as processes, watched until they have ended.

Knows nothing of trials: what the workers share is in the study.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from civility.errors import Interrupted, UserError
from civility.search.sweep_directory import SweepDirectory
from civility.training.stop_signals import StopSignals

_SECONDS_BETWEEN_LOOKS = 1.0
_LINES_TOLD = 6


def run_workers(
    arguments: Sequence[str],
    num: int,
    directory: SweepDirectory,
    *,
    how_to_go_on: str,
    on_look: Callable[[], None] = lambda: None,
) -> UserError | None:
    """Start so many workers and wait for all; return what became of one that did not end well.

    Parameters
    ----------
    arguments : of the command line, without its name; each worker gets ``--worker NUMBER`` with them
    num : workers
    directory : whose logs take what they say
    how_to_go_on : told at an interruption
    on_look : called about once a second

    Raises
    ------
    Interrupted : SIGTERM or Ctrl-C, which is passed on; all have saved
    """
    devices = _gpus(os.environ)
    with ExitStack() as stack, StopSignals() as signals:
        workers = []
        for number in range(1, num + 1):
            log = directory.worker_log(number)
            log.parent.mkdir(exist_ok=True)
            file = stack.enter_context(log.open("w", encoding="utf-8"))
            command = [sys.executable, "-m", "civility", *arguments, "--worker", str(number)]
            # LOCAL_WORLD_SIZE: with how many others a worker shares this machine's processor.
            changes = {"LOCAL_WORLD_SIZE": str(num), **_gpu_of(number, devices)}
            workers.append(
                subprocess.Popen(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL, env=os.environ | changes)
            )
        passed_on = False
        while any(worker.poll() is None for worker in workers):
            on_look()
            if signals.wanted() and not passed_on:
                passed_on = True
                for worker in workers:
                    worker.send_signal(signal.SIGTERM)
            for worker in workers:
                if worker.poll() is None:
                    _wait(worker)
                    break
    if signals.wanted():
        raise Interrupted(f"all {num} workers have saved and ended\n{how_to_go_on}", signals.number)
    return _trouble_of([worker.returncode for worker in workers], directory, how_to_go_on)


def _wait(worker: "subprocess.Popen[bytes]") -> None:
    try:
        worker.wait(_SECONDS_BETWEEN_LOOKS)
    except subprocess.TimeoutExpired:
        return


def _trouble_of(codes: Sequence[int], directory: SweepDirectory, how_to_go_on: str) -> UserError | None:
    for number, code in enumerate(codes, start=1):
        if code:
            log = directory.worker_log(number)
            how = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
            return UserError(
                "search.todo",
                f"worker {number} {how}:{_last_lines(log)}",
                remedy=f"all it said is in {log}; {how_to_go_on}",
            )
    return None


def _last_lines(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return "".join(f"\n       {line.strip()}" for line in lines[-_LINES_TOLD:])


def _gpus(environment: Mapping[str, str]) -> list[str]:
    """Return the names of the GPUs there are, as ``CUDA_VISIBLE_DEVICES`` takes them."""
    told = environment.get("CUDA_VISIBLE_DEVICES")
    if told is not None:
        return [name.strip() for name in told.split(",") if name.strip()]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def _gpu_of(number: int, devices: Sequence[str]) -> dict[str, str]:
    """Return what gives a worker a GPU of its own, where there are several; else they share what there is."""
    return {"CUDA_VISIBLE_DEVICES": devices[(number - 1) % len(devices)]} if len(devices) > 1 else {}
