"""Score files, with decisions if wanted, written row by row: CSV, JSONL or Parquet."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from civility.arrays import Scores, Words
from civility.errors import UserError
from civility.plain_text import as_cell, as_json, printable
from civility.storage.atomic_files import is_stream, write_file

FORMATS = ("csv", "jsonl", "parquet")
# The csv module quotes a cell with a carriage return only if rows end in one. Without quotes, a reader ends the row.
_ROW_END = "\r\n"
DECISION = ":decision"
"""Suffix of a label in the name of its column of decisions."""
# The cells before the scores of each row, (N,): its id, and its text if the file has texts.
_Names = Sequence[tuple[str, ...]]
_WriteWhole = Callable[[_Names, Scores, Words], None]


class WriteRows(Protocol):
    """A function that writes rows."""

    def __call__(
        self, ids: Sequence[str], scores: Scores, decisions: Words | None = None, texts: Sequence[str] = ()
    ) -> None:
        """Write ids (N,) and scores (N, L) in [0, 1].

        If the file has them, also decisions (N, L), words such as ``remove``, and texts (N,).
        """


@dataclass(frozen=True)
class _Columns:
    """The column names of a score file; ``decisions`` has one per label or none, ``texts`` one or none."""

    id: str
    texts: Sequence[str]
    labels: Sequence[str]
    decisions: Sequence[str]
    for_spreadsheet: bool = False

    @property
    def all(self) -> list[str]:
        """Every column, in order."""
        return [self.id, *self.texts, *self.labels, *self.decisions]


def score_format(out: str | IO[bytes], wanted: str = "") -> str:
    """Return the format of a score file: the one wanted, or that of its suffix; CSV for a stream, a device or a pipe.

    A UserError if the suffix is unknown and no format is named.
    """
    if wanted:
        return wanted
    if not isinstance(out, str) or is_stream(Path(out)):
        return "csv"
    suffix = Path(out).suffix.removeprefix(".").lower()
    if suffix not in FORMATS:
        remedy = "name the file .csv, .jsonl or .parquet, or give --format"
        raise UserError("data.bad-output", f"unknown suffix {Path(out).suffix!r} for scores", where=out, remedy=remedy)
    return suffix


@contextmanager
def write_scores(
    out: str | IO[bytes],
    file_format: str,
    id_column: str,
    labels: Sequence[str],
    *,
    decisions: bool = False,
    text_column: str = "",
    for_spreadsheet: bool = False,
) -> Iterator[WriteRows]:
    """Yield a function that writes rows of ids and scores, in the order of the calls.

    Parameters
    ----------
    out : path of a file, which appears when it is complete, or a stream of bytes
    file_format : "csv", "jsonl" or "parquet"
    id_column : name of the first column
    labels : (L,) names of the columns of scores
    decisions : whether a column ``LABEL:decision`` for each label follows
    text_column : name of a column of texts after the ids; empty: none
    for_spreadsheet : whether CSV gets an apostrophe before ids and texts that a spreadsheet would take for formulas;
        column names get it anyway, see `as_cell`

    Raises
    ------
    UserError : two columns have one name, Parquet would go to a terminal, or the file cannot be written
    """
    if id_column in labels:
        found = f"the id column and a label are both named {id_column!r}"
        raise UserError("data.bad-output", found, remedy="rename the id column of the file")
    texts = [text_column] if text_column else []
    decided = [f"{label}{DECISION}" for label in labels] if decisions else []
    columns = _Columns(id_column, texts, labels, decided, for_spreadsheet)
    for name in columns.decisions:
        if name in (id_column, *labels):
            what = "the id column" if name == id_column else "a label"
            found = f"{what} and a column of decisions are both named {name!r}"
            raise UserError("data.bad-output", found, remedy="leave out --decisions")
    writer = {"csv": _csv_rows, "jsonl": _jsonl_rows, "parquet": _parquet_rows}[file_format]
    if not isinstance(out, str):
        try:
            with writer(out, columns) as write:
                yield _checked(write, columns)
            out.flush()
        except BrokenPipeError:
            raise  # the reader of a pipe has stopped, which is not an error
        except OSError as error:
            found, remedy = f"cannot write: {error.strerror}", "write elsewhere (--out FILE)"
            raise UserError("data.bad-output", found, where="standard output", remedy=remedy) from error
        return
    with write_file(Path(out), "wb") as file, writer(file, columns) as write:
        yield _checked(write, columns)


def _checked(write_whole: _WriteWhole, columns: _Columns) -> WriteRows:
    """Return a function that writes rows after checking their columns."""

    def write(ids: Sequence[str], scores: Scores, decisions: Words | None = None, texts: Sequence[str] = ()) -> None:
        num = len(ids)
        if len(texts) != (num if columns.texts else 0):
            raise ValueError(f"{len(texts)} texts for {num} rows and {len(columns.texts)} columns of texts")
        names = list(zip(ids, texts, strict=True)) if columns.texts else [(name,) for name in ids]
        words = np.empty((num, 0), dtype=np.str_) if decisions is None else decisions
        if words.shape != (num, len(columns.decisions)):
            raise ValueError(f"decisions have shape {words.shape}, expected ({num}, {len(columns.decisions)})")
        write_whole(names, scores, words)

    return write


class _Lines:
    """Encodes rows of text into a stream of bytes, with plain line ends, for `csv.writer`.

    On a terminal, control characters are replaced. Elsewhere cells are written as they are, to be read again.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._shown = printable if file.isatty() else str

    def write(self, text: str) -> None:
        self._file.write(f"{self._shown(text.removesuffix(_ROW_END))}\n".encode())


