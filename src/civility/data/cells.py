"""Cells to values: targets, lists of labels, texts and ids, with the place of whatever is wrong.

Knows what a cell may hold; knows nothing of files or of which columns there are.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from civility.data.dataset import Float32Array
from civility.data.tables import Chunk
from civility.errors import UserError, did_you_mean

# Enough for the shares of annotators in Jigsaw 2019; a column of arbitrary numbers must not fill the memory.
_MAX_REMEMBERED = 100_000
_NOT_SCORED = -1.0
_SURROGATES = re.compile("[\ud800-\udfff]")


class TargetCells(dict[object, float]):
    """Cells to numbers in [0, 1], NaN for unknown; each distinct cell is parsed once.

    Parameters
    ----------
    not_scored : whether -1 is allowed, and kept, as in the labels of the Jigsaw 2018 test
    """

    def __init__(self, not_scored: bool = False) -> None:
        super().__init__()
        self.not_scored = not_scored

    def __missing__(self, cell: object) -> float:
        number = _number(cell)
        if not (math.isnan(number) or 0 <= number <= 1 or (self.not_scored and number == _NOT_SCORED)):
            raise ValueError(cell)
        # NaN is unequal to itself: as a key it would be remembered again and again.
        if len(self) < _MAX_REMEMBERED and cell == cell:
            self[cell] = number
        return number

    def convert(self, name: str, chunk: Chunk, column: str) -> Float32Array:
        """Return a column as (rows,) float32; a UserError for the first cell that is no target."""
        cells = chunk.columns[column]
        try:
            return np.fromiter(map(self.__getitem__, cells), dtype=np.float32, count=len(cells))
        except (ValueError, TypeError):
            raise self._complain(name, chunk, column) from None

    def _complain(self, name: str, chunk: Chunk, column: str) -> UserError:
        cells = chunk.columns[column]
        index = next(index for index, cell in enumerate(cells) if not self._fits(cell))
        cell = cells[index]
        remedy = ""
        if _is_minus_one(cell):
            remedy = "leave the cell empty for unknown (only Jigsaw 2018's test_labels.csv uses -1)"
        return UserError(
            f"{name}, {chunk.place(index)}: {column} = {show(cell)}: "
            "expected a number from 0 to 1, or nothing for unknown",
            remedy,
        )

    def _fits(self, cell: object) -> bool:
        try:
            self[cell]
        except (ValueError, TypeError):
            return False
        return True


def _number(cell: object) -> float:
    """Return a cell as a number, NaN where it is empty; a ValueError or TypeError where it is none."""
    if cell is None:
        return math.nan
    if isinstance(cell, str):
        stripped = cell.strip()
        if stripped.lower() in ("", "nan", "null"):
            return math.nan
        if "_" in stripped:  # float() reads 1_0 as 10
            raise ValueError(cell)
        return float(stripped)
    return float(cell)  # type: ignore[arg-type]  # a list or dict is a TypeError, which is caught


def _is_minus_one(cell: object) -> bool:
    try:
        return _number(cell) == _NOT_SCORED
    except (ValueError, TypeError):
        return False


def show(cell: object) -> str:
    """Return a cell for a message: quoted, and cut if long."""
    text = repr(cell)
    return text if len(text) <= 60 else f"{text[:57]}..."


class LabelLists:
    """Lists of labels to targets: 1 for each label in the list, 0 for the others, NaN for a null list.

    Parameters
    ----------
    labels : (L,) the axis
    separator : what stands between labels where the list is text that is not JSON
    """

    def __init__(self, labels: Sequence[str], separator: str) -> None:
        self.labels = tuple(labels)
        self.separator = separator
        self._columns = {label: index for index, label in enumerate(labels)}

    def convert(self, name: str, chunk: Chunk, column: str) -> Float32Array:
        """Return a column as (rows, L) float32; a UserError for a label that is not on the axis."""
        cells = chunk.columns[column]
        targets = np.zeros((len(cells), len(self.labels)), dtype=np.float32)
        for row, cell in enumerate(cells):
            if cell is None:
                targets[row] = np.nan
                continue
            names = self._names(cell)
            if names is None:
                raise UserError(
                    f"{name}, {chunk.place(row)}: {column} = {show(cell)}: expected a list of labels",
                    f"write the labels with '{self.separator}' between them, or a JSON list",
                )
            for label in names:
                if label not in self._columns:
                    raise UserError(
                        f"{name}, {chunk.place(row)}: {column} holds the label '{label}', not one of "
                        f"those asked for{did_you_mean(label, self.labels)}",
                        f"the labels asked for: {', '.join(self.labels)}",
                    )
                targets[row, self._columns[label]] = 1
        return targets

    def _names(self, cell: object) -> list[str] | None:
        """Return the labels in a cell, or None if it is no list; an empty text is an empty list."""
        if isinstance(cell, str):
            stripped = cell.strip()
            if not stripped.startswith("["):
                return [part.strip() for part in stripped.split(self.separator) if part.strip()]
            try:
                cell = json.loads(stripped)
            except (ValueError, RecursionError):
                return None
        if isinstance(cell, list) and all(isinstance(label, str) for label in cell):
            return cell
        return None


@dataclass
class TextCells:
    """Cells to comments, counting what had to be mended or has no text.

    A comment without text, or of only white space, becomes an empty string.

    Parameters
    ----------
    mended : what was done to which row of the file: "missing", "white", "nul" or "surrogates"
    """

    num_missing: int = 0
    num_white: int = 0
    num_nul: int = 0
    num_surrogates: int = 0
    mended: list[tuple[str, int]] = field(default_factory=list)

    def convert(self, name: str, chunk: Chunk, column: str) -> list[str]:
        """Return a column as strings without NUL and lone surrogates; a UserError for a number or a list."""
        texts = []
        for index, cell in enumerate(chunk.columns[column]):
            if cell is not None and not isinstance(cell, str):
                raise UserError(
                    f"{name}, {chunk.place(index)}: {column} = {show(cell)}: expected a text",
                    "name the column that holds the comments",
                )
            texts.append(self._clean(cell, chunk.first_row + index))
        return texts

    def _clean(self, cell: str | None, row: int) -> str:
        if not cell:
            self.num_missing += 1
            self.mended.append(("missing", row))
            return ""
        text = cell
        if "\0" in text:
            self.num_nul += 1
            self.mended.append(("nul", row))
            text = text.replace("\0", " ")
        if not text.isascii() and _SURROGATES.search(text):
            self.num_surrogates += 1
            self.mended.append(("surrogates", row))
            text = _SURROGATES.sub("\ufffd", text)
        if text.isspace():
            self.num_white += 1
            self.mended.append(("white", row))
            return ""
        return text


def ids_of(chunk: Chunk, column: str, prefix: str = "") -> list[str]:
    """Return the ids of a chunk; where there is none, ``prefix`` and the number of the row."""
    cells = chunk.columns[column] if column else [None] * len(chunk)
    return [
        f"{prefix}{row}" if cell is None or cell == "" else _SURROGATES.sub("\ufffd", str(cell))
        for row, cell in enumerate(cells, chunk.first_row)
    ]
