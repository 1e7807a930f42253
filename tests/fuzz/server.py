"""A server that has imported everything once, and runs each command in a fork of itself, bounded in memory and time.

    python tests/fuzz/server.py

Reads a request a line from the standard input, and answers each with a line; both are JSON::

    {"program": "", "arguments": [], "environment": {}, "folder": "", "seconds": 1,
     "stdin": FILE, "stdout": FILE, "stderr": FILE}
    {"code": 0, "signal": 0, "seconds": 0.1}

A program is "civility", the command line itself, or ``FILE:FUNCTION``, which is called with the arguments.
"""

import contextlib
import gc
import importlib
import importlib.util
import io
import json
import os
import pkgutil
import resource
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

_WALL = 4
"""Wall seconds per CPU second. Other processes share the machine, so only a process that waits reaches the limit."""
_MORE_MEMORY = 3 << 30
_LARGEST_FILE = 256 << 20
_LIBRARIES = (
    *("accelerate", "optuna", "optuna.storages", "optuna.importance", "safetensors.torch", "safetensors.numpy"),
    *("sklearn.linear_model", "sklearn.feature_extraction.text", "sqlalchemy", "sqlalchemy.dialects.sqlite"),
    *("transformers.models.bert.modeling_bert", "transformers.models.bert.tokenization_bert", "rich.progress"),
    *("transformers.models.auto.modeling_auto", "transformers.models.auto.tokenization_auto", "pyarrow.parquet"),
    *("pyarrow.compute", "rich.table", "torch.optim", "transformers.modeling_layers"),
)


def _import_everything() -> None:
    import civility

    for module in pkgutil.walk_packages(civility.__path__, "civility."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in _LIBRARIES:
        importlib.import_module(name)
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    get_checkpoint_conversion_mapping("bert")  # compiles a thousand patterns, once a process


def _virtual_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _bound(seconds: int) -> None:
    memory = _virtual_bytes() + _MORE_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.alarm(_WALL * seconds)


def _redirect(request: dict[str, Any]) -> None:
    """Replace the three standard streams by files, as a shell does."""
    for number, (name, flags) in enumerate(
        (("stdin", os.O_RDONLY), ("stdout", os.O_WRONLY | os.O_CREAT), ("stderr", os.O_WRONLY | os.O_CREAT))
    ):
        handle = os.open(request[name], flags | (os.O_TRUNC if number else 0), 0o644)
        os.dup2(handle, number)
        os.close(handle)
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0)), encoding="utf-8")
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w")), encoding="utf-8")
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(io.FileIO(2, "w")), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )


def _program(name: str) -> Any:
    if name == "civility":
        from civility.cli import main

        return main
    file, function = name.rsplit(":", 1)
    spec = importlib.util.spec_from_file_location("program", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, function)


def _live(request: dict[str, Any]) -> NoReturn:
    """Be the process of one command, from its beginning to its end."""
    code = 0
    try:
        os.setsid()
        os.chdir(request["folder"])
        os.environ.update(request["environment"])
        _redirect(request)
        _bound(request["seconds"])
        _program(request["program"])(request["arguments"])
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except Exception:
        code = 120  # as the interpreter does
    os._exit(code)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    child = os.fork()
    if not child:
        _live(request)
    _, status, used = os.wait4(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what it may have started
    ended = os.waitstatus_to_exitcode(status)
    return {"code": max(ended, 0), "signal": max(-ended, 0), "seconds": used.ru_utime + used.ru_stime}


def main() -> None:
    requests, answers = os.fdopen(os.dup(0), "r"), os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    _import_everything()
    gc.collect()
    gc.freeze()  # so that a fork shares the pages of what was imported
    for line in requests:
        answers.write(json.dumps(_answer(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
