"""Whether a command ended as the documents promise, whatever it was given."""

import csv
import fnmatch
import io
import json
import math
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from .command import Command, Outcome

DOCUMENTED = frozenset({0, 2, 3, 130, 143})
LONGEST_ERROR = 4_000
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_TOO_SMALL = ("memory is too small", "MemoryError", "larger than is allowed here")
_BUG = ("Traceback (most recent call last)", "this is a bug", "Exception ignored in", "Warning: ")
_DECISIONS = {"allow", "flag", "review", "remove"}


def judge(command: Command, outcome: Outcome) -> list[str]:
    """Return all that is wrong with what a command left; nothing if all is well."""
    return [fault for check in (_ending, _words, _places, _content, _scores) for fault in check(command, outcome)]


def _ending(command: Command, outcome: Outcome) -> Iterator[str]:
    if outcome.signal:
        yield f"hang: ended by signal {outcome.signal} after {outcome.seconds:.0f} s of CPU time"
    elif outcome.code not in DOCUMENTED:
        yield f"exit code {outcome.code}"
    for words in _TOO_SMALL:
        if words in outcome.err:
            yield f"memory: {words}"


def _words(command: Command, outcome: Outcome) -> Iterator[str]:
    for words in _BUG:
        if words in outcome.err:
            yield f"traceback: {words}"
    shown = [("standard error", outcome.err)]
    if command.scores != "-" and "predict" not in command.arguments:  # scores on the standard output are data
        shown.append(("standard output", outcome.out))
    for name, text in shown:
        found = _CONTROL.search(text)
        if found:
            yield f"control character {found.group()!r} on the {name}"
    if len(outcome.err) > LONGEST_ERROR:
        yield f"words: {len(outcome.err)} characters on the standard error"
    if outcome.code == 2 and not re.search("^error: .", outcome.err, re.MULTILINE):
        yield "words: exit code 2 without an error"
    if outcome.code == 3 and not re.search("^failed: .", outcome.err, re.MULTILINE):
        yield "words: exit code 3 without a failure"


def _may_write(command: Command, name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) or name.startswith(f"{pattern}/") for pattern in command.writes)


def _places(command: Command, outcome: Outcome) -> Iterator[str]:
    for name in outcome.after:
        if name.endswith(".partial") and name not in outcome.before:
            yield f"half-written: {name} is left"
    for name in sorted({*outcome.before, *outcome.after}):
        before, after = outcome.before.get(name), outcome.after.get(name)
        if before == after or _may_write(command, name) or name.endswith(".partial"):
            continue
        yield f"places: {name} {'appeared' if before is None else 'is gone' if after is None else 'changed'}"
    if not stat.S_ISCHR(Path(os.devnull).lstat().st_mode):
        yield f"places: {os.devnull} is not a device any more"
    if outcome.code in (0, 3):
        return
    for name, entry in outcome.after.items():
        is_new = name not in outcome.before
        is_empty = entry.kind == "folder" and not any(other.startswith(f"{name}/") for other in outcome.after)
        if is_new and is_empty and not _is_of_a_run(name, outcome):
            yield f"half-written: an empty folder {name} is left"
        if name == command.scores and entry != outcome.before.get(name):
            yield f"half-written: {name} is there, and the exit code is {outcome.code}"


def _is_of_a_run(name: str, outcome: Outcome) -> bool:
    """Whether an empty folder is one that a run has made for what is to come."""
    return f"{name.rpartition('/')[0]}/recipe.toml" in outcome.after


def _content(command: Command, outcome: Outcome) -> Iterator[str]:
    """Every file that was written is whole: it can be read in its format, and its numbers are numbers."""
    known = set(outcome.before.values())  # a folder that was put aside is not written anew
    for name, entry in outcome.after.items():
        reader = READERS.get(Path(name).suffix)
        is_appended_to = name in outcome.before and name.endswith(".jsonl")  # what was damaged in a log stays so
        if reader is None or entry.kind != "file" or entry in known or is_appended_to:
            continue
        try:
            reader(outcome.folder / name)
        except Exception as error:
            yield f"half-written: {name}: {type(error).__name__}: {error}"


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} in a document")


