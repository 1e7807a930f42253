"""Several processes of one command, as torchrun starts them, forked from a process that has imported torch once.

    python tests/ranks.py

Reads a request a line from the standard input, and answers each with a line; both are JSON::

    {"num": 2, "arguments": ["train", …], "log": FILE}
    {"code": 0}

Where one process fails, the others are killed. The launcher itself is not in it: what it does when a process dies or
a signal comes is tested with torchrun.
"""

import contextlib
import gc
import json
import os
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn


def _live(request: dict[str, Any], rank: int, port: int) -> NoReturn:
    code = 0
    try:
        log = os.open(request["log"], os.O_WRONLY | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        if request["num"] > 1:
            num = str(request["num"])
            os.environ.update({"WORLD_SIZE": num, "LOCAL_WORLD_SIZE": num, "RANK": str(rank), "LOCAL_RANK": str(rank)})
            os.environ.update({"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)})
        from civility.cli import main as civility

        civility(request["arguments"])
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _answer(request: dict[str, Any]) -> int:
    """Run a command on all its processes, and return the first exit code that is not 0."""
    Path(request["log"]).write_bytes(b"")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = set()
    for rank in range(request["num"]):
        child = os.fork()
        if not child:
            _live(request, rank, port)
        children.add(child)
    code = 0
    while children:
        child, status = os.wait()
        children.discard(child)
        code = code or os.waitstatus_to_exitcode(status)
        for other in children if code else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(other, signal.SIGKILL)
    return code


def main() -> None:
    """Answer requests until the standard input ends."""
    requests, answers = os.fdopen(os.dup(0), "r"), os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    import accelerate
    import torch
    import transformers

    import civility.training.train_run

    assert accelerate
    assert torch
    assert transformers.DebertaV2ForSequenceClassification
    assert civility.training.train_run
    gc.collect()
    gc.freeze()  # so that a fork shares the pages of what was imported
    for line in requests:
        answers.write(json.dumps({"code": _answer(json.loads(line))}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
