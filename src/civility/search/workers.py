"""The workers of ``--jobs``: the same command as several processes, watched until they have ended."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress

from civility.errors import Interrupted, UserError
from civility.search.sweep_directory import SweepDirectory
from civility.training.stop_signals import StopSignals

_SECONDS_BETWEEN_TICKS = 1.0
_LINES_SHOWN = 6


def run_workers(
    arguments: Sequence[str],
    num: int,
    directory: SweepDirectory,
    *,
    resume_hint: str,
    on_tick: Callable[[], None] = lambda: None,
) -> UserError | None:
    """Start workers and wait for all of them; return the error of one that failed.

    Parameters
    ----------
    arguments : of the command line, without its name; each worker gets ``--worker NUMBER`` with them
    num : workers
    directory : their output goes to its logs
    resume_hint : printed after an interruption
    on_tick : called about once a second

    Raises
    ------
    Interrupted : SIGTERM or Ctrl-C, which is passed on; all workers have saved
    """
    devices = _gpus(os.environ)
    with ExitStack() as stack, StopSignals() as signals:
        workers = []
        for number in range(1, num + 1):
            log = directory.worker_log(number)
            log.parent.mkdir(exist_ok=True)
            file = stack.enter_context(log.open("w", encoding="utf-8"))
            command = [sys.executable, "-m", "civility", *arguments, "--worker", str(number)]
            # LOCAL_WORLD_SIZE: how many workers share the CPU of this machine.
            changes = {"LOCAL_WORLD_SIZE": str(num)}
            if len(devices) > 1:
                changes["CUDA_VISIBLE_DEVICES"] = devices[(number - 1) % len(devices)]
            workers.append(
                subprocess.Popen(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL, env=os.environ | changes)
            )
        was_passed_on = False
        while running := [worker for worker in workers if worker.poll() is None]:
            on_tick()
            if signals.wanted() and not was_passed_on:
                was_passed_on = True
                for worker in workers:
                    worker.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                running[0].wait(_SECONDS_BETWEEN_TICKS)
    if signals.wanted():
        raise Interrupted(f"all {num} workers have saved and ended\n{resume_hint}", signals.number)
    return _failure_of([worker.returncode for worker in workers], directory, resume_hint)


def _failure_of(codes: Sequence[int], directory: SweepDirectory, resume_hint: str) -> UserError | None:
    for number, code in enumerate(codes, start=1):
        if code:
            log = directory.worker_log(number)
            how = f"was killed by signal {-code}" if code < 0 else f"failed with exit code {code}"
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-_LINES_SHOWN:]
            last = "".join(f"\n       {line.strip()}" for line in lines)
            return UserError(
                "search.worker-failed",
                f"worker {number} {how}:{last}",
                remedy=f"its whole output is in {log}; {resume_hint}",
            )
    return None


def _gpus(environment: Mapping[str, str]) -> list[str]:
    """Return the GPUs of this process, by the names that ``CUDA_VISIBLE_DEVICES`` takes."""
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip()]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]