def _read_json(path: Path) -> None:
    json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_constant)


def _read_json_lines(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if text and not text.endswith("\n"):
        raise ValueError("the last line has no end")
    for line in text.splitlines():
        json.loads(line, parse_constant=_no_constant)


def _csv_rows(text: str) -> list[list[str]]:
    csv.field_size_limit(2**31 - 1)  # an id may be as long as any cell
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def _read_csv(path: Path) -> None:
    rows = _csv_rows(path.read_text(encoding="utf-8"))
    if len({len(row) for row in rows}) > 1:
        raise ValueError("rows of several lengths")


def _read_toml(path: Path) -> None:
    tomllib.loads(path.read_text(encoding="utf-8"))


def _read_tensors(path: Path) -> None:
    from safetensors.numpy import load_file

    for name, tensor in load_file(path).items():
        if not np.isfinite(tensor).all():
            raise ValueError(f"{name} is not finite")


def _read_parquet(path: Path) -> None:
    with path.open("rb") as file:  # pyarrow opens no name that is not UTF-8
        table = pq.read_table(file)
    for name in table.column_names:
        column = table[name].to_numpy()
        if column.dtype.kind != "f":
            continue
        values = column[~np.isnan(column)] if name.startswith("target:") else column
        if not ((values >= 0) & (values <= 1)).all():
            raise ValueError(f"{name} is outside [0, 1]")


READERS: dict[str, Callable[[Path], None]] = {
    ".json": _read_json,
    ".jsonl": _read_json_lines,
    ".csv": _read_csv,
    ".toml": _read_toml,
    ".safetensors": _read_tensors,
    ".parquet": _read_parquet,
}


def _scores(command: Command, outcome: Outcome) -> Iterator[str]:
    """A command that has done what was asked for has left scores, as many as it says, all in [0, 1]."""
    if not command.scores or outcome.code:
        return
    try:
        rows = list(_rows(command.scores, outcome))
    except Exception as error:
        yield f"scores: {command.scores} cannot be read: {type(error).__name__}: {error}"
        return
    said = re.search(r"^([\d,]+) comments? scored", outcome.err, re.MULTILINE)
    if said and int(said.group(1).replace(",", "")) != len(rows):
        yield f"scores: {len(rows)} rows, and it says {said.group()}"
    bad = [value for row in rows for value in row if not (math.isfinite(value) and 0 <= value <= 1)]
    if bad:
        yield f"scores: {bad[0]} is not a score from 0 to 1"
    if not all(rows):
        yield "scores: a row without a score"


def _rows(name: str, outcome: Outcome) -> Iterator[list[float]]:
    """Yield the scores of each row: all columns but the ids, the texts and the decisions."""
    path = outcome.folder / name
    if path.suffix == ".parquet":
        with path.open("rb") as file:
            table = pq.read_table(file)
        floats = [table[column].to_pylist() for column in table.column_names if str(table[column].type) == "float"]
        yield from ([math.nan if value is None else value for value in row] for row in zip(*floats, strict=True))
        return
    text = outcome.out if name == "-" else path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl" or (name == "-" and text.startswith("{")):
        for line in text.splitlines():
            yield [value for value in json.loads(line).values() if isinstance(value, float | int)]
        return
    header, *rows = _csv_rows(text)
    columns = [i for i, column in enumerate(header) if i and not _is_text(column, [row[i] for row in rows])]
    yield from ([float(row[i]) for i in columns] for row in rows)


def _is_text(column: str, cells: list[Any]) -> bool:
    return column.endswith(":decision") or column in ("comment_text", "text") or set(cells) <= _DECISIONS
