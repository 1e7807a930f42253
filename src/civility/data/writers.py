"""Files of scores, written row by row: CSV, JSONL or Parquet. Knows no classifier."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from civility.data.files import write_file
from civility.errors import UserError

FORMATS = ("csv", "jsonl", "parquet")
# The csv module quotes a cell with a carriage return only where the row ends in one: a reader would end the row.
_ROW_END = "\r\n"
WriteRows = Callable[[Sequence[str], npt.NDArray[np.float32]], None]


def score_format(out: str | IO[bytes], wanted: str = "") -> str:
    """Return the format of scores: the one wanted, or that of the file's suffix; CSV into a stream.

    Raises
    ------
    UserError : the suffix is unknown and no format is wanted
    """
    if wanted:
        return wanted
    if not isinstance(out, str):
        return "csv"
    suffix = Path(out).suffix.removeprefix(".").lower()
    if suffix not in FORMATS:
        raise UserError(
            f"{out}: unknown suffix {Path(out).suffix!r} for scores",
            "name the file .csv, .jsonl or .parquet, or give --format",
        )
    return suffix


@contextmanager
def write_scores(out: str | IO[bytes], file_format: str, id_column: str, labels: Sequence[str]) -> Iterator[WriteRows]:
    """Give a function that writes rows of ids and scores, in the order of the calls.

    Parameters
    ----------
    out : path of a file that appears when it is complete, or a stream of bytes
    file_format : "csv", "jsonl" or "parquet"
    id_column : name of the first column
    labels : (L,) names of the other columns

    Raises
    ------
    UserError : a label has the name of the id column; no permission, no space
    """
    if id_column in labels:
        raise UserError(f"the id column and a label are both named {id_column!r}", "rename the id column of the file")
    writer = {"csv": _csv_rows, "jsonl": _jsonl_rows, "parquet": _parquet_rows}[file_format]
    if not isinstance(out, str):
        try:
            with writer(out, id_column, labels) as write:
                yield write
            out.flush()
        except BrokenPipeError:
            raise  # a reader that has had enough is no failure
        except OSError as error:
            raise UserError(
                f"standard output: cannot write: {error.strerror}", "write elsewhere (--out FILE)"
            ) from error
        return
    with write_file(Path(out), "wb") as file, writer(file, id_column, labels) as write:
        yield write


class _Lines:
    """Encode rows of text into a stream of bytes, with plain line ends: what `csv.writer` writes to."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> None:
        self._file.write(f"{text.removesuffix(_ROW_END)}\n".encode())


def _shortest(value: np.float32) -> str:
    """Return the shortest decimal number that reads back as the same float32."""
    return np.format_float_positional(value, unique=True, trim="0")


@contextmanager
def _csv_rows(file: IO[bytes], id_column: str, labels: Sequence[str]) -> Iterator[WriteRows]:
    lines = csv.writer(_Lines(file), lineterminator=_ROW_END)
    lines.writerow([id_column, *labels])

    def write(ids: Sequence[str], scores: npt.NDArray[np.float32]) -> None:
        lines.writerows([name, *map(_shortest, row)] for name, row in zip(ids, scores, strict=True))

    yield write


@contextmanager
def _jsonl_rows(file: IO[bytes], id_column: str, labels: Sequence[str]) -> Iterator[WriteRows]:
    keys = [json.dumps(name, ensure_ascii=False) for name in (id_column, *labels)]

    def write(ids: Sequence[str], scores: npt.NDArray[np.float32]) -> None:
        for name, row in zip(ids, scores, strict=True):
            values = [json.dumps(name, ensure_ascii=False), *map(_shortest, row)]
            pairs = ", ".join(f"{key}: {value}" for key, value in zip(keys, values, strict=True))
            file.write(f"{{{pairs}}}\n".encode())

    yield write


@contextmanager
def _parquet_rows(file: IO[bytes], id_column: str, labels: Sequence[str]) -> Iterator[WriteRows]:
    fields: list[tuple[str, Any]] = [(id_column, pa.string()), *((label, pa.float32()) for label in labels)]
    schema = pa.schema(fields)
    with pq.ParquetWriter(file, schema) as rows:

        def write(ids: Sequence[str], scores: npt.NDArray[np.float32]) -> None:
            columns = [pa.array(ids, pa.string()), *(pa.array(column) for column in scores.T)]
            rows.write_table(pa.Table.from_arrays(columns, schema=schema))

        yield write