def _shortest(value: np.float32) -> str:
    """Return the shortest decimal number that reads back as the same float32."""
    return np.format_float_positional(value, unique=True, trim="0")


@contextmanager
def _csv_rows(file: IO[bytes], columns: _Columns) -> Iterator[_WriteWhole]:
    lines = csv.writer(_Lines(file), lineterminator=_ROW_END)
    header = list(map(as_cell, columns.all))
    if len(set(header)) < len(header):
        found = f"two columns have one name after control characters are replaced: {', '.join(header)}"
        raise UserError("data.bad-output", found, remedy="write --format jsonl or parquet")
    lines.writerow(header)
    cell = as_cell if columns.for_spreadsheet else str

    def write(names: _Names, scores: Scores, words: Words) -> None:
        for said, row, decided in zip(names, scores, words.tolist(), strict=True):
            lines.writerow([*map(cell, said), *map(_shortest, row), *decided])

    yield write


@contextmanager
def _jsonl_rows(file: IO[bytes], columns: _Columns) -> Iterator[_WriteWhole]:
    keys = list(map(as_json, columns.all))

    def write(names: _Names, scores: Scores, words: Words) -> None:
        for said, row, decided in zip(names, scores, words.tolist(), strict=True):
            values = [*map(as_json, said), *map(_shortest, row), *map(json.dumps, decided)]
            pairs = ", ".join(f"{key}: {value}" for key, value in zip(keys, values, strict=True))
            file.write(f"{{{pairs}}}\n".encode())

    yield write


@contextmanager
def _parquet_rows(file: IO[bytes], columns: _Columns) -> Iterator[_WriteWhole]:
    import pyarrow as pa  # loads slowly
    import pyarrow.parquet as pq

    if file.isatty():
        found = "Parquet cannot be shown on a terminal"
        raise UserError("data.bad-output", found, remedy="write it to a file (--out FILE)")
    fields: list[tuple[str, Any]] = [(name, pa.string()) for name in (columns.id, *columns.texts)]
    fields += [(label, pa.float32()) for label in columns.labels]
    fields += [(name, pa.string()) for name in columns.decisions]
    schema = pa.schema(fields)
    with pq.ParquetWriter(file, schema) as rows:

        def write(names: _Names, scores: Scores, words: Words) -> None:
            arrays = [pa.array([row[place] for row in names], pa.string()) for place in range(1 + len(columns.texts))]
            arrays += [pa.array(column) for column in scores.T]
            arrays += [pa.array(column.tolist(), pa.string()) for column in words.T]
            rows.write_table(pa.Table.from_arrays(arrays, schema=schema))

        yield write
