"""Runs one training command twice: once undisturbed, once killed again and again, and resumed each time.

    python tests/e2e/lives.py KILLS SEED BROKEN WHOLE KILLED -- train …

torch is imported once; each life is a fork of this process that runs the real command line from its beginning. Half of
the killed ones die at a random moment after the run directory was opened, half at a random call to the file system that
concerns a checkpoint, of which most belong to a save. Prints a line a life: how it was to die, how it did, what it left
"""

import gc
import os
import random
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CALLS = ("open", "os.", "shutil.")
_CALLS_TO_LOAD = 15
"""What reading one checkpoint takes: a killed life has to read before it writes."""


class _Watcher:
    """Reports the first opening of a run directory to the parent, and dies at the given call on a checkpoint."""

    def __init__(self, pipe: int, dies_at_call: int) -> None:
        self.pipe, self.dies_at_call, self.seen, self.has_told = pipe, dies_at_call, 0, False
        sys.addaudithook(self.hook)

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and str(arguments[0]).endswith("/lock") and not self.has_told:
            self.has_told = True
            os.write(self.pipe, b"x")
        if not event.startswith(_CALLS) or "step-" not in str(arguments[0]):
            return
        self.seen += 1
        if self.seen == self.dies_at_call:
            os.kill(os.getpid(), signal.SIGKILL)


class _TorchWithoutSeeding:
    def __init__(self, torch: Any) -> None:
        self._torch = torch

    def __getattr__(self, name: str) -> Any:
        return (lambda seed: None) if name == "manual_seed" else getattr(self._torch, name)


def _live(arguments: list[str], pipe: int, dies_at_call: int, broken: bool) -> None:
    from civility.cli import main
    from civility.engine import loop

    if broken:  # dropout from wherever the generator happens to be, as is usual
        loop.torch = _TorchWithoutSeeding(loop.torch)  # type: ignore[assignment,attr-defined]
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    watcher = _Watcher(pipe, dies_at_call)
    try:
        main(arguments)
    finally:
        os.write(pipe, str(watcher.seen).encode())


@dataclass(frozen=True)
class Life:
    """A life that is over: its exit code, negative for a signal; how long the directory was open; calls it made."""

    code: int
    seconds: float
    calls: int


def live(arguments: list[str], broken: bool, delay: float = 0.0, dies_at_call: int = 0) -> Life:
    """Live once, and die after ``delay`` seconds or at a call, if they are not 0."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _live(arguments, writing, dies_at_call, broken)
        os._exit(99)
    os.close(writing)
    opened = os.read(reading, 1)
    started = time.monotonic()
    if delay and opened:
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
    calls = os.read(reading, 99)
    os.close(reading)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return Life(code, time.monotonic() - started, int(calls or 0))


def left(out: Path) -> str:
    """Return the newest checkpoint of a run, and how many writes were left unfinished."""
    names = sorted(path.name for path in (out / "checkpoints").glob("step-*"))
    unfinished = len(list(out.rglob(".*.partial")))
    return f"{names[-1] if names else 'nothing'}, {unfinished} unfinished"


def main() -> None:
    """Live once undisturbed; then until as many lives as asked for were killed, and once more to the end."""
    kills, seed, broken = (int(word) for word in sys.argv[1:4])
    whole, killed = Path(sys.argv[4]), Path(sys.argv[5])
    arguments = sys.argv[7:]
    import accelerate
    import torch
    import transformers

    import civility.training.train_run

    assert accelerate
    assert torch
    assert transformers.BertForSequenceClassification
    assert civility.training.train_run
    gc.collect()
    gc.freeze()  # so that a fork shares the pages of what was imported
    reference = live([*arguments, "--out", str(whole)], bool(broken))
    assert reference.code == 0, reference
    arguments += ["--resume", "auto", "--out", str(killed)]
    # So that the deaths are spread over the whole run: an average life is to get a little less than its share done.
    share = min(0.25, 1.6 / max(1, kills))
    chance, done = random.Random(seed), 0
    while done < kills:
        if chance.random() < 0.5:
            delay = chance.uniform(0.001, share * reference.seconds)
            life, how = live(arguments, bool(broken), delay=delay), f"after {delay:.3f} s"
        else:
            call = chance.randint(1, _CALLS_TO_LOAD + int(share * reference.calls))
            life, how = live(arguments, bool(broken), dies_at_call=call), f"at call {call}"
        sys.stdout.write(f"{how}: {life.code}, {left(killed)}\n")
        if life.code == 0:
            break
        if life.code != -signal.SIGKILL:
            sys.exit(f"a life ended with {life.code}")
        done += 1
    life = live(arguments, bool(broken))
    sys.stdout.write(f"killed {done}\n")
    sys.exit(life.code)


if __name__ == "__main__":
    main()
