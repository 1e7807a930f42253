"""The command line: parse, call one verb, print. No logic, and nothing heavy before a verb needs it."""

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from civility import __version__
from civility.cli.exit_signals import Ended, ends_in_order
from civility.cli.messages import clear_waiting, is_first_process, say, say_error, show_waiting
from civility.cli.parser import build_parser
from civility.errors import Interrupted, UserError
from civility.processes import settle_environment

__all__ = ["main"]

_SHORT_OF_MEMORY = ("failed to map segment", "annot allocate memory", "DefaultCPUAllocator", "CUDA out of memory")
_MORE_MEMORY = (
    "raise the limit (ulimit -v), choose a smaller model, or a machine with more memory; a run goes on with --resume"
)
_EXTRA_WITH = {
    **dict.fromkeys(("torch", "transformers", "accelerate", "safetensors", "sentencepiece"), "train"),
    **dict.fromkeys(("sklearn", "scipy"), "linear"),
}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one verb and exit.

    0 done, 2 what the user can mend, 3 a requirement failed, 1 a bug, 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP.
    """
    try:
        raise SystemExit(_run(list(sys.argv[1:] if arguments is None else arguments)))
    except UserError as error:
        say_error(error)
        raise SystemExit(2) from None
    except Interrupted as stop:
        if is_first_process():
            say(stop.message)
        raise SystemExit(128 + stop.signal_number) from None
    except KeyboardInterrupt as end:
        number = end.number if isinstance(end, Ended) else signal.SIGINT
        say("interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}")
        raise SystemExit(128 + number) from None
    except BrokenPipeError:
        # The reader of our output has had enough, as `head` has: nothing to tell, and nowhere to tell it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except OSError as error:
        # The machine refused: a disk that is full, a name too long. Nothing that a traceback would explain.
        where = error.filename if error.filename is not None else "the system"
        say_error(
            UserError(
                "cli.todo", f"{error.strerror or error}", where=where, remedy="mend that, and run the command again"
            )
        )
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what could not be written stays so
        raise SystemExit(2) from None
    except ModuleNotFoundError as error:
        extra = _EXTRA_WITH.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        say_error(
            UserError(
                "cli.todo",
                f"this needs {error.name}, which is not installed",
                remedy=f"pip install 'civility[{extra}]'",
            )
        )
        raise SystemExit(2) from None
    except Exception as error:
        raise SystemExit(_tell_the_unexpected(error)) from None


def _leave_at_once(code: int) -> NoReturn:
    """End one of several processes, whose work is done, without the interpreter's own end.

    A thread of torch's may be letting go of its last tensor just then, for which it wants an interpreter that is no
    more: Python 3.11 to 3.13 end such a thread in a way that C++ answers with an abort (python/cpython#87135), and for
    one that aborts the launcher ends all others, one that is still writing too. Seen under load, about once in 50 runs.
    """
    sys.stderr.flush()
    os._exit(code)


def _tell_the_unexpected(error: Exception) -> int:
    """Print what nobody caught, and return the exit code: a bug, or a library that had no memory."""
    if _is_short_of_memory(error):
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        say_error(UserError("cli.todo", f"the memory is too small: {first}", remedy=_MORE_MEMORY))
        return 2
    say(traceback.format_exc().rstrip())
    say("this is a bug in civility: please report it with the lines above")
    return 1


def _run(arguments: list[str]) -> int:
    # Threads that wait at a barrier sleep instead of spinning: with one busy neighbour on two cores training was
    # twice as fast so. OpenMP reads it once, when torch is imported; what the user has set stands.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if any("\0" in argument for argument in arguments):
        raise UserError(
            "cli.todo",
            "an argument holds a NUL character, which no file name and no setting can",
            remedy="leave it out",
        )
    options = build_parser(__version__).parse_args(arguments)
    processes = settle_environment(os.environ)
    show_waiting()
    # A launcher ends its processes by SIGTERM, even while they wait for each other, where no exception would come.
    in_order = ends_in_order() if processes.num == 1 else contextlib.nullcontext()
    with in_order:
        code: int | None = options.run(options, ["civility", *arguments])
    clear_waiting()
    sys.stdout.flush()
    if processes.num > 1:
        _leave_at_once(code or 0)
    return code or 0


def _is_short_of_memory(error: Exception) -> bool:
    """Whether a library had no memory, for itself or for a tensor: torch tells it by a plain RuntimeError."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, ImportError | RuntimeError) and any(words in str(error) for words in _SHORT_OF_MEMORY)
