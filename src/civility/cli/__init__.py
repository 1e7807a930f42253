"""The command line: parse the options, run one command, print the result. Heavy imports wait until they are needed."""

import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import NoReturn

from civility import __version__
from civility.cli.messages import clear_starting, discard, is_first_process, print_error, print_message, show_starting
from civility.cli.parser import build_parser
from civility.errors import Interrupted, UserError
from civility.processes import settle_environment, settle_waiting

__all__ = ["main"]

_OUT_OF_MEMORY = (
    *("failed to map segment", "annot allocate memory", "DefaultCPUAllocator", "CUDA out of memory", "bad_alloc"),
)
_MORE_MEMORY = (
    "raise the limit (ulimit -v), choose a smaller model, or use a machine with more memory; --resume continues a run"
)
_SECONDS_TO_IGNORE_A_REPEAT = 1.0
"""When a terminal closes, the shell and the kernel may both send SIGHUP: the second must not stop the cleaning up."""
_EXTRA_WITH = {
    **dict.fromkeys(("torch", "transformers", "accelerate", "safetensors", "sentencepiece"), "train"),
    **dict.fromkeys(("sklearn", "scipy"), "linear"),
    "optuna": "sweep",
}


class _Ended(KeyboardInterrupt):
    """A signal, by its number, asked the command to end at once."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit.

    0 success, 1 a bug, 2 a `UserError`, 3 a failed requirement, 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP.
    """
    try:
        raise SystemExit(_run(list(sys.argv[1:] if arguments is None else arguments)))
    except UserError as error:
        print_error(error)
        raise SystemExit(2) from None
    except Interrupted as stop:
        if is_first_process():
            print_message(stop.message)
        raise SystemExit(128 + stop.signal_number) from None
    except KeyboardInterrupt as end:
        number = end.number if isinstance(end, _Ended) else signal.SIGINT
        print_message("interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}")
        raise SystemExit(128 + number) from None
    except BrokenPipeError:
        discard(sys.stdout)  # the program that reads our output, such as `head`, has closed the pipe
        raise SystemExit(0) from None
    except Exception as error:
        explained = _explained(error)
        if explained is None:
            print_message(traceback.format_exc().rstrip())
            print_message("this is a bug in civility: please report it with the lines above")
            raise SystemExit(1) from None
        print_error(explained)
        if isinstance(error, OSError):
            with contextlib.suppress(OSError):
                discard(sys.stdout)  # what could not be written is not tried again
        raise SystemExit(2) from None


def _run(arguments: list[str]) -> int:
    if any("\0" in argument for argument in arguments):
        found = "an argument contains a NUL character, which no file name and no setting can"
        raise UserError("cli.bad-usage", found, remedy="remove it")
    options = build_parser(__version__, arguments).parse_args(arguments)
    processes = settle_environment(os.environ)
    settle_waiting(os.environ)
    show_starting()
    # A launcher ends its processes with SIGTERM. Several processes keep its default action: while one waits for the
    # others in a collective operation, it could not raise an exception.
    watch = _raise_on_exit_signals() if processes.num == 1 else contextlib.nullcontext()
    with watch:
        code: int | None = options.run(options, ["civility", *arguments])
    clear_starting()
    sys.stdout.flush()
    if processes.num > 1:
        _exit_at_once(code or 0)
    return code or 0


@contextlib.contextmanager
def _raise_on_exit_signals() -> Iterator[None]:
    """Raise `_Ended` on SIGTERM and SIGHUP, unless a signal is ignored (as by ``nohup``) or already has a handler.

    As after Ctrl-C, half-written files are removed on the way out. Training and sweeps save first: they install their
    own handlers while they run.
    """
    process, last = os.getpid(), -_SECONDS_TO_IGNORE_A_REPEAT

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal last
        if os.getpid() != process:  # a forked child has nothing to clean up
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        before, last = last, time.monotonic()
        if last - before >= _SECONDS_TO_IGNORE_A_REPEAT:
            raise _Ended(number)

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows has one
    is_main = threading.current_thread() is threading.main_thread()  # only the main thread may set handlers
    ours = [number for number in numbers if is_main and signal.getsignal(number) == signal.SIG_DFL]
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _exit_at_once(code: int) -> NoReturn:
    """End one of several processes without shutting down the interpreter.

    A thread of torch may be releasing its last tensor then, which needs the interpreter. Python 3.11 to 3.13 end such
    a thread in a way that makes C++ abort (python/cpython#87135), and when one process aborts, the launcher ends the
    others, even one that is still writing. Seen about once in 50 runs under load.
    """
    sys.stderr.flush()
    os._exit(code)


def _explained(error: Exception) -> UserError | None:
    """Return what a user can do about an error that is not a bug; None for a bug."""
    if _is_out_of_memory(error):
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return UserError("cli.out-of-memory", f"not enough memory: {first}", remedy=_MORE_MEMORY)
    if isinstance(error, OSError):
        where = error.filename if error.filename is not None else "the system"
        remedy = "fix the cause, then run the command again"
        return UserError("cli.system-error", f"{error.strerror or error}", where=where, remedy=remedy)
    if isinstance(error, ModuleNotFoundError):
        extra = _EXTRA_WITH.get((error.name or "").split(".")[0])
        if extra is not None:
            found = f"this needs {error.name}, which is not installed"
            return UserError("cli.missing-package", found, remedy=f"pip install 'civility[{extra}]'")
    return None


def _is_out_of_memory(error: Exception) -> bool:
    """Whether a library had no memory for itself or for a tensor, which torch reports by a plain RuntimeError."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, ImportError | RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY)
